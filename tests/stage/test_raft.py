import json

import pytest

from kernelraft.errors import StageError
from kernelraft.records import Example
from kernelraft.runs import Run
from kernelraft.stage.raft import Raft
from kernelraft.stage.selection import best_of
from kernelraft.store import read, write
from kernelraft.tracker.none import NoTracker
from tests.conftest import FakeGenerator, FakeVerifier, example, scratch, task

POOL = [task(n) for n in range(8)]


class Pool:
    def tasks(self):
        yield from POOL


class Seeds:
    def examples(self):
        yield example(100)


class FakeTrainer:
    def __init__(self):
        self.jobs = []

    def fit(self, job):
        self.jobs.append(job)
        (job.out / "kernelraft.json").write_text(json.dumps({"kind": "full"}))
        return {"train/loss": 1.0, "train/steps": 5.0}


def raft(generator, verifier, trainer, tmp_path, **changes):
    settings = {
        "select": "verified", "cycles": 2, "samples_per_task": 2, "until_solved": True, "keep_per_task": 1,
        "as_many_as": None, "gate_tasks": 2, "gate_drop": 0.0, "max_abstain": 1.0,
    }  # fmt: skip
    return Raft(
        data=Pool(), seeds=Seeds(), model=scratch(), checkpoint=tmp_path / "start", generator=generator,
        verifier=verifier, trainer=trainer, **settings | changes,
    )  # fmt: skip


def execute(stage, folder):
    with Run.open(folder, 0, None, NoTracker()) as run:
        return stage.execute(run)


def kept(folder, cycle):
    return {e.task_id: e.messages[1].content for e in read(Example, folder / f"cycle-{cycle}" / "kept.jsonl")}


def test_only_verified_samples_are_trained_beside_the_seeds(tmp_path):
    verifier = FakeVerifier(right=lambda t, code: code == "right" and t.id in ("t3", "t5"))
    trainer = FakeTrainer()
    execute(raft(FakeGenerator(lambda t, n: "right"), verifier, trainer, tmp_path), tmp_path / "run")
    assert set(kept(tmp_path / "run", 2)) == {"t3", "t5"}
    assert [{e.task_id for e in job.examples} for job in trainer.jobs] == [{"t100", "t3", "t5"}] * 2


def test_gate_tasks_are_never_trained_on(tmp_path):
    trainer = FakeTrainer()
    execute(raft(FakeGenerator(lambda t, n: "x"), FakeVerifier(), trainer, tmp_path), tmp_path / "run")
    assert not {"t0", "t1"} & {e.task_id for job in trainer.jobs for e in job.examples}


def test_a_solved_task_is_not_sampled_again(tmp_path):
    generator = FakeGenerator(lambda t, n: "x")
    verifier = FakeVerifier(right=lambda t, code: t.id != "t7")
    execute(raft(generator, verifier, FakeTrainer(), tmp_path, gate_tasks=0), tmp_path / "run")
    written = [key.split("/")[0] for key in generator.written]
    assert written.count("t3") == 1 and written.count("t7") == 4


def test_each_cycle_may_ask_for_another_number_of_samples(tmp_path):
    generator = FakeGenerator(lambda t, n: "x")
    never = FakeVerifier(right=lambda t, code: False)
    stage = raft(generator, never, FakeTrainer(), tmp_path, gate_tasks=0, cycles=3, samples_per_task=[1, 2])
    execute(stage, tmp_path / "run")
    assert [key.split("/")[0] for key in generator.written].count("t3") == 1 + 2 + 2


def test_a_cycle_that_falls_at_the_gate_is_rolled_back(tmp_path):
    calls = []

    def right(t, code):
        if t.id in ("t0", "t1"):  # the gate: right at first, wrong after cycle 1, right after cycle 2
            calls.append(t.id)
            return not 2 < len(calls) <= 4
        return True

    generator = FakeGenerator(lambda t, n: "x")
    execute(raft(generator, FakeVerifier(right=right), FakeTrainer(), tmp_path), tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [row["raft/rolled_back"] for row in rows if "raft/rolled_back" in row] == [1.0, 0.0]
    assert (tmp_path / "run/model").resolve() == (tmp_path / "run/cycle-2/model").resolve()
    assert generator.checkpoints[-2] == tmp_path / "start"  # cycle 2 sampled from before cycle 1


@pytest.mark.parametrize(("select", "trained"), [("nothing", set()), ("answers", {f"t{n}" for n in range(2, 8)})])
def test_the_controls_differ_in_what_they_keep_alone(tmp_path, select, trained):
    trainer = FakeTrainer()
    wrong = FakeVerifier(right=lambda t, code: False)
    execute(raft(FakeGenerator(lambda t, n: "x"), wrong, trainer, tmp_path, select=select), tmp_path / "run")
    assert [{e.task_id for e in job.examples} for job in trainer.jobs] == [trained | {"t100"}] * 2


def test_the_unfiltered_control_keeps_as_many_as_it_is_told_right_or_wrong(tmp_path):
    wrong = FakeVerifier(right=lambda t, code: False)
    for cycle, count in ((1, 2), (2, 3)):
        folder = tmp_path / "other" / f"cycle-{cycle}"
        folder.mkdir(parents=True)
        write(folder / "kept.jsonl", [example(n) for n in range(count)])
    stage = raft(
        FakeGenerator(lambda t, n: "x"), wrong, FakeTrainer(), tmp_path, select="anything",
        as_many_as=tmp_path / "other",
    )  # fmt: skip
    execute(stage, tmp_path / "run")
    assert [len(kept(tmp_path / "run", n)) for n in (1, 2)] == [2, 3]


def test_a_killed_run_goes_on_without_sampling_or_training_again(tmp_path):
    class Killed(FakeTrainer):
        def fit(self, job):
            if len(self.jobs) == 1:
                raise KeyboardInterrupt
            return super().fit(job)

    first, verifier = FakeGenerator(lambda t, n: f"{t.id}"), FakeVerifier()
    with pytest.raises(KeyboardInterrupt):
        execute(raft(first, verifier, Killed(), tmp_path, until_solved=False), tmp_path / "run")
    second, trainer = FakeGenerator(first.text), FakeTrainer()
    metrics = execute(raft(second, FakeVerifier(), trainer, tmp_path, until_solved=False), tmp_path / "run")
    assert len(trainer.jobs) == 1 and trainer.jobs[0].title == "cycle 2 training"
    pool = {key for key in second.written if key.split("/")[0] not in ("t0", "t1")}  # the gate of cycle 2 is new
    assert pool == set() and metrics["raft/steps"] == 10


def test_best_of_takes_the_highest_reward_then_the_most_frequent_then_the_shortest():
    from dataclasses import replace

    from kernelraft.records import Sample, Status, Verdict
    from kernelraft.stage.attempts import Attempt

    def attempt(n, code, reward):
        sample = Sample(id=f"s{n}", task_id="t1", index=n, text=f"<triton>\n{code}</triton>", code=code)
        verdict = Verdict(id=sample.id, status=Status.PASS, reason=None, reward=reward)
        return Attempt(task(1), sample, verdict)

    made = [attempt(0, "aa", 1.0), attempt(1, "b", 1.0), attempt(2, "cc", 1.0), attempt(3, "cc", 1.0)]
    assert [e.id for e in best_of(made, 1)] == ["s2"]
    faster = [*made, attempt(4, "dddd", 2.0)]
    assert [e.id for e in best_of(faster, 2)] == ["s4", "s2"]
    failing = [
        replace(a, verdict=replace(a.verdict, status=Status.FAIL, reason="WRONG_VALUE", reward=0.0)) for a in made
    ]
    assert best_of(failing, 3) == []


def test_a_gate_that_nobody_could_judge_ends_the_run_and_punishes_no_cycle(tmp_path):
    lost = FakeVerifier(abstain=lambda t, code: t.id in ("t0", "t1"))
    with pytest.raises(StageError, match="none of the 2 tasks of the gate got a verdict: gone"):
        execute(raft(FakeGenerator(lambda t, n: "x"), lost, FakeTrainer(), tmp_path), tmp_path / "run")


def test_a_task_without_a_verdict_does_not_lower_the_gate(tmp_path):
    half = FakeVerifier(abstain=lambda t, code: t.id == "t0")
    metrics = execute(raft(FakeGenerator(lambda t, n: "x"), half, FakeTrainer(), tmp_path), tmp_path / "run")
    assert metrics["raft/gate"] == 1.0
