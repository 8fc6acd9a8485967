"""Look at this machine: what of Kernelraft works here, and what to do about what does not."""

import logging
from collections import Counter
from typing import ClassVar

from rich.table import Table

from kernelraft.component import component
from kernelraft.console import progress, show
from kernelraft.corpus import programs
from kernelraft.corpus.selftest import Tried, counts, selftest
from kernelraft.errors import KernelraftError, StageError
from kernelraft.kernel.confine import LAYERS
from kernelraft.records import Sample, Status, Task
from kernelraft.runs import Run
from kernelraft.stage import machine
from kernelraft.stage.machine import Finding
from kernelraft.tracker import Metrics
from kernelraft.verifier import Judge, Verifier

log = logging.getLogger("kernelraft")
PROBLEM = """import torch
import torch.nn as nn


class Model(nn.Module):
    def forward(self, x):
        return x + 1.5


def get_inputs():
    return [torch.randn(3, 33)]


def get_init_inputs():
    return []
"""

KERNEL = """import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(out_ptr + offs, x + 1.5, mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        kernel[(triton.cdiv(x.numel(), 64),)](x, out, x.numel(), BLOCK=64)
        return out
"""


@component
class Doctor:
    """Prints a table; ends in an error where the demo could not run."""

    REPEATS: ClassVar[bool] = True

    verifier: Verifier
    corpus: bool

    def execute(self, run: Run) -> Metrics:
        findings = [check() for check in (*machine.BEFORE, self._evaluator, *machine.AFTER)]
        table = Table("what", "", "found", title="kernelraft doctor")
        for f in findings:
            table.add_row(f.what, {True: "ok", False: "MISSING", None: "-"}[f.ok], f.found)
        show(table)
        broken = [f.what for f in findings if f.ok is False]
        if broken:
            raise StageError(f"not ready for the demo: {', '.join(broken)}; the table above says what was found")
        return {"doctor/checks": float(len(findings))}

    def _evaluator(self) -> Finding:
        """Judge one right and one wrong kernel, for real, and all of the corpus if that is asked for."""
        task = Task(id="doctor", family="doctor", language="triton", prompt="", reference=PROBLEM)
        two = (KERNEL, KERNEL.replace("x + 1.5, mask", "x + 2.5, mask"))
        try:
            with self.verifier.open() as judge:
                futures = [
                    judge.submit(task, Sample(id=str(n), task_id=task.id, index=n, text=code, code=code))
                    for n, code in enumerate(two)
                ]
                right, wrong = (future.result() for future in futures)
                tried = _tried(judge) if self.corpus else []
        except KernelraftError as error:
            return Finding("evaluator", False, str(error))
        ok = (right.status, wrong.status) == (Status.PASS, Status.FAIL) and not any(one.fault for one in tried)
        targets = " ".join(f"{target}: {built.said}" for target, built in right.targets.items())
        why = f" ({right.reason}: {right.detail})" if right.reason else ""
        said = [f"right kernel {right.status}{why}, wrong one {wrong.status}; {targets}"]
        said += _sandbox(right.sandbox)
        return Finding("evaluator", ok, "; ".join([*said, *_summary(tried)]))


def _sandbox(layers: tuple[str, ...]) -> list[str]:
    """Which layers hold, each of which was tried when the verifier opened, and which this machine does not give."""
    lacking = [layer for layer in LAYERS if layer not in layers]
    said = [f"confined by {', '.join(layers)}"] if layers else []
    return said + ([f"not by {', '.join(lacking)}"] if layers and lacking else [])


def _tried(judge: Judge) -> list[Tried]:
    """Judge the corpus; its table, and a line for each program that is not judged as it must be."""
    total = sum(1 for kind in ("honest", "hostile") for _ in programs(kind))
    tried = []
    with progress("judging the corpus", total) as bar:
        for one in selftest(judge):
            tried.append(one)
            bar.advance(1)
    table = Table("category", "programs", "as expected", title="corpus")
    kinds = Counter(one.program.category.split(" ")[0] for one in tried)
    for kind, count in sorted(kinds.items()):
        good = sum(not one.fault for one in tried if one.program.category.split(" ")[0] == kind)
        names = sorted({one.program.category for one in tried if one.program.category.split(" ")[0] == kind})
        more = f", and {len(names) - 1} more" if len(names) > 1 else ""
        table.add_row(names[0] + more, str(count), str(good))
    show(table)
    for one in tried:
        if one.fault:
            log.warning("corpus: %s: %s", one.program.name, one.fault)
    return tried


def _summary(tried: list[Tried]) -> list[str]:
    if not tried:
        return []
    found = counts(tried)
    return [
        f"corpus: {found['honest'] - found['refused']} of {found['honest']} honest programs pass, "
        f"{found['gained']} of {found['hostile']} hostile ones gain anything"
    ]
