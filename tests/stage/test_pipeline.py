import json
from contextlib import contextmanager
from dataclasses import field
from typing import ClassVar

import pytest

from kernelraft.component import component
from kernelraft.errors import RunConflict, StageError
from kernelraft.stage.pipeline import Pipeline
from tests.conftest import execute


@component
class Step:
    """Notes that it ran; fails while its name is in `broken`."""

    ran: ClassVar[list[str]] = []
    broken: ClassVar[set[str]] = set()
    name: str
    metrics: dict[str, float] = field(default_factory=dict)

    def execute(self, run):
        self.ran.append(self.name)
        run.log({"train/loss": 1.0}, 3)
        (run.dir / "left.txt").write_text(self.name)
        if self.name in self.broken:
            raise StageError(f"{self.name} is broken")
        return dict(self.metrics)


@component
class Recipe:
    """Of something that takes long to start; notes when it is open."""

    seen: ClassVar[list[str]] = []
    size: int

    @contextmanager
    def open(self):
        self.seen.append(f"start {self.size}")
        yield self
        self.seen.append(f"end {self.size}")


@component
class Judging:
    verifier: Recipe

    def execute(self, run):
        run.opened(self.verifier)
        return {}


@pytest.fixture(autouse=True)
def fresh():
    Step.ran.clear()
    Step.broken.clear()


def pipeline(*steps):
    return Pipeline(steps={step.name: step for step in steps})


def final(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_steps_run_in_the_order_written_each_in_its_own_folder(tmp_path):
    execute(pipeline(Step(name="zeta"), Step(name="alpha"), Step(name="mid")), tmp_path)
    assert Step.ran == ["zeta", "alpha", "mid"]
    assert {p.parent.name: p.read_text() for p in tmp_path.glob("*/left.txt")} == {name: name for name in Step.ran}


def test_metrics_carry_the_name_of_their_step(tmp_path):
    before, after = (Step(name=name, metrics={"benchmark/pass@1": value}) for name, value in (("a", 0.25), ("b", 0.5)))
    metrics = execute(pipeline(before, after), tmp_path)
    assert (metrics["benchmark/a/pass@1"], metrics["benchmark/b/pass@1"]) == (0.25, 0.5)
    assert final(tmp_path) == metrics and final(tmp_path / "b")["benchmark/pass@1"] == 0.5
    logged = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(row["step"], *sorted(row)[2:]) for row in logged] == [(3, "train/a/loss"), (3, "train/b/loss")]


def test_kernels_per_second_are_those_of_all_steps_together(tmp_path):
    judged = [{"verify/kernels": 30.0, "verify/s": 1.0}, {"verify/kernels": 10.0, "verify/s": 3.0}, {}]
    metrics = execute(pipeline(*(Step(name=f"s{n}", metrics=m) for n, m in enumerate(judged))), tmp_path / "some")
    assert metrics["verify/kernels_per_s"] == 10.0
    assert "verify/kernels_per_s" not in execute(pipeline(Step(name="none")), tmp_path / "none")


def test_a_step_that_fails_leaves_the_earlier_ones_and_only_it_runs_again(tmp_path):
    steps = [Step(name=name, metrics={"a/b": float(n)}) for n, name in enumerate(("first", "second", "third"))]
    Step.broken.add("second")
    with pytest.raises(StageError, match="second is broken"):
        execute(pipeline(*steps), tmp_path)
    assert final(tmp_path / "first")["a/b"] == 0.0
    assert not any((tmp_path / name / "metrics.json").exists() for name in ("second", "third", "."))
    Step.broken.clear()
    metrics = execute(pipeline(*steps), tmp_path)
    assert Step.ran == ["first", "second", "second", "third"]
    assert [metrics[f"a/{name}/b"] for name in ("first", "second", "third")] == [0.0, 1.0, 2.0]


def test_a_finished_pipeline_runs_nothing_and_gives_the_same_metrics(tmp_path):
    stage = pipeline(Step(name="one", metrics={"verify/kernels": 3.0, "verify/s": 2.0}), Step(name="two"))
    first, second = execute(stage, tmp_path), execute(stage, tmp_path)
    assert Step.ran == ["one", "two"]
    assert {k: v for k, v in first.items() if k != "wall_s"} == {k: v for k, v in second.items() if k != "wall_s"}


def test_a_finished_step_of_other_settings_is_refused(tmp_path):
    execute(pipeline(Step(name="one", metrics={"a/b": 1.0})), tmp_path)
    with pytest.raises(RunConflict, match=r"one was made with stage\.metrics\.a/b=1\.0 \(now 2\.0\)"):
        execute(pipeline(Step(name="one", metrics={"a/b": 2.0})), tmp_path)


def test_steps_with_equal_verifiers_share_one_until_the_end(tmp_path):
    Recipe.seen.clear()
    steps = {f"s{n}": Judging(verifier=Recipe(size=size)) for n, size in enumerate((2, 2, 5, 2))}
    execute(Pipeline(steps=steps), tmp_path)
    assert Recipe.seen == ["start 2", "start 5", "end 5", "end 2"]
