"""The contract of `verifier=triton`; what it accepts and refuses stands in tests/kernel."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from kernelraft.errors import VerifierUnavailable
from kernelraft.kernel import confine
from kernelraft.records import Reason, Sample, Status, Task
from kernelraft.verifier import Judge, Verifier
from kernelraft.verifier.triton import Triton

ROOT = Path(__file__).parents[2]
REFERENCE = """import torch
import torch.nn as nn

class Model(nn.Module):
    def forward(self, x):
        return x * 2.0

def get_inputs():
    return [torch.randn(3, 50)]

def get_init_inputs():
    return []
"""
CODE = """import torch
import torch.nn as nn
import triton
import triton.language as tl

@triton.jit
def kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    tl.store(out_ptr + offs, tl.load(x_ptr + offs, mask=mask) * 2.0, mask=mask)

class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        kernel[(triton.cdiv(x.numel(), 64),)](x, out, x.numel(), BLOCK=64)
        return out
"""
TASK = Task(id="t", family="flat/mul", language="triton", prompt="", reference=REFERENCE)


def sample(name: str, code: str) -> Sample:
    return Sample(id=name, task_id="t", index=0, text=code, code=code)


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Triton(workers=1).open() as opened:
        yield opened


def test_yaml_writes_every_key_with_its_default() -> None:
    node = yaml.safe_load((ROOT / "conf/verifier/triton.yaml").read_text())
    assert node.pop("_target_") == "kernelraft.verifier.triton.Triton"
    assert node == Triton().__dict__


def test_it_keeps_the_contract() -> None:
    assert isinstance(Triton(), Verifier)


def test_import_and_open_are_light() -> None:
    script = (
        "import sys, kernelraft.verifier.triton as t\n"
        "with t.Triton(workers=1).open(): assert not {'torch', 'triton', 'numpy'} & set(sys.modules)"
    )
    env = {"PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, env=env)


def test_gold_passes_and_fraud_does_not(judge: Judge) -> None:
    gold = judge.submit(TASK, sample("gold", CODE)).result(60)
    assert (gold.id, gold.status, gold.reward, gold.device) == ("gold", Status.PASS, 1.0, "cpu")
    assert gold.evaluator == Triton(workers=1).evaluator
    fraud = judge.submit(TASK, sample("fraud", CODE.replace("* 2.0", "* 0.0"))).result(60)
    assert (fraud.status, fraud.reason, fraud.reward, fraud.correct) == (Status.FAIL, Reason.WRONG_VALUE, 0.0, False)


def test_empty_code_is_a_syntax_failure(judge: Judge) -> None:
    verdict = judge.submit(TASK, sample("none", "")).result(60)
    assert (verdict.reason, verdict.detail) == (Reason.SYNTAX, "no code found in the answer")


def test_equal_programs_share_one_evaluation_and_keep_their_ids(judge: Judge) -> None:
    code = CODE + "# shared\n"
    futures = [judge.submit(TASK, sample(str(n), code)) for n in range(20)]
    verdicts = [future.result(60) for future in futures]
    assert [verdict.id for verdict in verdicts] == [str(n) for n in range(20)]
    assert verdicts[0].seconds > 0
    assert {verdict.seconds for verdict in verdicts[1:]} == {0.0}  # taken over
    again = judge.submit(TASK, sample("late", code))
    assert again.done()
    assert again.result().id == "late"


def test_unsupported_reference_abstains_without_a_reward(judge: Judge) -> None:
    task = replace(TASK, reference=REFERENCE.replace("x * 2.0", "x.no_such()"))
    verdict = judge.submit(task, sample("s", CODE)).result(60)
    assert (verdict.status, verdict.reason, verdict.reward) == (Status.ABSTAIN, Reason.UNSUPPORTED, None)
    assert "no_such" in verdict.detail


def test_evaluator_depends_on_what_can_change_a_verdict() -> None:
    base = Triton().evaluator
    assert Triton(workers=7, allow_weak_sandbox=True, executor="ray", ray_address="a:1").evaluator == base
    others = [Triton(trials=4), Triton(timeout_s=3.0), Triton(targets=["sm_90"]), Triton(memory_mib=1024)]
    assert len({base, *(other.evaluator for other in others)}) == 5


def test_weak_confinement_is_refused_unless_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confine, "is_enough", lambda layers: False)
    with pytest.raises(VerifierUnavailable, match="allow_weak_sandbox") as caught, Triton(workers=1).open():
        pass
    assert "\n" not in str(caught.value)
    with Triton(workers=1, allow_weak_sandbox=True).open() as judge:
        assert judge.submit(TASK, sample("s", CODE)).result(60).status is Status.PASS


def test_missing_ray_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    with pytest.raises(VerifierUnavailable, match=r"expected Ray .* found none; pip install") as caught:
        Triton(executor="ray").open().__enter__()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"workers": 0}, {"trials": 0}, {"timeout_s": 0.0}, {"targets": ["h100"]}, {"targets": []}]
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Triton(**wrong)  # type: ignore[arg-type]
