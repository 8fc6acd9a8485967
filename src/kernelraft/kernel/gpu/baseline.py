"""torch.compile of a reference, timed by the rule by which everything is timed."""

import contextlib
import tempfile
from functools import partial
from typing import Any

import torch

from kernelraft.kernel.gpu.timing import Work, graph, measure


def compiled_us(model: Any, inputs: list[list[Any]], budget_s: float, statistic: str) -> float | None:
    """Median or mean in microseconds over sets of `inputs`; None where PyTorch cannot compile it on this machine.

    To compile takes seconds to minutes and writes files: the judge does it, as no candidate's code is in it.
    """
    from torch._inductor import config

    config.compile_threads = 1  # this process is a fork with sockets: no pool of workers
    with tempfile.TemporaryDirectory(prefix="kernelraft-") as folder, _cache(folder), torch.no_grad():
        try:
            fast = torch.compile(model)
            pool = torch.cuda.graph_pool_handle()
            work = Work([graph(partial(fast, *arguments), pool) for arguments in inputs])
            (found,), _ = measure([work], budget_s, statistic)
        except Exception:  # a missing C compiler, an operator without a graph: the baseline is advice
            return None
        finally:
            torch._dynamo.reset()
    return found.middle


@contextlib.contextmanager
def _cache(folder: str) -> Any:
    import os

    names = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: f"{folder}/{name.lower()}" for name in names})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
