"""The demo in miniature, as a process: all of its steps, killed where it hurts, and the same end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUN = Path(__file__).parents[1] / "run.py"
SMALL = [
    "data.seed_tasks=10", "data.pool_tasks=12", "data.heldout_tasks=5", "trainer.steps=24", "trainer.save_every=8",
    "stage.steps.raft.trainer.steps=8", "stage.steps.seed_only.trainer.steps=8", "stage.steps.raft.cycles=2",
    "stage.steps.seed_only.cycles=2", "stage.steps.raft.gate_tasks=2", "stage.steps.seed_only.gate_tasks=2",
    "stage.steps.before.samples_per_task=2", "stage.steps.before.k=[1,2]",
    "stage.steps.after.samples_per_task=2", "stage.steps.after.k=[1,2]",
    "stage.steps.control.samples_per_task=2", "stage.steps.control.k=[1,2]",
    "generator.max_new_tokens=48", "verifier.trials=1", "verifier.targets=[sm_90]",
    # Two threads that wait for each other while other tests are busy on both cores take three times the time of one.
    "trainer.threads=1", "stage.steps.raft.trainer.threads=1", "stage.steps.seed_only.trainer.threads=1",
]  # fmt: skip
KILLED_ONCE_THERE_IS = ["seeds/verdicts.jsonl", "sft/.model/**/step-*.ckpt", "raft/cycle-1/verdicts.jsonl"]


def start(folder):
    return subprocess.Popen(
        [sys.executable, RUN, *SMALL], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run(folder):
    process = start(folder)
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said[-2000:]
    return said


def left(folder):
    """Metrics that are no times, and what was sampled, judged and trained."""
    demo = folder / "runs/demo"
    metrics = json.loads((demo / "metrics.json").read_text())
    kept = {k: v for k, v in metrics.items() if "wall_s" not in k and not k.startswith("verify/")}
    rows = {
        str(path.relative_to(demo)): sorted(
            (row["id"], row["status"], row["reason"]) for row in map(json.loads, path.read_text().splitlines())
        )
        for path in demo.rglob("verdicts.jsonl")
    }
    weights = [(demo / name / "model/model.safetensors").read_bytes() for name in ("sft", "raft", "seed_only")]
    return kept, rows, weights


def wait_for(folder, pattern, process, seconds=120):
    end = time.monotonic() + seconds
    while not any(path.stat().st_size for path in folder.glob(pattern)):
        assert process.poll() is None, f"it ended before {pattern} was there"
        assert time.monotonic() < end, f"no {pattern} after {seconds} s"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder)


def test_it_leaves_what_is_promised(whole):
    folder, said = whole
    demo = folder / "runs/demo"
    metrics = json.loads((demo / "metrics.json").read_text())
    for key in ("before", "control", "after"):
        assert 0 <= metrics[f"benchmark/{key}/pass@1"] <= 1
    assert metrics["verify/kernels_per_s"] > 0 and metrics["wall_s"] > 0
    assert metrics["verify/seeds/pass_rate"] == 1.0  # every known answer was judged
    assert (demo / "report.html").stat().st_size > 50_000
    assert "after - control" in said and "report: runs/demo/report.html" in said


def test_a_second_time_it_is_complete(whole):
    folder, _ = whole
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.jsonl")}
    assert "runs/demo is complete" in run(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.jsonl")} == before


def test_killed_three_times_it_ends_as_if_it_had_not_been(whole, tmp_path):
    for place in KILLED_ONCE_THERE_IS:
        process = start(tmp_path)
        wait_for(tmp_path / "runs/demo", place, process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    run(tmp_path)
    assert left(tmp_path) == left(whole[0])
