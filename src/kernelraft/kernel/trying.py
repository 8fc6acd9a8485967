"""The judge's half of a trial: asks a child for the outputs on each secret input, and compares."""

from collections.abc import Callable
from typing import Any

import torch

from kernelraft.kernel.arena import Arena
from kernelraft.kernel.compare import difference
from kernelraft.kernel.faults import Fault
from kernelraft.kernel.reference import Trial
from kernelraft.records import Reason

Ask = Callable[[dict[str, Any]], dict[str, Any]]
POISONS = (0xFF, 0x5A)  # NaN or -1, and a number: outputs that depend on it were never written


def try_all(ask: Ask, arena: Arena, trials: list[Trial]) -> dict[str, Any]:
    """Every trial, then the first again with other bytes in fresh memory; the last reply. Raises Fault."""
    first: list[Any] = []
    for trial in trials:
        outputs, _ = _try(ask, arena, trial, POISONS[0])
        first = first or outputs
    again, reply = _try(ask, arena, trials[0], POISONS[1])
    if not all(identical(a, b) for a, b in zip(first, again, strict=True)):
        raise Fault(Reason.NONDETERMINISTIC, "the same inputs gave other outputs the second time")
    return reply


def _try(ask: Ask, arena: Arena, trial: Trial, poison: int) -> tuple[list[Any], dict[str, Any]]:
    reply = ask({"op": "run", "inputs": arena.fill(trial), "poison": poison})
    outputs = arena.outputs(reply, trial)
    for index, (output, expected) in enumerate(zip(outputs, trial.expected, strict=True)):
        if found := difference(output, expected):
            raise Fault(found[0], (f"output {index}: " if len(outputs) > 1 else "") + found[1])
    arena.check_inputs()
    return outputs, reply


def identical(a: Any, b: Any) -> bool:
    """Bit for bit, NaN included."""
    if isinstance(a, torch.Tensor):
        return a.flatten().view(torch.uint8).equal(b.flatten().view(torch.uint8)) if a.numel() else True
    return bool(a == b)
