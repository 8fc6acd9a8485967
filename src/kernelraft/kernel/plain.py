"""Arguments and results as JSON: containers, numbers, dtypes and tensors, nothing that runs code when it is read."""

from collections.abc import Callable
from typing import Any

import torch

from kernelraft.kernel.memory import DTYPES, Unsupported, dtype_name

_SCALARS = (bool, int, float, str, type(None))


def encode(value: Any, tensor: Callable[[torch.Tensor], Any]) -> Any:
    """`value` as JSON; `tensor` says what stands for a tensor.

    Raises:
        Unsupported: something else is in it.
    """
    if type(value) in _SCALARS:
        return value
    if type(value) in (torch.Tensor, torch.nn.Parameter):
        return ["tensor", tensor(value)]
    if isinstance(value, torch.dtype) and dtype_name(value) in DTYPES:
        return ["dtype", dtype_name(value)]
    if isinstance(value, dict):
        return ["dict", *([encode(k, tensor), encode(v, tensor)] for k, v in value.items())]
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return [kind, *(encode(part, tensor) for part in value)]
    raise Unsupported(f"a value of type {type(value).__name__}")


def decode(value: Any, tensor: Callable[[Any], torch.Tensor]) -> Any:
    """The inverse of `encode`. Raises ValueError for what it cannot have written."""
    if not isinstance(value, list):
        return value
    match value:
        case ["tensor", spec]:
            return tensor(spec)
        case ["dtype", name]:
            return DTYPES[name]
        case ["list", *parts]:
            return [decode(part, tensor) for part in parts]
        case ["tuple", *parts]:
            return tuple(decode(part, tensor) for part in parts)
        case ["dict", *parts]:
            return {decode(k, tensor): decode(v, tensor) for k, v in parts}
    raise ValueError("not an encoded value")


def leaves(value: Any) -> list[Any]:
    """Tensors and scalars of nested containers, in order: a list equals a tuple, a dict its values."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def structure(value: Any) -> str:
    """Of nested containers, in words; a list equals a tuple, and every leaf another."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {structure(part)}" for key, part in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(map(structure, value)) + ")"
    return "value"


def tensors(value: Any, tensor: Callable[[Any], torch.Tensor]) -> list[torch.Tensor]:
    """The tensors among encoded arguments, in order: the recorder numbered them so."""
    found: list[torch.Tensor] = []

    def keep(spec: Any) -> torch.Tensor:
        found.append(tensor(spec))
        return found[-1]

    decode(value, keep)
    return found
