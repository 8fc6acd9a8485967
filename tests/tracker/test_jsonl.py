import json

import pytest

from kernelraft.component import component
from kernelraft.errors import ConfigError
from kernelraft.runs import Run
from kernelraft.tracker import Tracker
from kernelraft.tracker.jsonl import Jsonl


@component
class Stage:
    """Nothing to do."""


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_it_keeps_the_contract(tmp_path):
    assert isinstance(Jsonl(path=tmp_path / "all.jsonl"), Tracker)


def test_runs_share_one_file_and_each_line_names_its_run(tmp_path):
    tracker = Jsonl(path=tmp_path / "new" / "folder" / "all.jsonl")
    first, second = (tracker.open(tmp_path / name, {}) for name in ("first", "second"))
    first({"train/loss": 1.5}, 1)
    second({"train/loss": 9.0, "train/step_s": 0.1}, 1)
    first({"train/loss": 1.25}, 2)
    for log in (first, second):
        log.close(ok=True)
    assert rows(tracker.path) == [
        {"run": "first", "step": 1, "train/loss": 1.5},
        {"run": "second", "step": 1, "train/loss": 9.0, "train/step_s": 0.1},
        {"run": "first", "step": 2, "train/loss": 1.25},
    ]


def test_a_line_can_be_read_while_the_run_goes_on(tmp_path):
    log = Jsonl(path=tmp_path / "all.jsonl").open(tmp_path / "run", {})
    log({"train/loss": 1.5}, 1)
    assert rows(tmp_path / "all.jsonl") == [{"run": "run", "step": 1, "train/loss": 1.5}]
    log.close(ok=False)


def test_a_run_that_is_continued_adds_to_what_is_there(tmp_path):
    tracker = Jsonl(path=tmp_path / "all.jsonl")
    for step in (1, 2):
        with Run.open(tmp_path / "run", 0, Stage(), tracker) as run:
            run.log({"train/loss": 1.0}, step)
    assert [row["step"] for row in rows(tracker.path)] == [1, 2]
    own = rows(tmp_path / "run/metrics.jsonl")
    assert [(row["step"], row["train/loss"]) for row in own] == [(1, 1.0), (2, 1.0)]


def test_a_path_that_cannot_be_written_is_refused_before_the_stage_runs(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "all.jsonl"):
        with pytest.raises(ConfigError, match=r"tracker\.path=.* cannot be written") as error:
            Jsonl(path=path).open(tmp_path / "run", {})
        assert "\n" not in str(error.value)
