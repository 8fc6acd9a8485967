import pytest

from kernelraft.conversation.summary import Summary
from kernelraft.records import ABSTAIN_REASONS


@pytest.mark.parametrize(
    ("speedups", "median"), [([], None), ([2.0], 2.0), ([4.0, 1.0], 2.5), ([9.0, 1.0, 2.0], 2.0), ([4, 1, 2, 3], 2.5)]
)
def test_the_median_speedup_is_the_middle_or_the_mean_of_the_two_there(speedups, median):
    assert Summary(speedups=speedups).data()["speedup"] == {"timed": len(speedups), "median": median}


def test_every_reason_to_abstain_counts_as_a_sample_without_a_verdict():
    summary = Summary()
    summary.errors.update(ABSTAIN_REASONS)
    summary.errors["WRONG_VALUE"] += 3
    summary.judged[0] = 6
    found = summary.metrics(0, 0.0)
    count = len(ABSTAIN_REASONS)
    assert found["generate/samples"] == 6 + count
    assert found["verify/abstain_rate"] == count / (6 + count)
