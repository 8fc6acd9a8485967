"""Gold: honest programs pass. Fraud: each hostile or broken one gets its reason, and never more."""

import pytest
from conftest import Judged
from programs import FRAUD, HONEST

from kernelraft.records import Reason, Status


@pytest.mark.parametrize("name", HONEST)
def test_honest_program_passes(name: str, verdict_of: Judged) -> None:
    verdict = verdict_of(*HONEST[name])
    assert (verdict.status, verdict.detail) == (Status.PASS, "")
    assert (verdict.compiled, verdict.correct, verdict.reward, verdict.speedup) == (True, True, 1.0, None)
    assert {name: target.said for name, target in verdict.targets.items()} == {"sm_80": "ok", "sm_90": "ok"}
    assert all((target.registers or 0) >= 8 and target.shared is not None for target in verdict.targets.values())
    assert (verdict.mode, verdict.fast_0, verdict.fast_1, verdict.fast_2) == ("replay", True, None, None)


@pytest.mark.parametrize("name", FRAUD)
def test_fraud_gets_its_reason(name: str, verdict_of: Judged, early_verdict_of: Judged) -> None:
    reference, code, reason = FRAUD[name]
    verdict = (early_verdict_of if reason == "TIMEOUT" else verdict_of)(reference, code)
    assert (verdict.reason, verdict.status is Status.PASS) == (Reason(reason), False), verdict.detail
    assert verdict.detail
    assert len(verdict.detail) <= 500
    assert "/tmp/" not in verdict.detail


def test_every_reason_is_given_by_some_program() -> None:
    given = {reason for _, _, reason in FRAUD.values()}
    elsewhere = {Reason.WORKER_LOST}  # test_pool.py: a reference that kills its judge
    never_on_a_cpu = {Reason.IMPLAUSIBLE}  # about time, and nothing is timed
    assert given == set(Reason) - elsewhere - never_on_a_cpu


def test_detail_names_the_line_of_the_kernel(verdict_of: Judged) -> None:
    assert "line 11: load at element 231 of x_ptr" in verdict_of(*FRAUD["unmasked_load"][:2]).detail


def test_failure_of_the_compiler_keeps_correct(verdict_of: Judged) -> None:
    verdict = verdict_of(*FRAUD["python_only_kernel"][:2])
    assert (verdict.compiled, verdict.correct) == (False, True)
    assert all(target.said != "ok" for target in verdict.targets.values())
