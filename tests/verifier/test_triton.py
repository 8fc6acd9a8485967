"""The contract of `verifier=triton`; what it accepts and refuses stands in tests/kernel."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from kernelraft.errors import VerifierUnavailable
from kernelraft.kernel import confine
from kernelraft.records import Reason, Sample, Status, Task
from kernelraft.verifier import Examiner, Judge, Verifier
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
def judge(forked_servers: None) -> Iterator[Judge]:
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
    assert (verdict.reason, verdict.detail) == (Reason.SYNTAX, "no code found in the answer, or none that is UTF-8")


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


@pytest.mark.parametrize(
    ("forward", "detail"),
    [
        ("x * 2.0", ""),
        ("x * 0.0", "a constant would pass: the reference's output does not depend on its inputs"),
        ("torch.rand_like(x)", "off by"),
        ("x.no_such()", "no_such"),
        ("x.t()", "the reference only moves data"),
    ],
)
def test_a_task_is_examined_without_a_sample(forward: str, detail: str, judge: Judge) -> None:
    assert isinstance(judge, Examiner)
    task = replace(TASK, reference=REFERENCE.replace("x * 2.0", forward))
    refusal = judge.examine(task).result(60)
    if not detail:
        assert refusal is None
    else:
        assert refusal is not None
        assert (refusal.id, refusal.family, refusal.reason) == (task.id, task.family, Reason.UNSUPPORTED)
        assert detail in refusal.detail


def test_a_large_task_is_examined_in_a_size_that_can_be_judged(judge: Judge) -> None:
    assert isinstance(judge, Examiner)
    large = REFERENCE.replace("def get_inputs", "ROWS = 1 << 40\n\ndef get_inputs").replace("3, 50", "ROWS, 50")
    assert judge.examine(replace(TASK, reference=large.replace("1 << 40", "16 * 65536"))).result(60) is None
    constant = large.replace("1 << 40", "16 * 65536").replace("x * 2.0", "x * 0.0")
    refusal = judge.examine(replace(TASK, reference=constant)).result(60)
    assert refusal is not None
    assert refusal.detail.endswith("depend on its inputs (with ROWS=2048 for 1048576)")
    refusal = judge.examine(replace(TASK, reference=large)).result(60)
    assert refusal is not None
    assert "too large for the interpreter" in refusal.detail


def test_evaluator_depends_on_what_can_change_a_verdict() -> None:
    base = Triton().evaluator
    elsewhere = Triton(workers=7, allow_weak_sandbox=True, selftest=True, executor="ray", ray_address="a:1", cache=None)
    assert elsewhere.evaluator == base
    others = [Triton(trials=4), Triton(timeout_s=3.0), Triton(targets=["sm_90"]), Triton(memory_mib=1024)]
    others.append(Triton(protocol="kernelbench"))
    assert len({base, *(other.evaluator for other in others)}) == 6


def test_weak_confinement_is_refused_unless_allowed(forked_servers: None, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_later_run_takes_verdicts_over_and_a_change_of_the_evaluator_does_not(
    forked_servers: None, tmp_path: Path
) -> None:
    samples = [sample("gold", CODE), sample("wrong", CODE.replace("* 2.0", "* 3.0"))]

    def judged(**changes: Any) -> list[tuple[Status, str, bool]]:
        with Triton(
            workers=1, trials=1, targets=["sm_90"], advisory=[], cache=str(tmp_path), **changes
        ).open() as judge:
            verdicts = [judge.submit(TASK, s).result() for s in samples]
        return [(v.status, v.detail, v.seconds > 0) for v in verdicts]

    first, second = judged(), judged()
    assert [fresh for *_, fresh in first] == [True, True]
    assert [fresh for *_, fresh in second] == [False, False]
    assert [v[:2] for v in first] == [v[:2] for v in second]
    assert [v[0] for v in first] == [Status.PASS, Status.FAIL]
    assert [fresh for *_, fresh in judged(memory_mib=1024)] == [True, True]


def test_a_kernel_that_was_compiled_is_not_compiled_again(forked_servers: None, tmp_path: Path) -> None:
    settings = {"workers": 1, "trials": 1, "targets": ["sm_90"], "advisory": ["gfx942"], "cache": str(tmp_path)}
    other = "# the same kernel, on another line of another program\n" + CODE
    with Triton(**settings).open() as judge:
        first = judge.submit(TASK, sample("gold", CODE)).result()
    (tmp_path / "verdicts.sqlite").unlink()
    with sqlite3.connect(tmp_path / "kernels.sqlite") as base:
        (kept,) = base.execute("SELECT count(*) FROM entries").fetchone()
    with Triton(**settings).open() as judge:
        second = judge.submit(TASK, sample("other", other)).result()
    with sqlite3.connect(tmp_path / "kernels.sqlite") as base:
        (after,) = base.execute("SELECT count(*) FROM entries").fetchone()
    assert (kept, after) == (2, 2)
    assert first.targets == second.targets
    assert first.targets["sm_90"].registers
    assert second.status is Status.PASS
    assert second.seconds > 0
