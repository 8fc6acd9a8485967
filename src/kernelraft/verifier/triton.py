"""`verifier=triton`: runs a candidate in Triton's interpreter against its reference, then compiles it for real GPUs.

Needs no GPU. Imports neither torch nor Triton: that happens in worker processes (kernelraft.kernel).
"""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import field, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kernelraft import kernel
from kernelraft.component import component, settings
from kernelraft.console import progress
from kernelraft.corpus.selftest import assure
from kernelraft.errors import VerifierUnavailable
from kernelraft.kernel.cache import Cache, folder
from kernelraft.kernel.linux import gpu_names
from kernelraft.kernel.pool import Pool
from kernelraft.kernel.ray_pool import RayPool
from kernelraft.kernel.secret import secret
from kernelraft.kernel.workers import Answer
from kernelraft.records import digest
from kernelraft.verifier.bench import Answers, Bench

log = logging.getLogger("kernelraft")
Gpu = Annotated[str, Field(pattern=r"^(sm_\d+|gfx[0-9a-f]+)$")]


@component
class Triton:
    """PASS if the program's kernels give the reference's outputs and compile to a cubin for every target."""

    # No influence on a verdict.
    VOLATILE: ClassVar[frozenset[str]] = frozenset(
        {"executor", "ray_address", "workers", "allow_weak_sandbox", "cache", "selftest"}
    )

    executor: Literal["local", "ray"] = "local"
    ray_address: str | None = None
    workers: int = Field(default=2, ge=1)
    trials: int = Field(default=5, ge=1)
    timeout_s: float = Field(default=10.0, gt=0)
    memory_mib: int = Field(default=2048, ge=512)
    targets: list[Gpu] = Field(default_factory=lambda: ["sm_80", "sm_90"], min_length=1)
    advisory: list[Gpu] = Field(default_factory=lambda: ["sm_100", "gfx942"])
    tolerances: dict[str, float] = field(
        default_factory=lambda: {"float64": 1e-6, "float32": 1e-4, "float16": 5e-3, "bfloat16": 2e-2}
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    time: bool = True
    time_budget_s: float = Field(default=2.0, gt=0)
    compile_baseline: bool = False
    protocol: Literal["strict", "kernelbench"] = "strict"
    allow_torch: bool = False
    in_process: Literal["refuse", "accept"] = "refuse"
    rewards: dict[Literal["fail", "pass", "fast_1", "fast_2"], float] = field(
        default_factory=lambda: {"fail": 0.0, "pass": 1.0, "fast_1": 1.0, "fast_2": 1.0}
    )
    allow_weak_sandbox: bool = False
    cache: str | None = "auto"
    selftest: bool | None = None

    @property
    def place(self) -> str:
        """Where kernels run, "cpu" or "cuda"."""
        return self.device if self.device != "auto" else "cuda" if gpu_names() else "cpu"

    @property
    def evaluator(self) -> str:
        """Hash of the code that judges, of Triton's and torch's versions, of the settings that a verdict depends on."""
        known: dict[str, Any] = settings(self) | {"device": self.place}
        return digest(_version(), version("triton"), version("torch"), dict(sorted(known.items())))

    def before_paying(self) -> "Triton":
        """With `selftest`, where the user has not said otherwise."""
        return self if self.selftest is not None else replace(self, selftest=True)

    def open(self) -> AbstractContextManager[Bench]:
        """Start the workers: seconds, as each imports torch; with `selftest`, try them. Raises VerifierUnavailable."""
        return self._open()

    @contextmanager
    def _open(self) -> Iterator[Bench]:
        plain = {
            "trials": self.trials,
            "timeout_s": self.timeout_s,
            "memory_mib": self.memory_mib,
            "targets": self.targets,
            "advisory": self.advisory,
            "tolerances": self.tolerances,
            "in_process": self.in_process,
            "allow_torch": self.allow_torch,
            "device": self.place,
            "time": self.time,
            "time_budget_s": self.time_budget_s,
            "compile_baseline": self.compile_baseline,
            "protocol": self.protocol,
            "secret": secret(),
            "gpus": len(gpu_names()) if self.place == "cuda" else 0,
            "cache": str(there) if (there := folder(self.cache)) else None,
        }
        pool = self._pool(plain)
        _say(", ".join(gpu_names()), self.place, ", ".join(self.targets))
        with progress("starting the evaluator"):
            pool.open()
        known = Cache(there / "verdicts.sqlite" if there else None)
        scope = digest(self.evaluator, gpu_names()[:1] if self.place == "cuda" else "", plain["secret"])
        try:
            if self.selftest:
                with progress("trying the evaluator"):
                    assure(self._bench(pool, Answers(Cache(None), "")))
            yield self._bench(pool, Answers(known, scope))
        finally:
            pool.close()
            known.close()

    def _pool(self, plain: Answer) -> Pool | RayPool:
        weak = self.allow_weak_sandbox
        if self.executor == "ray":
            return RayPool(self.workers, plain, allow_weak=weak, address=self.ray_address)
        if self.place == "cuda" and not gpu_names():
            raise VerifierUnavailable("verifier triton: expected a GPU of NVIDIA for device=cuda, found none")
        return Pool(self.workers, plain, allow_weak=weak)

    def _bench(self, pool: Pool | RayPool, known: Answers) -> Bench:
        return Bench(pool, known, self.evaluator, {str(level): reward for level, reward in self.rewards.items()})


@cache
def _version() -> str:
    """Of the code that judges: whatever changes there can change a verdict."""
    folder = Path(kernel.__file__).parent
    return digest(*(f"{path.relative_to(folder)} {path.read_text()}" for path in sorted(folder.rglob("*.py"))))


@cache
def _say(gpus: str, place: str, targets: str) -> None:
    """Once a process."""
    if place == "cuda":
        log.info("kernels are judged on %s", gpus)
    else:
        why = "" if gpus else " (there is no GPU of NVIDIA)"
        log.info("kernels run in Triton's interpreter%s, compile for %s, and are not timed", why, targets)
