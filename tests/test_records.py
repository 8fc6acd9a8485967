import pytest

from kernelraft.records import Example, Reason, Sample, Status, Task, Verdict, digest

TASK = Task(id="t", family="ew/relu", language="triton", prompt="write it", reference="class Model: ...")
SAMPLE = Sample(id="s", task_id="t", index=0, text="<triton>\nx = 1\n</triton>", code="x = 1\n")
PASS = Verdict(id="s", status=Status.PASS, reason=None, reward=1.0)


def test_verdict_refuses_reward_when_abstaining():
    with pytest.raises(ValueError, match="reward"):
        Verdict(id="s", status=Status.ABSTAIN, reason=Reason.WORKER_LOST, reward=0.0)


def test_verdict_refuses_pass_with_a_reason():
    with pytest.raises(ValueError, match="reason"):
        Verdict(id="s", status=Status.PASS, reason=Reason.SYNTAX, reward=1.0)


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.OUT_OF_MEMORY, Reason.RUNTIME_ERROR, Reason.SYNTAX])
def test_verdict_refuses_to_abstain_for_what_a_candidate_causes(reason):
    with pytest.raises(ValueError, match="does not belong"):
        Verdict(id="s", status=Status.ABSTAIN, reason=reason, reward=None)


@pytest.mark.parametrize("reason", [Reason.WORKER_LOST, Reason.UNSUPPORTED])
def test_verdict_refuses_to_fail_a_candidate_for_the_infrastructure(reason):
    with pytest.raises(ValueError, match="does not belong"):
        Verdict(id="s", status=Status.FAIL, reason=reason, reward=0.0)


def test_example_trains_the_verified_text_byte_for_byte():
    example = Example.of(TASK, SAMPLE, PASS)
    assert [m.content for m in example.messages] == [TASK.prompt, SAMPLE.text]
    assert [m.trained for m in example.messages] == [False, True]


def test_example_refuses_code_that_is_not_in_the_text():
    tidied = Sample(id="s", task_id="t", index=0, text="<triton>\nx  =  1\n</triton>", code="x = 1\n")
    with pytest.raises(ValueError, match="not in the text"):
        Example.of(TASK, tidied, PASS)


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(id="s", status=Status.FAIL, reason=Reason.WRONG_VALUE, reward=0.0),
        Verdict(id="s", status=Status.ABSTAIN, reason=Reason.WORKER_LOST, reward=None),
        Verdict(id="other", status=Status.PASS, reason=None, reward=1.0),
    ],
)
def test_example_refuses_what_did_not_pass_or_is_anothers(verdict):
    with pytest.raises(ValueError):
        Example.of(TASK, SAMPLE, verdict)


def test_kind_is_the_part_of_the_family_before_the_slash():
    assert TASK.kind == "ew"


def test_digest_tells_where_a_part_ends():
    assert digest("ab", "c") != digest("a", "bc")
