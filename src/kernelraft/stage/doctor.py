"""Look at this machine: what of Kernelraft works here, and what to do about what does not."""

import logging
import os
import platform
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
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
from kernelraft.tracker import Metrics
from kernelraft.verifier import Judge, Verifier

log = logging.getLogger("kernelraft")
PACKAGES = ("torch", "triton", "lightning", "transformers", "hydra-core")
OPTIONAL = {  # who needs it
    "peft": "trainer=lora or qlora",
    "bitsandbytes": "trainer.optimizer=adamw_8bit",
    "wandb": "tracker=wandb",
}

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


@dataclass(frozen=True, slots=True)
class Finding:
    """`ok` None: not needed for the demo, only told."""

    what: str
    ok: bool | None
    found: str


@component
class Doctor:
    """Prints a table; ends in an error where the demo could not run."""

    REPEATS: ClassVar[bool] = True

    verifier: Verifier
    corpus: bool

    def execute(self, run: Run) -> Metrics:
        checks: list[Callable[[], Finding]] = [_python, _cores, _packages, _memory, _gpu, self._evaluator, _keys]
        findings = [check() for check in checks]
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


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.release()} {platform.machine()}"
    return Finding("Python >= 3.11 on Linux", sys.version_info >= (3, 11) and sys.platform == "linux", found)


def _cores() -> Finding:
    return Finding("cores", None, str(len(os.sched_getaffinity(0))))


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    free = shutil.disk_usage(".").free / 2**30
    return Finding("4 GiB of memory, 1 GiB of disk", total >= 4 and free >= 1, f"{total:.1f} GiB, {free:.0f} GiB free")


def _packages() -> Finding:
    found, missing = [], []
    for name in (*PACKAGES, *OPTIONAL):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    said = [f"{name} MISSING" + (f" (for {OPTIONAL[name]})" if name in OPTIONAL else "") for name in missing]
    return Finding("packages", not set(missing) & set(PACKAGES), ", ".join(said + found))


def _gpu() -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding("GPU", None, "none: kernels are interpreted and compiled, not timed")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding("GPU", None, ", ".join(names))


def _keys() -> Finding:
    """Which keys are set; never what they are."""
    names = ("HF_TOKEN", "WANDB_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY")
    present = [name for name in names if os.environ.get(name)]
    return Finding("keys", None, f"{', '.join(present) or 'none'} set; the demo needs none")
