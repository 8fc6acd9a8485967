"""What a reference answers for given inputs, exactly: in float64, with the error that it makes in its own type.

Or, for KernelBench's protocol, in its own type alone.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch

from kernelraft.kernel import plain
from kernelraft.kernel.compare import Expected
from kernelraft.kernel.memory import Unsupported, dtype_name

# An answer may be so many times less exact than PyTorch's own: another order of summation, another exp.
_SLACK = 4.0
_MAX_LIMIT = 0.05  # beyond, a reference is too inexact to judge by


def answers(
    model: Any, inputs: list[Any], floors: Mapping[str, float], ease: float = 1.0
) -> tuple[list[Expected], str]:
    """Every output for `inputs`, flat, and the structure (plain.structure) that they had.

    `floors` are the limits by dtype below which none goes. `ease` multiplies the limits: at magnitudes that a task was
    not made for, right programs differ by more.

    Raises Unsupported where there is no tensor among them, or none could be judged.
    """
    values, structure = _told(model, inputs)
    exact = _exact(model, inputs, values)
    pairs = zip(values, exact, strict=True)
    return [_expected(value, in_double, floors, ease) for value, in_double in pairs], structure


def published(model: Any, inputs: list[Any], tolerances: Mapping[str, float]) -> tuple[list[Expected], str]:
    """As `answers`, each to be met within the absolute and relative tolerance of its dtype.

    Raises Unsupported where there is no tensor among them, or one has no tolerance.
    Source: run_and_check_correctness in src/kernelbench/eval.py of github.com/ScalingIntelligence/KernelBench.
    """
    values, structure = _told(model, inputs)
    return [
        Expected(value, close=_limit(value, tolerances) if _is_floating(value) else None) for value in values
    ], structure


def _told(model: Any, inputs: list[Any]) -> tuple[list[Any], str]:
    values, structure = outputs(model, inputs)
    if not any(isinstance(value, torch.Tensor) for value in values):
        raise Unsupported("the reference returns no tensor")
    return values, structure


def _is_floating(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _limit(value: torch.Tensor, limits: Mapping[str, float]) -> float:
    found = limits.get(dtype_name(value.dtype))
    if found is None:
        raise Unsupported(f"an output of {dtype_name(value.dtype)}: there is no tolerance for it")
    return found


def outputs(model: Any, inputs: list[Any]) -> tuple[list[Any], str]:
    """What a model gives for `inputs`, flat, each in memory of its own, and its structure.

    Model and inputs are not changed by it.
    """
    found: list[Any] = []
    held: set[int] = set()
    result = copy.deepcopy(model)(*copy.deepcopy(inputs))
    for value in plain.leaves(result):
        if isinstance(value, torch.Tensor):
            there = value.untyped_storage().data_ptr()
            value = value.detach().clone() if there in held else value.detach()
            held.add(there)
        found.append(value)
    return found, plain.structure(result)


def _expected(value: Any, exact: Any, floors: Mapping[str, float], ease: float) -> Expected:
    if not _is_floating(value):
        return Expected(value)
    floor = _limit(value, floors)
    bare = Expected(value, exact)
    limit = ease * max(floor, _SLACK * bare.worst(value) if value.numel() else 0.0)
    if limit > ease * _MAX_LIMIT:
        off = limit / _SLACK / ease
        raise Unsupported(f"the reference in {dtype_name(value.dtype)} is off by {off:.2g} of its signal")
    return Expected(value, exact, limit, bare.share_distant(value, limit) if value.numel() else 0.0)


def _exact(model: Any, inputs: list[Any], values: list[Any]) -> list[Any]:
    """The outputs in float64; a reference that cannot compute in it is believed as it is."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        found = plain.leaves(copy.deepcopy(model).double()(*map(_double, inputs)))
    except Exception:
        found = []
    finally:
        torch.set_default_dtype(before)
    if [_form(value) for value in found] != [_form(value) for value in values]:
        found = values
    return [value.detach().double() if isinstance(value, torch.Tensor) else value for value in found]


def _form(value: Any) -> Any:
    return (value.shape, value.is_floating_point()) if isinstance(value, torch.Tensor) else type(value)


def _double(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_double(part) for part in value)
    if isinstance(value, torch.Tensor) and value.is_floating_point() and value.dtype != torch.float64:
        return value.double()
    return copy.deepcopy(value)  # a reference may change it in place
