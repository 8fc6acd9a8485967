"""The judge on a GPU: it holds reference, seeds and expected outputs there; replayers are disposable neighbours."""

import dataclasses
import fcntl
import json
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from kernelraft.kernel import policy
from kernelraft.kernel.build import Binary, Builder, Forms, groups
from kernelraft.kernel.child import Child, Deadline
from kernelraft.kernel.compare import difference
from kernelraft.kernel.compiler import shared_limit
from kernelraft.kernel.faults import Fault, tidy
from kernelraft.kernel.forkserver import Client
from kernelraft.kernel.gpu.arena import GpuArena
from kernelraft.kernel.judge import Answer, Bench, Progress, Settings, verdict
from kernelraft.kernel.memory import Unsupported, mapped, sealed
from kernelraft.kernel.recording import InProcess, recorded, state_fits
from kernelraft.kernel.reference import Problem
from kernelraft.kernel.trace import Trace
from kernelraft.kernel.trying import POISONS, identical
from kernelraft.records import Reason

_WARM_S = 60  # a spare that is not ready by then is lost
_SPARES = 2


class GpuBench(Bench):
    """One worker of a GPU: two CPU zygotes to record and compile, one that keeps warm GPU replayers."""

    def __init__(self, settings: Settings, run: Client, compiling: Client, gpu: Client) -> None:
        super().__init__(settings, run, compiling)
        self.gpu = gpu
        major, minor = torch.cuda.get_device_capability()
        self.target = f"sm_{major}{minor}"
        properties = torch.cuda.get_device_properties(0)
        self.device = {
            "name": properties.name,
            "capability": [major, minor],
            "multiprocessors": properties.multi_processor_count,
            "shared": getattr(properties, "shared_memory_per_block_optin", shared_limit(self.target)),
            "memory": properties.total_memory,
        }
        self._spares: deque[Child] = deque()
        self._arena: tuple[str, bool, GpuArena] | None = None
        self._fill()

    def evaluate(self, reference: str, code: str) -> Answer:
        """The verdict as plain data. Raises Lost and OSError where the machine fails, not the candidate."""
        progress = Progress(device=str(self.device["name"]))
        try:
            policy.check_syntax(code)
            problem = self._problem(reference)
            self._prove(problem, code.encode(), progress)
        except Fault as fault:
            return self.failed(fault, progress)
        except (Unsupported, torch.cuda.OutOfMemoryError) as error:
            return verdict(progress, Reason.UNSUPPORTED, tidy(str(error)))
        except InProcess as why:
            return verdict(progress, Reason.NOT_REPLAYABLE, tidy(str(why)))
        return verdict(progress, None, "")

    def make_problem(self, source: str) -> Problem:
        s = self.settings
        return Problem(source, s.trials, s.tolerances, s.secret, "cuda")

    def _prove(self, problem: Problem, code: bytes, progress: Progress) -> None:
        forms = problem.forms()
        if len(forms) > 1:
            raise Unsupported("inputs of several shapes on a GPU")
        end = Deadline(self.settings.timeout_s)
        (form,) = forms
        memory_mib = self.settings.memory_mib
        with recorded(self.compiling, problem, json.loads(form), code, self.device, memory_mib, end) as (trace, fd, at):
            targets = list(dict.fromkeys([self.target, *self.settings.targets, *self.settings.advisory]))
            builder = Builder(self.compiling, targets, memory_mib, self.target)
            progress.compiled = False
            progress.targets = builder.build(code, trace.kernels, groups(trace.events, Forms(code.decode())), end)
            if (said := progress.targets[self.target].said) != "ok":
                raise Fault(Reason.COMPILE_ERROR, f"{self.target}: {said}")
            progress.compiled = True
            with self._replayer(end) as child, _packed(code, problem, builder.binaries) as (packed, places):
                arena = self._arena_of(problem, trace)
                load = self._load(problem, trace, arena, at, places)
                with self._lock(shared=True):
                    child.use(Deadline(self.settings.timeout_s))  # it is not to blame for what it waited
                    child.ask(load, [fd, packed])
                    self._try(child, problem, trace, arena)
                progress.correct = True
                if self.settings.time:
                    with self._lock(shared=False):
                        self._time(child, problem, trace, arena, places, progress)

    def _load(self, problem: Problem, trace: Trace, arena: GpuArena, at: Any, places: dict[str, Any]) -> dict[str, Any]:
        loaded = state_fits(trace, problem)
        names = problem.case(loaded=True).state if loaded else {}
        return {
            "op": "load", "trace": at, "source": places["source"], "binaries": places["binaries"],
            "arena": arena.inputs.handle(), "arena_bytes": arena.inputs.nbytes,
            "outputs": arena.outputs.handle(), "outputs_bytes": arena.outputs.nbytes,
            "init": arena.init, "state": {name: arena.state[name] for name in names}, "seed": problem.seed("model"),
        }  # fmt: skip

    def _try(self, child: Child, problem: Problem, trace: Trace, arena: GpuArena) -> None:
        """Every trial; the first again with other bytes in fresh memory; then without its kernels."""
        trials = problem.case(loaded=state_fits(trace, problem)).trials
        first: list[Any] = []
        for index, poison in [*((n, POISONS[0]) for n in range(len(trials))), (0, POISONS[1])]:
            outputs = self._outputs(child, arena, problem, trace, index, poison)
            for number, (output, expected) in enumerate(zip(outputs, trials[index].expected, strict=True)):
                if found := difference(output, expected):
                    raise Fault(found[0], (f"output {number}: " if len(outputs) > 1 else "") + found[1])
            arena.check_inputs()
            first = first or outputs
        if not _atomic(trace) and not all(identical(a, b) for a, b in zip(first, outputs, strict=True)):
            raise Fault(Reason.NONDETERMINISTIC, "the same inputs gave other outputs the second time")
        ghost = self._outputs(child, arena, problem, trace, 0, POISONS[1], launches=False)
        if not any(difference(a, b) for a, b in zip(ghost, trials[0].expected, strict=True)):
            raise Fault(Reason.NOT_TRITON, "the outputs are right without its kernels: they contribute nothing")

    def _outputs(
        self, child: Child, arena: GpuArena, problem: Problem, trace: Trace, index: int, poison: int, **more: Any
    ) -> list[Any]:
        arena.clear()
        request = {"op": "run", "inputs": arena.trials[index].encoded, "poison": poison, **more}
        trial = problem.case(loaded=state_fits(trace, problem)).trials[index]
        return arena.read(child.ask(request), trial)

    def _time(
        self, child: Child, problem: Problem, trace: Trace, arena: GpuArena, places: Any, progress: Progress
    ) -> None:
        child.use(Deadline(self.settings.timeout_s + self.settings.time_budget_s))
        reply = child.ask({
            "op": "time", "sets": [placed.encoded for placed in arena.trials], "exact": not _atomic(trace),
            "budget_s": self.settings.time_budget_s, "reference": places["reference"], "entry": problem.entry,
            "init": arena.init, "seed": problem.seed("model"), "all_state": arena.state,
        })  # fmt: skip
        (mine, low, high), (its, its_low, its_high) = reply["kernel"], reply["reference"]
        progress.speedup = its / mine
        progress.times = {
            "kernel_us": mine, "kernel_us_low": low, "kernel_us_high": high,
            "reference_us": its, "reference_us_low": its_low, "reference_us_high": its_high,
        }  # fmt: skip

    def _arena_of(self, problem: Problem, trace: Trace) -> GpuArena:
        """The memory of this problem; that of the one before is given back first."""
        loaded = state_fits(trace, problem)
        if self._arena is None or self._arena[:2] != (problem.source, loaded):
            if self._arena:
                self._arena[2].close()
            self._arena = None
            torch.cuda.empty_cache()
            self._arena = (problem.source, loaded, GpuArena(problem.init, problem.case(loaded=loaded)))
        return self._arena[2]

    @contextmanager
    def _replayer(self, end: Deadline) -> Iterator[Child]:
        """A warm replayer, killed at the end; the next one begins to warm up."""
        while True:
            child = self._spares.popleft()
            try:
                child.use(Deadline(_WARM_S))
                child.reply()
                break
            except Fault as fault:
                child.__exit__(None, None, None)
                self._fill()
                raise OSError(f"a replayer did not become ready: {fault.detail}") from None
        child.use(end)
        try:
            yield child
        finally:
            child.__exit__(None, None, None)
            self._fill()

    def _fill(self) -> None:
        while len(self._spares) < _SPARES:
            limits = {"memory_mib": self.settings.memory_mib + 8192, "alone": True}
            spare = Child(self.gpu, "replay", [], limits.pop("memory_mib"), Deadline(600), **limits)
            self._spares.append(spare.__enter__())

    @contextmanager
    def _lock(self, *, shared: bool) -> Iterator[None]:
        """Many may test at once, only one measures time, and then nobody tests."""
        first, second = map(Path, self.settings.locks)
        with second.open("a") as gate, first.open("a") as lock:
            fcntl.flock(gate, fcntl.LOCK_EX)
            fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            if shared:
                fcntl.flock(gate, fcntl.LOCK_UN)
            yield


def _atomic(trace: Trace) -> bool:
    """Whether a kernel may add in any order: its sums may differ in the last bits from run to run."""
    return "atomic" in json.dumps(trace.kernels)


@contextmanager
def _packed(code: bytes, problem: Problem, binaries: dict[str, Binary]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Source, reference and cubins in one piece of memory, and where each lies."""
    parts = [code, problem.source.encode()]
    table = {}
    at = sum(map(len, parts))
    for name, binary in binaries.items():
        entry = {f.name: getattr(binary, f.name) for f in dataclasses.fields(binary) if f.name != "cubin"}
        table[name] = {**entry, "place": [at, len(binary.cubin)]}
        parts.append(binary.cubin)
        at += len(binary.cubin)
    text = json.dumps(table).encode()
    fd = sealed("code", at + len(text))
    try:
        with mapped(fd) as memory:
            memory[: at + len(text)] = b"".join([*parts, text])
        size = len(problem.source.encode())
        places = {"source": [0, len(code)], "reference": [len(code), size], "binaries": [at, len(text)]}
        yield fd, places
    finally:
        os.close(fd)
