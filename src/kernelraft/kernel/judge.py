"""The trusted side of one evaluation: it holds the reference, the seeds and the expected outputs, and it decides."""

import socket
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import torch

from kernelraft.kernel import channel, linux, policy
from kernelraft.kernel.arena import Arena
from kernelraft.kernel.build import build
from kernelraft.kernel.child import Child, Deadline
from kernelraft.kernel.compare import same
from kernelraft.kernel.faults import Fault, tidy
from kernelraft.kernel.forkserver import Client
from kernelraft.kernel.memory import Unsupported
from kernelraft.kernel.reference import Problem, Trial
from kernelraft.records import ABSTAIN_REASONS, Reason, Status

_KEPT = 128  # problems; one holds its inputs and outputs of every trial
_ANSWER_S = 30  # a zygote that does not answer by then is lost


@dataclass(frozen=True)
class Settings:
    """What a verifier was configured with; see conf/verifier/triton.yaml."""

    trials: int
    timeout_s: float
    memory_mib: int
    targets: list[str]
    tolerances: dict[str, float]
    secret: str


@dataclass
class Progress:
    """What is known of a candidate so far."""

    compiled: bool | None = None
    correct: bool | None = None
    targets: dict[str, str] = field(default_factory=dict)


def judge(fds: list[int], args: dict[str, Any]) -> None:
    """Answer jobs on fds [main, run zygote, compile zygote] until the main process closes.

    A fault of the judge or the machine is answered with "lost": it is no verdict.
    """
    linux.name_process("kr-judge")
    main, run, compiling = (socket.socket(fileno=fd) for fd in fds)
    for sock in (run, compiling):
        sock.settimeout(_ANSWER_S)
    bench = Bench(Settings(**args), Client(run), Client(compiling))
    while True:
        job = channel.receive_stream(main)
        try:
            reply = bench.evaluate(job["reference"], job["code"])
        except Exception as error:
            reply = {"lost": tidy(f"{type(error).__name__}: {error}")}
        channel.send_stream(main, reply)


class Bench:
    """One worker slot: two zygotes and the problems seen lately."""

    def __init__(self, settings: Settings, run: Client, compiling: Client) -> None:
        self.settings, self.run, self.compiling = settings, run, compiling
        self._problems: OrderedDict[str, Problem | Unsupported] = OrderedDict()

    def evaluate(self, reference: str, code: str) -> dict[str, Any]:
        """The verdict as plain data. Raises Lost and OSError where the machine fails, not the candidate."""
        progress = Progress()
        try:
            policy.check(code)
            problem = self._problem(reference)
            deadline = Deadline(self.settings.timeout_s)
            launches = self._try(problem, code.encode(), deadline)
            progress.correct = True
            progress.compiled = False
            targets, memory_mib = self.settings.targets, self.settings.memory_mib
            progress.targets = build(self.compiling, code.encode(), launches, targets, memory_mib, deadline)
            progress.compiled = all(said == "ok" for said in progress.targets.values())
        except Fault as fault:
            if fault.reason in _WRONG:
                progress.correct = False
            return _verdict(progress, fault.reason, fault.detail)
        except Unsupported as error:
            return _verdict(progress, Reason.UNSUPPORTED, tidy(str(error)))
        wrong = [f"{target}: {said}" for target, said in progress.targets.items() if said != "ok"]
        return _verdict(progress, Reason.COMPILE_ERROR if wrong else None, tidy("".join(wrong[:1])))

    def _problem(self, source: str) -> Problem:
        if source not in self._problems:
            try:
                s = self.settings
                self._problems[source] = Problem(source, s.trials, s.tolerances, s.secret)
            except Unsupported as error:
                self._problems[source] = error
        self._problems.move_to_end(source)
        found = self._problems[source]
        if len(self._problems) > _KEPT:
            self._problems.popitem(last=False)
        if isinstance(found, Unsupported):
            raise found
        return found

    def _try(self, problem: Problem, code: bytes, deadline: Deadline) -> list[Any]:
        """Run the candidate on every trial and on the first again; the distinct launches that it made."""
        load = {"op": "load", "source": [0, len(code)], "entries": problem.entries, "seed": problem.seed("model")}
        memory_mib = self.settings.memory_mib
        with Arena(problem, code) as arena, Child(self.run, "trial", arena.fds, memory_mib, deadline) as child:
            reply = child.ask({**load, "init": arena.init, "state": arena.state})
            case = problem.case(loaded=bool(reply.get("loaded")))
            first: list[Any] = []
            for trial in case.trials:
                outputs, _ = self._trial(arena, child, trial)
                first = first or outputs
            again, launches = self._trial(arena, child, case.trials[0])
            if not all(_identical(a, b) for a, b in zip(first, again, strict=True)):
                raise Fault(Reason.NONDETERMINISTIC, "the same inputs gave other outputs the second time")
        return launches

    def _trial(self, arena: Arena, child: Child, trial: Trial) -> tuple[list[Any], list[Any]]:
        reply = child.ask({"op": "run", "inputs": arena.fill(trial)})
        outputs = arena.outputs(reply, trial)
        for index, (output, expected) in enumerate(zip(outputs, trial.expected, strict=True)):
            self._compare(f"output {index}: " if len(outputs) > 1 else "", output, expected)
        arena.check_inputs()
        return outputs, list(reply.get("launches") or [])

    def _compare(self, which: str, output: Any, expected: Any) -> None:
        if isinstance(expected, torch.Tensor) and isinstance(output, torch.Tensor):
            difference = same(output, expected, self.settings.tolerances)
            if difference:
                raise Fault(difference[0], which + difference[1])
        elif isinstance(expected, torch.Tensor) or isinstance(output, torch.Tensor):
            raise Fault(Reason.WRONG_DTYPE, f"{which}a {type(output).__name__}, expected a {type(expected).__name__}")
        elif output != expected:
            raise Fault(Reason.WRONG_VALUE, f"{which}{output}, expected {expected}")


_WRONG = frozenset(
    {
        Reason.WRONG_SHAPE,
        Reason.WRONG_DTYPE,
        Reason.WRONG_VALUE,
        Reason.NONDETERMINISTIC,
        Reason.MUTATES_INPUT,
        Reason.OUT_OF_BOUNDS,
    }
)


def _identical(a: Any, b: Any) -> bool:
    """Bit for bit, NaN included."""
    if isinstance(a, torch.Tensor):
        return a.flatten().view(torch.uint8).equal(b.flatten().view(torch.uint8)) if a.numel() else True
    return bool(a == b)


def _verdict(progress: Progress, reason: Reason | None, detail: str) -> dict[str, Any]:
    status = Status.PASS if reason is None else Status.ABSTAIN if reason in ABSTAIN_REASONS else Status.FAIL
    known = {"compiled": progress.compiled, "correct": progress.correct, "targets": progress.targets}
    return {"status": status, "reason": reason, "detail": detail, **known}
