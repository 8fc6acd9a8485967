"""A small run's folder: two tasks, three benchmarks, one cycle of RAFT."""

import json

import pytest

from kernelraft.records import Example, Reason, Sample, Status, Task, Verdict
from kernelraft.store import write, write_json

ANSWER = "<triton>\nimport triton\nx = 1\n</triton>"
TASKS = [
    Task(id="t1", family="ew/add", language="triton", prompt="p1", reference="p1", answer=ANSWER, split="heldout"),
    Task(id="t2", family="mm/dot", language="triton", prompt="say p2", reference="p2"),
]
STEPS = ["prepare", "before", "raft", "after", "control"]


def judged(step, task, index, *, right, text=ANSWER, code="import triton\nx = 1"):
    sample = Sample(id=f"{step}-{task.id}-{index}", task_id=task.id, index=index, text=text, code=code)
    verdict = Verdict(
        id=sample.id,
        status=Status.PASS if right else Status.FAIL,
        reason=None if right else Reason.WRONG_VALUE,
        reward=float(right),
        detail="" if right else "3 of 4 values differ",
    )
    return sample, verdict


def fill(folder, pairs, **metrics):
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "samples.jsonl", [sample for sample, _ in pairs])
    write(folder / "verdicts.jsonl", [verdict for _, verdict in pairs])
    if metrics:
        write_json(folder / "metrics.json", metrics)


def benchmark(folder, right):
    """`right` of the four samples pass."""
    pairs = [judged(folder.name, TASKS[n % 2], n // 2, right=n < right) for n in range(4)]
    rate = right / 4
    scores = {"benchmark/pass@1": rate, "benchmark/pass@1_low": rate - 0.1, "benchmark/pass@1_high": rate + 0.1}
    fill(folder, pairs, **scores, **{"benchmark/pass@2": 1.0, "benchmark/kind/ew": rate, "wall_s": 3.0})


@pytest.fixture
def run_folder(tmp_path):
    root = tmp_path / "small"
    (root / "prepare").mkdir(parents=True)
    write_json(root / "config.json", {"seed": 0, "stage": {"steps": {name: {} for name in STEPS}}})
    write(root / "prepare/tasks.jsonl", TASKS)
    write_json(root / "prepare/metrics.json", {"prepare/tasks": 2, "wall_s": 0.5})
    for name, right in {"before": 1, "after": 4, "control": 2}.items():
        benchmark(root / name, right)
    fill(root / "raft/gate-0", [judged("gate-0", TASKS[0], 0, right=True)])
    made = [judged("c1", task, 0, right=task.id == "t1") for task in TASKS]
    fill(root / "raft/cycle-1", made)
    write(root / "raft/cycle-1/kept.jsonl", [Example.of(TASKS[0], *made[0])])
    write_json(root / "raft/metrics.json", {"raft/kept": 1.0, "wall_s": 70.0})
    rows = [
        {"step": 20, "at": 1.0, "train/raft/loss": 2.0, "train/raft/lr": 0.1},
        {"step": 40, "at": 2.0, "train/raft/loss": 9.0},
        {"step": 40, "at": 3.0, "train/raft/loss": 1.0},
        {"step": 1, "at": 4.0, "raft/raft/kept": 1.0, "raft/raft/gate": 0.75},
    ]
    (root / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root
