"""A module that may be in training, lent to the sampler."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kernelraft.model.layers import layers_of


@contextmanager
def lent(module: Any) -> Iterator[None]:
    """In evaluation mode, its layers' forward as their class has it: not compiled for, nor recomputed as, training."""
    training = module.training
    wrapped = [(layer, layer.__dict__.pop("forward")) for layer in layers_of(module) if "forward" in layer.__dict__]
    module.eval()
    try:
        yield
    finally:
        module.train(training)
        for layer, forward in wrapped:
            layer.forward = forward
