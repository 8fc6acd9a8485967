"""The replayer's half of timing: program and reference as graphs over the same inputs, what is right and how fast."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from kernelraft.kernel.faults import Fault
from kernelraft.kernel.gpu.cuda import fill
from kernelraft.kernel.gpu.program import GpuProgram
from kernelraft.kernel.gpu.timing import Span, Work, graph, measure
from kernelraft.records import Reason

_WALL_CALLS = 11
_SLOW_US = 5e4  # of a call, from which two sets of inputs must do


def benchmark(
    program: GpuProgram,
    sets: list[list[torch.Tensor]],
    picks: list[int],
    reference: Callable[[], tuple[Any, list[Any]]],
    *,
    exact: bool,
    budget_s: float,
    statistic: str,
) -> dict[str, Any]:
    """Times of the program, in its fastest configuration of `picks`, and of the reference on the same inputs.

    `reference` gives the module and its inputs, and is called once the program's graphs are there.
    """
    program.pick = _fastest(program, sets[0], picks)
    accepted = [program.run(sets[0], 0xFF)]
    if _wall_us(lambda: program.run(sets[0], 0xFF), 1) > _SLOW_US:
        sets = sets[:2]
    accepted += [program.run(inputs, 0xFF) for inputs in sets[1:]]
    program.note_rewritten()
    program.timed = True
    pool = torch.cuda.graph_pool_handle()
    ours, again = _captured(program, sets, accepted, pool, exact=exact)
    model, arguments = reference()
    theirs = Work([graph(partial(model, *inputs), pool) for inputs in arguments[: len(sets)]])
    (mine, its), right = measure([ours, theirs], budget_s, statistic)
    if not right:
        raise Fault(Reason.NONDETERMINISTIC, "an output while it was timed is not the one that was found right")
    return {"kernel": _told(mine), "reference": _told(its), "wall_us": _wall_us(again, _WALL_CALLS)}


def _captured(
    program: GpuProgram, sets: list[list[torch.Tensor]], accepted: list[list[Any]], pool: Any, *, exact: bool
) -> tuple[Work, Callable[[], None]]:
    """The program's graphs for all sets of inputs; and a call for the first, launched step by step."""
    kept: list[list[Any]] = [[] for _ in sets]
    graphs: list[torch.cuda.CUDAGraph] = []
    taken: list[list[tuple[int, int]]] = []

    def run(index: int) -> None:
        kept[index] = program.run(sets[index], 0xFF)

    def before(index: int) -> None:
        program.restore()
        for address, nbytes in taken[index]:
            fill(address, nbytes)  # else what the replay before has left there could save the kernel its work

    for index in range(len(sets)):
        graphs.append(graph(partial(run, index), pool))
        taken.append(program.taken)
    return Work(graphs, before, lambda index: _same(kept[index], accepted[index], exact)), partial(run, 0)


def _fastest(program: GpuProgram, inputs: list[torch.Tensor], picks: list[int]) -> int:
    """Which configuration @triton.autotune would find."""
    times: dict[int, float] = {}
    for pick in picks if len(picks) > 1 else ():
        program.pick = pick
        work = Work([graph(lambda: program.run(inputs, 0xFF))])
        (found,), _ = measure([work], 0.1)
        times[pick] = found.middle
    return min(times, key=lambda pick: times[pick]) if times else picks[0]


def _wall_us(run: Callable[[], object], calls: int) -> float:
    """Median of the wall-clock time of one call, launched step by step by this process."""
    times = []
    for _ in range(calls):
        torch.cuda.synchronize()
        started = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times.append(1e6 * (time.perf_counter() - started))
    return statistics.median(times)


def _same(outputs: list[Any], accepted: list[Any], exact: bool) -> torch.Tensor:
    """Whether outputs are those that were accepted: bit for bit, or where atomics add in any order, nearly."""
    right = torch.ones((), dtype=torch.bool, device="cuda")
    for output, known in zip(outputs, accepted, strict=True):
        if isinstance(output, torch.Tensor) and output.numel():
            if exact or not output.is_floating_point():
                right &= ~(_words(output) != _words(known)).any()
            else:
                scale = known.float().square().mean().sqrt() + known.float().abs()
                right &= ((output.float() - known.float()).abs() <= 1e-3 * scale).all()
    return right


def _words(tensor: torch.Tensor) -> torch.Tensor:
    """Its bits, in the largest words that divide it: the fewest elements to compare."""
    flat = tensor.reshape(-1).contiguous().view(torch.uint8)
    fits = len(flat) % 8 == 0 and flat.storage_offset() % 8 == 0
    return flat.view(torch.int64) if fits else flat


def _told(span: Span) -> list[float]:
    return [span.middle, span.low, span.high]
