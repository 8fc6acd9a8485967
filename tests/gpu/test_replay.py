"""Trusted replay on a GPU: honest programs pass and are timed, others get their reasons."""

from collections.abc import Callable, Iterator

import pytest
import torch

from kernelraft.records import Sample, Status, Task, Verdict
from kernelraft.verifier.triton import Triton
from tests.kernel.programs import FRAUD, HONEST

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
Judged = Callable[[str, str], Verdict]
# Compiled before they are run, and without a watch on every address, some fail for another reason than on a CPU.
OTHER = {
    "no_op": "WRONG_VALUE",
    "half_of_the_work": "WRONG_VALUE",
    "except_fallback": "COMPILE_ERROR",
    "python_numbers": "NOT_REPLAYABLE",
    "item_of_an_input": "NOT_REPLAYABLE",
    "numpy_in_place_of_a_kernel": "NOT_REPLAYABLE",
}
FINE = ("inline_assembly",)  # what no interpreter computes runs on a GPU


@pytest.fixture(scope="module")
def verdict_of() -> Iterator[Judged]:
    with Triton(workers=1, device="cuda", advisory=[], time_budget_s=0.3, timeout_s=20.0).open() as judge:

        def verdict(reference: str, code: str) -> Verdict:
            task = Task(id="t", family="f", language="triton", prompt="", reference=reference)
            return judge.submit(task, Sample(id="s", task_id="t", index=0, text=code, code=code)).result()

        yield verdict


@pytest.mark.parametrize("name", HONEST)
def test_honest_program_passes_and_is_timed(name: str, verdict_of: Judged) -> None:
    verdict = verdict_of(*HONEST[name])
    assert (verdict.status, verdict.detail) == (Status.PASS, "")
    assert verdict.speedup is not None
    assert verdict.kernel_us_low <= verdict.kernel_us <= verdict.kernel_us_high


@pytest.mark.parametrize("name", [name for name in FRAUD if name not in FINE])
def test_fraud_gains_nothing(name: str, verdict_of: Judged) -> None:
    reference, code, reason = FRAUD[name]
    reason = OTHER.get(name, reason)
    verdict = verdict_of(reference, code)
    assert verdict.status is not Status.PASS
    assert verdict.speedup is None
    assert str(verdict.reason) == reason, verdict.detail
