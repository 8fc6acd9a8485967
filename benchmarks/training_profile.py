"""Where the GPU's time goes in a step, by kind of kernel."""

import time
from typing import Any

import torch
from torch.profiler import ProfilerActivity

KINDS = (
    ("fused by torch.compile", ("triton_",)), ("attention", ("flash", "fmha", "_attention", "attend")),
    ("grouped products", ("GroupProblem", "grouped", "Grouped")),
    ("unpacking", ("_unpack",)), ("cross-entropy", ("_cross_entropy",)),
    ("experts' rows", ("_gate", "_combine", "_spread")), ("products", ("gemm", "nvjet", "cutlass", "cublas")),
    ("sort and gather", ("sort", "gather", "index", "scatter", "radix", "searchsorted")),
    ("optimiser and clipping", ("multi_tensor", "Optimizer", "kOptimizer")), ("copies", ("Memcpy", "copy", "Memset")),
)  # fmt: skip


class Profile:
    """Of what runs between start and stop."""

    def __init__(self) -> None:
        self.running = False
        self._profiler: Any = None
        self._began = 0.0

    def start(self) -> None:
        """Begin with a device that has nothing left to do."""
        activities = [ProfilerActivity.CUDA] if torch.cuda.is_available() else [ProfilerActivity.CPU]
        self._profiler = torch.profiler.profile(activities=activities)
        self._profiler.__enter__()
        self.running, self._began = True, time.perf_counter()

    def stop(self) -> None:
        """Print milliseconds by kind, then the longest kernels."""
        wall = time.perf_counter() - self._began
        self._profiler.__exit__(None, None, None)
        kinds: dict[str, float] = {}
        rows = []
        for event in self._profiler.key_averages():
            spent = event.self_device_time_total / 1e3
            if spent > 0:
                kind = next((kind for kind, parts in KINDS if any(part in event.key for part in parts)), "other")
                kinds[kind] = kinds.get(kind, 0.0) + spent
                rows.append((spent, event.count, event.key[:100]))
        print(f"profile: kernels {sum(kinds.values()):.0f} ms of {wall * 1e3:.0f} ms;", ", ".join(
            f"{kind} {spent:.1f}" for kind, spent in sorted(kinds.items(), key=lambda item: -item[1])
        ))  # fmt: skip
        for spent, count, key in sorted(rows, reverse=True)[:25]:
            print(f"  {spent:8.2f} ms {count:5d} x {key}")
