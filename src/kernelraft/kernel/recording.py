"""The judge's half of recording: gives a candidate to a recorder, takes its trace, and looks whether it is one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kernelraft.kernel.child import Child
from kernelraft.kernel.deadline import Deadline
from kernelraft.kernel.faults import Fault, tidy
from kernelraft.kernel.forkserver import Client
from kernelraft.kernel.memory import mapped, sealed
from kernelraft.kernel.record_check import parse
from kernelraft.kernel.reference import Problem
from kernelraft.kernel.replayer.values import structure
from kernelraft.kernel.trace import Trace, base_name, computes, picked
from kernelraft.kernel.trials import Case
from kernelraft.records import Reason

_BYTES = 96 << 20  # of a source, the constants that a constructor computes, and the trace; used as needed
_MAX_TRACE = 16 << 20


class InProcess(Exception):  # noqa: N818
    """No trace can say what this program does."""


@contextmanager
def recorded(
    zygote: Client,
    problem: Problem,
    form: Any,
    code: bytes,
    device: dict[str, Any],
    memory_mib: int,
    end: Deadline,
    *,
    allow_torch: bool = False,
) -> Iterator[tuple[Trace, int, list[int]]]:
    """Trace of a candidate for inputs of one form, the memory that it lies in, and where.

    Raises:
        Fault: what the candidate raised, or it computes with torch.
        InProcess: it depends on data.
    """
    fd = sealed("record", len(code) + _BYTES)
    try:
        with mapped(fd) as memory:
            memory[: len(code)] = code
            request = {"op": "record", "source": [0, len(code)], "entries": problem.entries, "device": device}
            with Child(zygote, "record", [fd], memory_mib, end) as child:
                reply = child.ask({**request, "init": problem.init_form, "state": problem.state_form, "inputs": form})
            if "in_process" in reply:
                raise InProcess(str(reply["in_process"]))
            place: Any = reply.get("trace")
            trace = _read(memory, place, allow_torch)
            if (found := structure(trace.outputs)) != problem.structure:
                raise Fault(Reason.WRONG_SHAPE, tidy(f"it returns {found}, expected {problem.structure}"))
        yield trace, fd, list(place)
    finally:
        os.close(fd)


def _read(memory: Any, place: Any, allow_torch: bool) -> Trace:
    try:
        at, size = place
        if type(at) is not int or type(size) is not int or not 0 <= at <= at + size <= len(memory) or size > _MAX_TRACE:
            raise ValueError(place)
        trace = parse(memory[at : at + size])
    except (ValueError, TypeError, RecursionError):
        raise Fault(Reason.RUNTIME_ERROR, "its process sent a malformed record") from None
    if not allow_torch:
        _check(trace)
    return trace


def _check(trace: Trace) -> None:
    """Raises Fault where a forward computes outside of kernels, or with none."""
    if found := computes(trace.events):
        names = ", ".join(sorted({base_name(event[1]) for event in found}))
        where = f" ({found[0][5]})" if len(found[0]) > 5 else ""
        raise Fault(Reason.NOT_TRITON, f"torch.{names}{where} outside a Triton kernel: compute it in the kernel")
    if not any(event[0] == "launch" for event in picked(trace.events, 0)):
        raise Fault(Reason.NOT_TRITON, "no Triton kernel was launched")


@dataclass(frozen=True)
class Fit:
    """With which parameters a candidate is judged: `state` maps its own names to the reference's.

    Where it builds its own, it draws them as the reference does: then `draws` is the tag of that seed.
    """

    case: Case
    state: dict[str, str]
    draws: str


def fitting(trace: Trace, problem: Problem) -> Fit:
    """Parameters by name, else by order where the shapes are the same, else those that it draws itself.

    By KernelBench's protocol a module draws them in any case; a function has no other way than to be given them.
    """
    loaded = problem.case(loaded=True)
    if problem.published and not any(view[0].startswith("state") for view in trace.state.values()):
        return Fit(loaded, {}, "model")
    own = {name: view[2] for name, view in trace.state.items()}
    wanted = {name: list(value.shape) for name, value in loaded.state.items()}
    if all(own.get(name) == shape for name, shape in wanted.items()):
        return Fit(loaded, {name: name for name in wanted}, "other draws")
    if list(own.values()) == list(wanted.values()):
        return Fit(loaded, dict(zip(own, wanted, strict=True)), "other draws")
    left = [*own.values()]
    for name in problem.constants:  # a program without room for one cannot have used it
        if wanted[name] not in left:
            return Fit(loaded, {}, "other draws")
        left.remove(wanted[name])
    return Fit(problem.case(loaded=False), {}, "model")
