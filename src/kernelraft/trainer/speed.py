"""What makes a step faster or smaller without changing what it computes: compiled layers, recomputed layers."""

import logging
from collections.abc import Callable
from typing import Any

import torch
import torch._functorch.config
from torch.utils.checkpoint import checkpoint

from kernelraft.errors import first_line
from kernelraft.model.layers import layers_of
from kernelraft.model.lora.experts import LoraExperts

PIECES = 8  # of experts' weights, where memory is short

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
                    log.warning("torch.compile failed, the run goes on without it: %s", first_line(error))
            return forward(*args, **options)

        return run


def compile_layers(module: Any) -> None:
    """Compile each layer by itself: seconds once, and one graph serves layers that are alike."""
    keep_little()
    compiling = _Compiling()
    for layer in layers_of(module):
        layer.forward = compiling.wrap(layer.forward)


def keep_little() -> None:
    """Have torch.compile compute what is cheap again in the backward pass wherever it is needed there.

    Norms, rotations, gates: a layer of Llama then keeps two thirds of what it would keep by torch's defaults, which
    weigh each of them alone.
    """
    torch._dynamo.config.cache_size_limit = max(64, torch._dynamo.config.cache_size_limit)
    for rule in ("used_far_apart", "long_fusible_chains", "materialized_backward"):
        setattr(torch._functorch.config, f"ban_recompute_{rule}", False)


def unpack_in_pieces(module: Any) -> None:
    """Have packed experts unpacked a piece at a time: less memory, at 4,096 tokens no slower to speak of."""
    for part in module.modules():
        if isinstance(part, LoraExperts):
            part.pieces = PIECES


def draws(module: Any) -> bool:
    """Whether a forward pass in training draws random numbers; the dropout of adapters follows from a seed."""
    return any(isinstance(part, torch.nn.Dropout) and part.p > 0 for part in module.modules())


def recompute_layers(module: Any, count: int, *, random: bool = True) -> None:
    """Have the first `count` layers keep their input alone and run again in the backward pass.

    `random`: they draw random numbers, and are to draw the same ones again.
    """
    for layer in layers_of(module)[:count]:
        layer.forward = _recomputed(layer.forward, random)


def _recomputed(forward: Forward, random: bool) -> Forward:
    def run(*args: Any, **options: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **options)
        return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=random, **options)

    return run
