"""How long a program's work takes on the GPU, and the reference's beside it: one clock, one rule for both.

Each is captured as a CUDA graph for every set of inputs, so that the host's time to launch counts for neither.
A measurement poisons what the program will allocate, empties the L2 cache, takes another set of inputs than the one
before (other addresses, other values), and is of the two in random order. All outputs of the program are compared with
those that the judge has accepted. It ends when both are known well enough, or the time is over.
"""

import math
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

_L2_BYTES = 256 << 20
_WARM_UP = 5
_FEW, _LEAST, _MOST = 3, 30, 400  # measurements of each: where the time is over, before it can be, and at all
_WIDTH = 0.01  # of the 95 % interval of a median or a mean, in parts of it


@dataclass(frozen=True)
class Span:
    """A median or a mean in µs and the ends of its 95 % interval."""

    middle: float
    low: float
    high: float


@dataclass
class Work:
    """Something to be timed: one graph for each set of inputs.

    `before` is done ahead of each measurement of a set; `check` says whether the outputs for it are right.
    """

    graphs: list[torch.cuda.CUDAGraph]
    before: Callable[[int], None] | None = None
    check: Callable[[int], torch.Tensor] | None = None
    times_us: list[float] = field(default_factory=list)


def graph(run: Callable[[], object], pool: Any = None) -> torch.cuda.CUDAGraph:
    """`run` as a CUDA graph, after two runs that load what it needs. Raises what cannot be captured.

    Graphs of one `pool` (torch.cuda.graph_pool_handle) share their memory: what one leaves, the next overwrites.
    """
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(2):
            run()
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    torch.cuda.empty_cache()  # what that stream leaves, the graph's memory cannot use
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured, pool=pool):
        run()
    return captured


def measure(works: list[Work], budget_s: float, statistic: str = "median") -> tuple[list[Span], bool]:
    """The "median" or "mean" of each of `works`, and whether every checked output was right."""
    span = {"median": median, "mean": mean}[statistic]
    sets = len(works[0].graphs)
    cache = torch.empty(_L2_BYTES // 4, dtype=torch.int32, device="cuda")
    right = torch.ones((), dtype=torch.bool, device="cuda")
    started = time.monotonic()
    for index in range(_MOST + _WARM_UP):
        order = list(works)
        random.shuffle(order)
        for work in order:
            at = index % sets
            if work.before is not None:
                work.before(at)
            micros = _once(work.graphs[at], cache)
            if work.check is not None:
                right &= work.check(at)
            if index >= _WARM_UP or time.monotonic() - started > 0.2 * budget_s:  # slow ones are warm sooner
                work.times_us.append(micros)
        measured = min(len(work.times_us) for work in works)
        if measured >= _FEW and time.monotonic() - started > budget_s:
            break
        if measured >= _LEAST and index % 10 == 0 and all(_tight(span(work.times_us)) for work in works):
            break
    return [span(work.times_us) for work in works], bool(right)


def _tight(found: Span) -> bool:
    return found.high - found.low <= _WIDTH * found.middle


def _once(captured: torch.cuda.CUDAGraph, cache: torch.Tensor) -> float:
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    cache.zero_()
    start.record()
    captured.replay()
    stop.record()
    stop.synchronize()
    return float(start.elapsed_time(stop)) * 1e3


def median(times_us: list[float]) -> Span:
    """Median with the order statistics that hold it with 95 %, by the binomial distribution's normal approximation."""
    ordered = sorted(times_us)
    n = len(ordered)
    half = 0.98 * math.sqrt(n)
    low, high = max(0, math.floor(n / 2 - half)), min(n - 1, math.ceil(n / 2 + half))
    middle = ordered[n // 2] if n % 2 else (ordered[n // 2 - 1] + ordered[n // 2]) / 2
    return Span(middle, ordered[low], ordered[high])


def mean(times_us: list[float]) -> Span:
    """Mean with 1.96 standard errors on either side of it, the statistic of KernelBench's published speed-ups.

    Source: get_timing_stats in src/kernelbench/timing.py of github.com/ScalingIntelligence/KernelBench.
    """
    middle = statistics.fmean(times_us)
    half = 1.96 * statistics.stdev(times_us) / math.sqrt(len(times_us))
    return Span(middle, middle - half, middle + half)
