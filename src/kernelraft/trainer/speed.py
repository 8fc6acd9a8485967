"""What makes a step faster or smaller without changing what it computes: compiled layers, recomputed layers."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from kernelraft.model.layers import layers_of

log = logging.getLogger("kernelraft")
Forward = Callable[..., Any]


class _Compiling:
    """Compiles forwards, all of them or, after a compiler's first failure, none."""

    def __init__(self) -> None:
        self.failed = False

    def wrap(self, forward: Forward) -> Forward:
        """`forward` compiled for static shapes; as it was where that fails."""
        from torch._dynamo.exc import TorchDynamoException
        from torch._inductor.exc import InductorError

        compiled = torch.compile(forward, dynamic=False)

        def run(*args: Any, **options: Any) -> Any:
            if not self.failed:
                try:
                    return compiled(*args, **options)
                except (TorchDynamoException, InductorError) as error:
                    self.failed = True
                    log.warning("torch.compile failed, the run goes on without it: %s", _first_line(error))
            return forward(*args, **options)

        return run


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def compile_layers(module: Any) -> None:
    """Compile each layer by itself: seconds once, and one graph serves layers that are alike."""
    torch._dynamo.config.cache_size_limit = max(64, torch._dynamo.config.cache_size_limit)
    compiling = _Compiling()
    for layer in layers_of(module):
        layer.forward = compiling.wrap(layer.forward)


def recompute_layers(module: Any, count: int) -> None:
    """Have the first `count` layers keep their input alone and run again in the backward pass."""
    for layer in layers_of(module)[:count]:
        layer.forward = _recomputed(layer.forward)


def _recomputed(forward: Forward) -> Forward:
    def run(*args: Any, **options: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **options)
        return checkpoint(forward, *args, use_reentrant=False, **options)

    return run
