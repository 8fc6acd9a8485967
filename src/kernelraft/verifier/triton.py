"""`verifier=triton`: runs a candidate in Triton's interpreter against its reference, then compiles it for real GPUs.

Needs no GPU. Imports neither torch nor Triton: that happens in worker processes (kernelraft.kernel).
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import field
from importlib.metadata import version
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kernelraft.component import component, settings
from kernelraft.console import progress
from kernelraft.errors import VerifierUnavailable
from kernelraft.kernel.crew import Crew
from kernelraft.kernel.linux import has_gpu
from kernelraft.kernel.pool import Pool
from kernelraft.kernel.ray_pool import RayPool
from kernelraft.kernel.secret import secret
from kernelraft.kernel.workers import Answer
from kernelraft.records import Reason, Sample, Status, Target, Task, Verdict, digest

Gpu = Annotated[str, Field(pattern=r"^(sm_\d+|gfx[0-9a-f]+)$")]
VERSION = "trusted-replay-1"  # a change that can change a verdict changes it


@component
class Triton:
    """PASS if the program's kernels give the reference's outputs and compile to a cubin for every target."""

    # No influence on a verdict.
    VOLATILE: ClassVar[frozenset[str]] = frozenset({"executor", "ray_address", "workers", "allow_weak_sandbox"})

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
    allow_torch: bool = False
    in_process: Literal["refuse", "accept"] = "refuse"
    rewards: dict[Literal["fail", "pass", "fast_1", "fast_2"], float] = field(
        default_factory=lambda: {"fail": 0.0, "pass": 1.0, "fast_1": 1.0, "fast_2": 1.0}
    )
    allow_weak_sandbox: bool = False

    @property
    def place(self) -> str:
        """Where kernels run, "cpu" or "cuda"."""
        return self.device if self.device != "auto" else "cuda" if has_gpu() else "cpu"

    @property
    def evaluator(self) -> str:
        """Hash of VERSION, of Triton's and torch's, and of the settings that a verdict can depend on."""
        known: dict[str, Any] = settings(self) | {"device": self.place}
        return digest(VERSION, version("triton"), version("torch"), dict(sorted(known.items())))

    def open(self) -> AbstractContextManager["Bench"]:
        """Start the workers: seconds, as each imports torch. Raises VerifierUnavailable."""
        return self._open()

    @contextmanager
    def _open(self) -> Iterator["Bench"]:
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
            "secret": secret(),
        }
        pool = self._pool(plain)
        with progress("starting the evaluator"):
            pool.open()
        try:
            yield Bench(pool, self.evaluator, {str(level): reward for level, reward in self.rewards.items()})
        finally:
            pool.close()

    def _pool(self, plain: Answer) -> Pool | RayPool:
        weak = self.allow_weak_sandbox
        if self.executor == "ray":
            return RayPool(self.workers, plain, allow_weak=weak, address=self.ray_address)
        if self.place == "cuda" and not has_gpu():
            raise VerifierUnavailable("verifier triton: expected a GPU of NVIDIA for device=cuda, found none")
        return Pool(self.workers, plain, allow_weak=weak)


class Bench:
    """The judge of the contract: one evaluation for equal (reference, code), one verdict for every sample."""

    def __init__(self, pool: Crew, evaluator: str, rewards: Mapping[str, float]) -> None:
        self._pool, self._evaluator, self._rewards = pool, evaluator, rewards
        self._answers: dict[str, Future[Answer]] = {}

    def submit(self, task: Task, sample: Sample) -> "Future[Verdict]":
        key = digest(task.reference, sample.code, chars=64)
        known = self._answers.get(key)
        answer = known or self._pool.submit(task.reference, sample.code)
        self._answers[key] = answer
        verdict: Future[Verdict] = Future()
        answer.add_done_callback(lambda done: self._settle(key, sample.id, done, verdict, again=known is not None))
        return verdict

    def _settle(
        self, key: str, sample_id: str, done: "Future[Answer]", verdict: "Future[Verdict]", *, again: bool
    ) -> None:
        if done.cancelled():
            verdict.cancel()
            return
        answer = done.result()
        if answer["reason"] == Reason.WORKER_LOST:  # asked again, it may be judged
            self._answers.pop(key, None)
        if verdict.set_running_or_notify_cancel():
            took = {"seconds": 0.0} if again else {}
            verdict.set_result(_verdict(sample_id, answer | took, self._evaluator, self._rewards))


def _verdict(sample_id: str, answer: Answer, evaluator: str, rewards: Mapping[str, float]) -> Verdict:
    status, speedup = Status(answer["status"]), answer.get("speedup")
    fast = {p: None if speedup is None else speedup > p for p in (1, 2)}
    if status is Status.FAIL:
        fast = dict.fromkeys(fast, False)
    level = "fast_2" if fast[2] else "fast_1" if fast[1] else str(status)
    return Verdict(
        id=sample_id,
        status=status,
        reason=Reason(answer["reason"]) if answer["reason"] else None,
        detail=answer["detail"],
        compiled=answer["compiled"],
        correct=answer["correct"],
        speedup=speedup,
        fast_0=None if status is Status.ABSTAIN else status is Status.PASS,
        fast_1=fast[1],
        fast_2=fast[2],
        reward=None if status is Status.ABSTAIN else rewards[level],
        targets={name: Target(**built) for name, built in answer["targets"].items()},
        device=answer.get("device", "cpu"),
        mode=answer.get("mode", ""),
        sandbox=tuple(answer.get("sandbox", ())),
        evaluator=evaluator,
        seconds=answer["seconds"],
        **answer.get("times", {}),
    )
