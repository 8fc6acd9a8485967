import json
import logging

import pytest
from pydantic import ValidationError

from kernelraft.errors import DataError
from kernelraft.records import Sample, Status, Verdict
from kernelraft.runs import Run
from kernelraft.stage.report import Report
from kernelraft.store import write
from kernelraft.tracker.none import NoTracker


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "first"
    folder.mkdir()
    sample = Sample(id="s", task_id="t", index=0, text="x = 1", code="x = 1")
    write(folder / "samples.jsonl", [sample])
    write(folder / "verdicts.jsonl", [Verdict(id="s", status=Status.PASS, reason=None, reward=1.0)])
    return folder


def execute(stage, folder):
    with Run.open(folder, 0, stage, NoTracker()) as run:
        return stage.execute(run)


def test_report_leaves_one_page_beside_the_run(source, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="kernelraft"):
        metrics = execute(Report(source=source, max_samples=10, title="A run"), tmp_path / "report")
    assert metrics == {"report/samples": 1.0}
    assert "<title>A run" in (source / "report.html").read_text()
    assert sorted(path.name for path in source.iterdir()) == ["report.html", "samples.jsonl", "verdicts.jsonl"]
    assert str(source / "report.html") in caplog.text


def test_report_as_a_step_of_the_run_that_it_reports_on(source):
    (source / "config.json").unlink(missing_ok=True)
    stage = Report(source=source, max_samples=10, title=None)
    with Run.open(source, 0, stage, NoTracker()) as run, run.step("report", stage) as step:
        step.finish(stage.execute(step))
    assert json.loads((source / "report/metrics.json").read_text())["report/samples"] == 1.0


def test_report_counts_what_the_page_holds(source, tmp_path):
    assert execute(Report(source=source, max_samples=0, title=None), tmp_path / "r") == {"report/samples": 0.0}


def test_report_refuses_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(DataError, match=r"stage\.source="):
        execute(Report(source=tmp_path / "gone", max_samples=1, title=None), tmp_path / "r")


def test_report_refuses_a_negative_limit(tmp_path):
    with pytest.raises(ValidationError):
        Report(source=tmp_path, max_samples=-1, title=None)
