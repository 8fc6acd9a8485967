"""Conversations with the real evaluator: its workers judge while others are asked, and what it says is fed back."""

import pytest

from kernelraft.data.demo import Demo
from kernelraft.records import Conversation, Reason, Sample, Status
from kernelraft.store import read
from kernelraft.verifier.triton import Triton
from tests.conftest import execute
from tests.conversation.scripted import Talker, generate

DATA = Demo(seed=3, seed_tasks=4, pool_tasks=0, heldout_tasks=0, weights={"red": 1.0}, chain_steps=2, side_steps=0)
SPOILED = {
    Reason.WRONG_VALUE: ("    tl.store(out_ptr + row, x)", "    tl.store(out_ptr + row, x + 1.0)"),
    Reason.NOT_TRITON: ("        return out", "        return torch.relu(out)"),
    Reason.SYNTAX: ("class ModelNew", "class ModelNew("),
    Reason.RUNTIME_ERROR: ("        m, n = x.shape", "        m, n, k = x.shape"),
}
SAID = {
    Reason.WRONG_VALUE: "largest difference 1, mean 1",
    Reason.NOT_TRITON: "outside of Triton kernels",
    Reason.SYNTAX: "does not compile",
    Reason.RUNTIME_ERROR: "not enough values to unpack",
}


@pytest.fixture(scope="module")
def tasks():
    return list(DATA.tasks())


def test_every_class_of_failure_is_judged_fed_back_and_mended(forked_servers, tasks, tmp_path):
    faults = dict(zip((t.id for t in tasks), SPOILED.items(), strict=True))

    def say(task, index, turn):
        _, (right, wrong) = faults[task.id]
        assert right in task.answer
        return task.answer if turn else task.answer.replace(right, wrong)

    verifier = Triton(workers=2, trials=1, targets=["sm_90"], advisory=[], cache=None, device="cpu")
    talker = Talker(say)
    execute(generate(talker, tasks, verifier, max_abstain=0.0), tmp_path)
    found = {c.task_id: c for c in read(Conversation, tmp_path / "conversations.jsonl")}
    for key, (reason, _) in faults.items():
        first, second = found[key].turns
        assert first.reason is reason and second.status is Status.PASS and found[key].best == 1
        assert SAID[reason] in second.feedback and "attempt 2 of 3" in second.feedback
    samples = {s.id: s.code for s in read(Sample, tmp_path / "samples.jsonl")}
    assert all(turn.code == samples[turn.sample_id] for c in found.values() for turn in c.turns)
