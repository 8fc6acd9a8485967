"""Whether a task can tell an answer from none: what a program gives that does no work must fail on it.

Sources: github.com/ScalingIntelligence/KernelBench/issues/165; METR's filtered KernelBench.
"""

from collections.abc import Iterator
from typing import Any

import torch

from kernelraft.kernel.compare import Expected, difference
from kernelraft.kernel.memory import Unsupported

Case = list[tuple[list[Any], list[Expected]]]  # inputs and outputs of each trial


def check(trials: Case) -> None:
    """Raises Unsupported with the name of a trivial answer that passes on every trial."""
    outputs = range(len(trials[0][1]))
    first, others = trials[0][1], [expected for _, expected in trials[1:]]
    if others and all(all(_passes(a.value, b) for a, b in zip(first, other, strict=True)) for other in others):
        raise Unsupported("a constant would pass: the reference's output does not depend on its inputs")
    names = {name for inputs, expected in trials[:1] for name, _ in _trivial(inputs, expected[0])}
    for name in sorted(names):
        answers = [[dict(_trivial(inputs, expected[n])).get(name) for n in outputs] for inputs, expected in trials]
        if all(
            answer is not None and _passes(answer, expected[n])
            for given, (_, expected) in zip(answers, trials, strict=True)
            for n, answer in enumerate(given)
        ):
            raise Unsupported(f"{name} would pass: this task cannot tell an answer from none")


def _trivial(inputs: list[Any], expected: Expected) -> Iterator[tuple[str, Any]]:
    """Answers that need no work, of the shape and type of an output."""
    value = expected.value
    if not isinstance(value, torch.Tensor) or not value.numel():
        return
    yield "zeros", torch.zeros_like(value)
    yield "ones", torch.ones_like(value)
    if value.is_floating_point() and value.numel() > 1:
        finite = value[torch.isfinite(value)]
        yield "the mean", torch.full_like(value, float(finite.double().mean()) if finite.numel() else 0.0)
    half = value.flatten().clone()
    half[len(half) // 2 :] = 0
    if len(half) > 1:
        yield "the first half", half.view(value.shape)
    for index, given in enumerate(inputs):
        if isinstance(given, torch.Tensor) and (given.shape, given.dtype) == (value.shape, value.dtype):
            yield f"input {index} as it is", given


def _passes(answer: Any, expected: Expected) -> bool:
    return difference(answer, expected) is None
