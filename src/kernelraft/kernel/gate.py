"""Whether a task can tell an answer from none: what a program gives that does no work must fail on it.

Sources: github.com/ScalingIntelligence/KernelBench/issues/165; METR's filtered KernelBench.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from kernelraft.kernel.compare import Expected, difference
from kernelraft.kernel.memory import Unsupported
from kernelraft.kernel.trace import MOVES

Trial = tuple[list[Any], list[Expected]]  # inputs and outputs


def check(trials: Iterable[Trial]) -> None:
    """Raises Unsupported with the name of a trivial answer that passes on every trial."""
    first: list[Any] = []
    passing: set[str] = set()
    constant, count = True, 0
    for inputs, expected in trials:
        good = _passing(inputs, expected)
        passing = passing & good if count else good
        if count:
            constant &= all(_passes(a, b) for a, b in zip(first, expected, strict=True))
        first = first or [part.value for part in expected]
        count += 1
    if constant and count > 1:
        raise Unsupported("a constant would pass: the reference's output does not depend on its inputs")
    for name in sorted(passing):
        raise Unsupported(f"{name} would pass: this task cannot tell an answer from none")


def _passing(inputs: list[Any], expected: list[Expected]) -> set[str]:
    """The trivial answers that are right for every output of one trial."""
    found: set[str] | None = None
    for part in expected:
        if not isinstance(part.value, torch.Tensor) or not part.value.numel():
            continue  # nothing that an answer could fail on
        good = {name for name, answer in _trivial(inputs, part) if _passes(answer, part)}
        found = good if found is None else found & good
    return found or set()


def _trivial(inputs: list[Any], expected: Expected) -> Iterator[tuple[str, Any]]:
    """Answers that need no work, of the shape and type of an output."""
    value = expected.value
    if not isinstance(value, torch.Tensor) or not value.numel():
        return
    yield "zeros", torch.zeros_like(value)
    yield "ones", torch.ones_like(value)
    if value.is_floating_point() and value.numel() > 1:
        finite = torch.isfinite(value)
        total = float(torch.where(finite, value, 0.0).sum(dtype=torch.float64))
        yield "the mean", torch.full_like(value, total / max(1, int(finite.sum())))
    half = value.flatten().clone()
    half[len(half) // 2 :] = 0
    if len(half) > 1:
        yield "the first half", half.view(value.shape)
    for index, given in enumerate(inputs):
        if isinstance(given, torch.Tensor) and (given.shape, given.dtype) == (value.shape, value.dtype):
            yield f"input {index} as it is", given


def _passes(answer: Any, expected: Expected) -> bool:
    return difference(answer, expected) is None


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Which operators are used."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.computing = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.removeprefix("aten::")
        result = func(*args, **(kwargs or {}))
        looks = isinstance(result, torch.Tensor) and any(
            isinstance(a, torch.Tensor) and a.untyped_storage()._cdata == result.untyped_storage()._cdata for a in args
        )
        self.computing |= name not in MOVES and not (looks and not func._schema.is_mutable)
        return result


def check_work(model: Any, inputs: list[Any]) -> None:
    """Raises Unsupported where a reference only moves data: what is allowed outside of kernels would do it all."""
    with _Operators() as operators:
        model(*(value.clone() if isinstance(value, torch.Tensor) else value for value in inputs))
    if not operators.computing:
        raise Unsupported("the reference only moves data: there is nothing to compute in a kernel")
