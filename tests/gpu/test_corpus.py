"""The corpus on a GPU: hostile programs gain nothing there either, honest ones pass."""

import pytest
import torch

from kernelraft.corpus.selftest import Tried, selftest
from kernelraft.records import Reason, Status
from kernelraft.verifier.triton import Triton

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_the_corpus_gains_nothing_on_a_gpu() -> None:
    with Triton(workers=8, device="cuda", advisory=[], targets=["sm_90"], time=False).open() as judge:
        tried = list(selftest(judge))
    hostile = [one for one in tried if not one.program.honest]
    gained = [one.program.name for one in hostile if one.verdict.status is Status.PASS and one.fault]
    lost = [one.program.name for one in tried if one.verdict.reason is Reason.WORKER_LOST]
    refused = [f"{o.program.name}: {o.verdict.reason} {o.verdict.detail[:90]}" for o in tried if _refused(o)]
    assert "\n".join([*gained, *lost, *refused]) == ""


def _refused(one: Tried) -> bool:
    return one.program.honest and bool(one.fault)
