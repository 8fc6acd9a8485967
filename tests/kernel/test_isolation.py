"""No key reaches a process of the verifier, and no process that judges or trains runs a candidate."""

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from programs import HONEST_RELU, RELU
from test_pool import descendants

from kernelraft.records import Reason, Sample, Status, Task, Verdict
from kernelraft.verifier import Judge
from kernelraft.verifier.triton import Triton

SECRETS = {
    name: f"secret-{name.lower()}"
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "WANDB_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY")
}
SLOW = HONEST_RELU.replace("out = torch", "for _ in range(10**7): pass\n        out = torch")
REPORT = """
import math
{statement}
raise RuntimeError(f"found {{{expression}}}")
"""
Judged = Callable[[str, str], Verdict]


@pytest.fixture(scope="module")
def others() -> set[int]:
    """Processes of this one that are not the verifier's."""
    return set(descendants(os.getpid()))


@pytest.fixture(scope="module")
def judge(others: set[int]) -> Iterator[Judge]:
    """A verifier that was started by a process with keys in its environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        with Triton(
            workers=1, trials=1, targets=["sm_80"], advisory=[], memory_mib=1024, timeout_s=6.0
        ).open() as opened:
            yield opened


@pytest.fixture(scope="module")
def judged(judge: Judge) -> Judged:
    def verdict(reference: str, code: str) -> Verdict:
        task = Task(id="t", family="f", language="triton", prompt="", reference=reference)
        return judge.submit(task, Sample(id="s", task_id="t", index=0, text=code, code=code)).result(60)

    return verdict


def says(expression: str, statement: str = "math.candidate_was_here = True") -> str:
    """A program that runs and reports the value of an expression as its error."""
    return HONEST_RELU + REPORT.format(statement=statement, expression=expression)


def test_no_key_is_in_the_environment_or_on_the_command_line_of_any_process(judge: Judge, others: set[int]) -> None:
    task = Task(id="t", family="f", language="triton", prompt="", reference=RELU)
    wanted = {"kr-run", "kr-compile", "kr-judge", "kr-zygote", "kr-candidate"}
    judge.submit(task, Sample(id="s", task_id="t", index=0, text=SLOW, code=SLOW))
    deadline = time.monotonic() + 30
    while not wanted <= set((below := descendants(os.getpid())).values()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert wanted <= set(below.values())
    seen = set()
    for pid in below.keys() - others:
        name = below[pid]
        for file in ("environ", "cmdline"):
            with suppress(
                PermissionError, FileNotFoundError, ProcessLookupError
            ):  # a confined process may hide, a candidate end
                text = Path(f"/proc/{pid}/{file}").read_bytes().decode()
                assert not [key for key, secret in SECRETS.items() if key in text or secret in text], name
                seen.add((name, file))
    assert {(name, file) for name in ("kr-run", "kr-compile") for file in ("environ", "cmdline")} <= seen


def test_a_candidate_sees_no_key(judged: Judged) -> None:
    verdict = judged(RELU, says("sorted(torch.os.environ)"))
    assert verdict.reason == Reason.RUNTIME_ERROR
    assert "found [" in verdict.detail and "'PATH'" in verdict.detail
    assert not any(name in verdict.detail for name in SECRETS)


def test_a_candidate_runs_in_no_process_but_its_own(judged: Judged) -> None:
    verdict = judged(RELU, says("math.candidate_was_here"))
    assert (verdict.reason, "found True" in verdict.detail) == (Reason.RUNTIME_ERROR, True)  # it did run
    assert not hasattr(math, "candidate_was_here")  # not here
    honest = judged(f"import math\nassert not hasattr(math, 'candidate_was_here')\n{RELU}", HONEST_RELU)
    assert honest.status is Status.PASS, honest.detail  # not in the judge, which loads the reference


def test_a_candidate_finds_nothing_of_the_one_before(judged: Judged) -> None:
    assert "found True" in judged(RELU, says("math.candidate_was_here")).detail
    again = says("before", statement="before = hasattr(math, 'candidate_was_here')")
    assert "found False" in judged(RELU, again).detail


def test_a_reference_does_not_run_here_either(judged: Judged) -> None:
    verdict = judged(f"import math\nmath.reference_was_here = True\n{RELU}", HONEST_RELU)
    assert verdict.status is Status.PASS, verdict.detail
    assert not hasattr(math, "reference_was_here")
