import json
import os
import subprocess
import sys
from typing import ClassVar

import pytest

from kernelraft.component import component
from kernelraft.errors import RunConflict
from kernelraft.runs import Run, in_step
from kernelraft.tracker.none import NoTracker


@component
class Stage:
    lr: float = 1.0


def opened(folder, stage=None, seed=0):
    return Run.open(folder, seed, stage or Stage(), NoTracker())


def test_metrics_json_exists_only_when_the_run_is_complete(tmp_path):
    with opened(tmp_path) as run:
        assert run.finished is None
        run.finish({"a/b": 1.0})
    with opened(tmp_path) as run:
        assert run.finished is not None and run.finished["a/b"] == 1.0


def test_a_folder_made_by_another_config_is_refused_with_the_difference(tmp_path):
    with opened(tmp_path) as run:
        run.log({"loss": 1.0}, 1)
    with pytest.raises(RunConflict, match=r"stage\.lr=1\.0 \(now 2\.0\)"), opened(tmp_path, Stage(lr=2.0)):
        pass
    with pytest.raises(RunConflict, match="seed=0"), opened(tmp_path, seed=1):
        pass


def test_a_second_process_on_one_folder_is_refused(tmp_path):
    code = (
        "import sys; from pathlib import Path; from kernelraft.runs import Run;"
        "from kernelraft.tracker.none import NoTracker\n"
        "with Run.open(Path(sys.argv[1]), 0, None, NoTracker()): print('in', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "src"},
    )  # fmt: skip
    try:
        assert process.stdout.readline() == b"in\n"
        with pytest.raises(RunConflict, match=f"in use by process {process.pid}"), opened(tmp_path, None):
            pass
    finally:
        process.communicate()
    with Run.open(tmp_path, 0, None, NoTracker()):  # the lock went with its process
        pass


def test_once_gives_a_folder_its_name_only_when_it_is_full(tmp_path):
    with opened(tmp_path) as run:
        with pytest.raises(KeyboardInterrupt), run.once("model") as out:
            (out / "half").touch()
            raise KeyboardInterrupt
        assert not (tmp_path / "model").exists()
        with run.once("model") as out:
            assert (out / "half").exists()  # what was begun can be continued
        with run.once("model") as out:
            assert out is None


def test_metrics_go_to_metrics_jsonl_and_a_failing_tracker_does_not_stop_the_run(tmp_path):
    class Failing:
        def __call__(self, metrics, step):
            raise ConnectionError("no network")

        def close(self, ok):
            pass

    class Tracker:
        def open(self, folder, config):
            return Failing()

    with Run.open(tmp_path, 0, Stage(), Tracker()) as run:
        run.log({"train/loss": 1.5}, 1)
        run.log({"train/loss": 1.2}, 2)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(row["step"], row["train/loss"]) for row in rows] == [(1, 1.5), (2, 1.2)]


def test_a_torn_line_of_metrics_jsonl_is_cut(tmp_path):
    with opened(tmp_path) as run:
        run.log({"a/b": 1.0}, 1)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "a/')
    with opened(tmp_path) as run:
        run.log({"a/b": 3.0}, 3)
    assert [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [1, 3]


def test_wall_clock_adds_up_over_attempts(tmp_path):
    with opened(tmp_path):
        pass
    (tmp_path / ".spent.json").write_text("100.0")
    with opened(tmp_path) as run:
        assert 100 <= run.wall_s < 110


def test_a_step_has_its_own_folder_and_prefixes_its_metrics(tmp_path):
    with opened(tmp_path) as run, run.step("after", Stage()) as step:
        step.log({"benchmark/pass@1": 0.5}, 0)
        step.finish({"benchmark/pass@1": 0.5})
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["benchmark/after/pass@1"] == 0.5
    assert (tmp_path / "after" / "metrics.json").exists()
    assert in_step("wall_s", "after") == "after/wall_s"


def test_a_run_that_failed_before_it_did_anything_does_not_hold_its_name(tmp_path):
    with pytest.raises(ValueError), Run.open(tmp_path, 0, Stage(), NoTracker()):
        raise ValueError("as a mistyped path ends")
    with Run.open(tmp_path, 1, Stage(), NoTracker()) as run:
        assert json.loads((tmp_path / "config.json").read_text())["seed"] == 1
        run.log({"loss": 1.0}, 1)
    with pytest.raises(RunConflict), Run.open(tmp_path, 2, Stage(), NoTracker()):
        pass


def test_a_stage_that_only_looks_runs_again_under_its_name_with_any_config(tmp_path):
    @component
    class Looks:
        REPEATS: ClassVar[bool] = True
        at: str = "x"

    for at in ("x", "x", "y"):
        with Run.open(tmp_path, 0, Looks(at=at), NoTracker()) as run:
            assert run.finished is None
            run.finish({"looked": 1.0})
    assert json.loads((tmp_path / "config.json").read_text())["stage"]["at"] == "y"
