"""The judge's half of recording: gives a candidate to a recorder, takes its trace, and looks whether it is one."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kernelraft.kernel.child import Child, Deadline
from kernelraft.kernel.faults import Fault
from kernelraft.kernel.forkserver import Client
from kernelraft.kernel.memory import mapped, sealed
from kernelraft.kernel.reference import Problem
from kernelraft.kernel.trace import Trace, base_name, computes, flat, touched
from kernelraft.records import Reason

_BYTES = 96 << 20  # of a source, the constants that a constructor computes, and the trace; used as needed
_MAX_TRACE = 16 << 20


class InProcess(Exception):  # noqa: N818
    """No trace can say what this program does."""


@contextmanager
def recorded(
    zygote: Client, problem: Problem, form: Any, code: bytes, device: dict[str, Any], memory_mib: int, end: Deadline
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
            trace = _read(memory, place)
        yield trace, fd, list(place)
    finally:
        os.close(fd)


def _read(memory: Any, place: Any) -> Trace:
    try:
        at, size = place
        if not 0 <= at <= at + size <= len(memory) or size > _MAX_TRACE:
            raise ValueError(place)
        told = json.loads(memory[at : at + size])
        trace = Trace(**{name: told[name] for name in ("kernels", "build", "state", "events", "outputs")})
        _check(trace)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise Fault(Reason.RUNTIME_ERROR, "its process sent a malformed record") from None
    return trace


def _check(trace: Trace) -> None:
    """Raises Fault where a forward computes outside of kernels, or with none."""
    if found := computes(trace.events):
        names = ", ".join(sorted({base_name(event[1]) for event in found}))
        where = f" ({found[0][5]})" if len(found[0]) > 5 else ""
        raise Fault(Reason.NOT_TRITON, f"torch.{names}{where} outside a Triton kernel: compute it in the kernel")
    if not any(event[0] == "launch" for event in flat(trace.events, every=False)):
        raise Fault(Reason.NOT_TRITON, "no Triton kernel was launched")
    touched(trace.events)


def state_fits(trace: Trace, problem: Problem) -> bool:
    """Whether the candidate's module has every parameter and buffer of the reference, in name and shape."""
    own = {name: view[2] for name, view in trace.state.items()}
    return all(own.get(name) == list(value.shape) for name, value in problem.case(loaded=True).state.items())
