import pytest

from kernelraft.errors import VerifierUnavailable
from kernelraft.records import Reason, Sample, Status, Verdict
from kernelraft.stage.attempts import Attempts, tallied
from kernelraft.store import read
from tests.conftest import FakeGenerator, FakeVerifier, task

TASKS = [task(n) for n in range(5)]


def run(folder, verifier, generator, attempts=range(2), max_abstain=1.0):
    with Attempts.open(folder, verifier, max_abstain) as journal:
        return journal.run(TASKS, generator, attempts, 0, "test")


def test_every_sample_has_its_verdict_in_order(tmp_path):
    verifier = FakeVerifier(right=lambda t, code: code == "right")
    made = run(tmp_path, verifier, FakeGenerator(lambda t, n: "right" if n else "wrong"))
    assert [(a.task.id, a.sample.index) for a in made] == [(t.id, n) for t in TASKS for n in range(2)]
    assert [a.verdict.status for a in made] == [Status.FAIL, Status.PASS] * 5
    assert all(a.verdict.id == a.sample.id for a in made)


@pytest.mark.parametrize("killed_at", [1, 4, 9])
def test_a_killed_run_is_continued_and_nothing_is_done_twice(tmp_path, killed_at):
    first = FakeGenerator(lambda t, n: f"{t.id} {n}")

    class Killed(FakeVerifier):
        def submit(self, task, sample):
            if len(self.asked) == killed_at:
                raise KeyboardInterrupt  # the sample is on disk, its verdict is not
            return super().submit(task, sample)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Killed(), first)
    second, verifier = FakeGenerator(first.text), FakeVerifier()
    made = run(tmp_path, verifier, second)
    assert len(made) == 10 and not set(first.written) & set(second.written)
    assert len(set(verifier.asked)) == len(verifier.asked) == 10 - killed_at
    assert [s.id for s in read(Sample, tmp_path / "samples.jsonl")] == first.written + second.written
    assert len(list(read(Verdict, tmp_path / "verdicts.jsonl"))) == 10


def test_a_judge_that_mostly_abstains_ends_the_run_in_one_line(tmp_path):
    generator = FakeGenerator(lambda t, n: "x")
    verifier = FakeVerifier(abstain=lambda t, code: True)
    with pytest.raises(VerifierUnavailable, match=r"max_abstain=0\.2.*WORKER_LOST gone"):
        run(tmp_path, verifier, generator, attempts=range(8), max_abstain=0.2)


def test_a_task_that_cannot_be_judged_is_named_once(tmp_path, caplog):
    verifier = FakeVerifier(abstain=lambda t, code: t in TASKS[::2], why=Reason.UNSUPPORTED)
    with caplog.at_level("WARNING", logger="kernelraft"):
        run(tmp_path, verifier, FakeGenerator(lambda t, n: "x"))
    told = [line for line in caplog.messages if "cannot be judged" in line]
    assert told == [f"task {t.id} cannot be judged: gone" for t in TASKS[::2]]


def test_the_tally_adds_up_over_processes(tmp_path):
    run(tmp_path / "a", FakeVerifier(), FakeGenerator(lambda t, n: "x"), range(1))
    run(tmp_path / "a", FakeVerifier(), FakeGenerator(lambda t, n: "x"), range(2))
    run(tmp_path / "b", FakeVerifier(), FakeGenerator(lambda t, n: "x"), range(1))
    assert tallied(tmp_path)["verify/kernels"] == 15
