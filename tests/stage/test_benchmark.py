import pytest

from kernelraft.errors import ConfigError, DataError, StageError, VerifierUnavailable
from kernelraft.generator.replay import Replay
from kernelraft.records import Verdict
from kernelraft.stage.benchmark import Benchmark
from kernelraft.store import read
from tests.conftest import FakeGenerator, FakeVerifier, Rows, execute, task

TASKS = [task(0), task(1), task(2, family="mm/add2")]


def benchmark(verifier, generator=None, tasks=TASKS, **changes):
    settings = {"checkpoint": None, "split": None, "samples_per_task": 4, "k": [1, 2, 4], "max_abstain": 1.0}
    return Benchmark(
        data=Rows(tasks), generator=generator or FakeGenerator(lambda t, n: f"{t.id} {n}"), verifier=verifier,
        **settings | changes,
    )  # fmt: skip


def solving(*codes, abstain=()):
    """A judge that passes these programs, named "<task> <number of the sample>"."""
    return FakeVerifier(right=lambda t, code: code in codes, abstain=lambda t, code: code in abstain)


def points(metrics):
    return {key.rpartition("@")[2]: value for key, value in metrics.items() if key[:-1].endswith("pass@")}


def test_pass_at_k_is_the_unbiased_mean_over_tasks(tmp_path):
    """Of 4 samples 1, 4 and 2 are right.

    pass@1: (1/4 + 1 + 2/4) / 3; pass@2: (1 - 3/6 + 1 + 1 - 1/6) / 3; pass@4: all three have a right one.
    """
    judge = solving("t0 2", "t1 0", "t1 1", "t1 2", "t1 3", "t2 0", "t2 3")
    metrics = execute(benchmark(judge), tmp_path)
    assert points(metrics) == pytest.approx({"1": 1.75 / 3, "2": (0.5 + 1 + 5 / 6) / 3, "4": 1.0})
    assert (metrics["benchmark/tasks"], metrics["benchmark/samples"]) == (3, 12)


def test_each_kind_of_task_has_its_own_pass_at_1(tmp_path):
    metrics = execute(benchmark(solving("t0 0", "t0 1", "t1 0", "t2 0", "t2 1", "t2 2", "t2 3")), tmp_path)
    kinds = {key: value for key, value in metrics.items() if "/kind/" in key}
    assert kinds == {"benchmark/kind/ew": (2 / 4 + 1 / 4) / 2, "benchmark/kind/mm": 1.0}


def test_an_interval_contains_its_point_and_narrows_with_the_number_of_tasks(tmp_path):
    def half(count):
        tasks = [task(n) for n in range(count)]
        judge = FakeVerifier(right=lambda t, code: int(t.id[1:]) % 2 == 0)
        metrics = execute(benchmark(judge, tasks=tasks, samples_per_task=1, k=[1]), tmp_path / str(count))
        low, point, high = (metrics[f"benchmark/pass@1{end}"] for end in ("_low", "", "_high"))
        assert low < point == 0.5 < high
        return high - low

    assert half(64) < half(16) < half(4)


def test_what_could_not_be_judged_counts_for_nothing(tmp_path):
    """t0: 1 of 2 judged is right; t1: 2 of 4; t2: none judged. Only t1 has enough for k=4."""
    judge = solving("t0 0", "t1 0", "t1 1", abstain=("t0 2", "t0 3", "t2 0", "t2 1", "t2 2", "t2 3"))
    metrics = execute(benchmark(judge), tmp_path)
    assert points(metrics) == pytest.approx({"1": 0.5, "2": (1 + 5 / 6) / 2, "4": 1.0})
    assert metrics["benchmark/tasks"] == 2 and "benchmark/kind/mm" not in metrics
    assert metrics["verify/abstain_rate"] == 0.5


def test_k_that_no_task_has_enough_judged_samples_for_is_left_out(tmp_path):
    judge = solving("t0 1", abstain=tuple(f"t{n} 0" for n in range(3)))
    assert set(points(execute(benchmark(judge), tmp_path))) == {"1", "2"}


def test_too_many_abstentions_stop_the_run_with_one_clear_line(tmp_path):
    judge = FakeVerifier(abstain=lambda t, code: not code.endswith("0"))
    stage = benchmark(judge, tasks=[task(n) for n in range(9)], max_abstain=0.2)
    with pytest.raises(VerifierUnavailable, match=r"\d+ of \d+ verdicts abstain, more than max_abstain=0\.2") as error:
        execute(stage, tmp_path)
    assert "\n" not in str(error.value) and not (tmp_path / "metrics.json").exists()


def test_a_benchmark_of_which_nothing_was_judged_ends_in_one_clear_line(tmp_path):
    judge = FakeVerifier(abstain=lambda t, code: True)
    with pytest.raises(StageError, match="none of 12 samples could be judged: WORKER_LOST gone"):
        execute(benchmark(judge), tmp_path / "judged")
    with pytest.raises(StageError, match="none of 0 samples"):
        execute(benchmark(judge, Replay(path=None), [task(1, answer=None)]), tmp_path / "written")


def test_only_the_wanted_split_is_examined(tmp_path):
    tasks = [task(0), task(1, split="heldout"), task(2, split="pool")]
    generator = FakeGenerator(lambda t, n: "x")
    metrics = execute(benchmark(FakeVerifier(), generator, tasks, split="heldout"), tmp_path)
    assert {key.split("/")[0] for key in generator.written} == {"t1"} and metrics["benchmark/tasks"] == 1
    with pytest.raises(DataError, match=r"no task of split test .*stage\.split=null"):
        execute(benchmark(FakeVerifier(), tasks=tasks, split="test"), tmp_path / "none")


def test_the_checkpoint_is_what_writes(tmp_path):
    generator = FakeGenerator(lambda t, n: "x")
    execute(benchmark(FakeVerifier(), generator, checkpoint=tmp_path / "model"), tmp_path / "run")
    assert generator.checkpoints == [tmp_path / "model"]


def test_more_than_all_samples_cannot_be_asked_for():
    with pytest.raises(ConfigError, match=r"stage\.k=\[1, 5\] needs samples_per_task >= 5, got 4"):
        benchmark(FakeVerifier(), k=[1, 5])


def test_a_killed_benchmark_ends_with_the_scores_of_an_undisturbed_one(tmp_path):
    class Killed(FakeVerifier):
        def submit(self, task, sample):
            if len(self.asked) == 7:
                raise KeyboardInterrupt
            return super().submit(task, sample)

    right = solving("t0 2", "t2 0", "t2 3").right
    whole = execute(benchmark(FakeVerifier(right)), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        execute(benchmark(Killed(right)), tmp_path / "run")
    rest = FakeVerifier(right)
    again = execute(benchmark(rest), tmp_path / "run")
    assert points(again) == points(whole) and len(rest.asked) == 5
    assert len(list(read(Verdict, tmp_path / "run/verdicts.jsonl"))) == 12
