"""Values as a trace writes them: arguments of a launch, constants of the host, outputs."""

from collections.abc import Callable, Iterable
from typing import Any

import torch

from kernelraft.kernel.faults import Fault
from kernelraft.kernel.language import triton_types
from kernelraft.kernel.lift import Module
from kernelraft.kernel.replayer.buffers import Buffers, forged
from kernelraft.kernel.trace import View
from kernelraft.records import Reason

Constant = Callable[[int, View], torch.Tensor]


def argument(value: Any, buffers: Buffers, module: Module) -> Any:
    """What a kernel is launched with. Raises Fault for what no recorder writes."""
    match value:
        case ["tensor", view]:
            return buffers.tensor(view)
        case ["reinterpret", base, str(name)]:
            import triton

            if name not in triton_types():
                raise forged("a type")
            return triton.reinterpret(argument(base, buffers, module), triton_types()[name])
        case ["tuple", *parts]:
            return tuple(argument(part, buffers, module) for part in parts)
        case ["descriptor", base, list(shape), list(strides), list(block), str(padding)]:
            from triton.tools.tensor_descriptor import TensorDescriptor

            return TensorDescriptor(argument(base, buffers, module), shape, strides, block, padding)
    return module.value(value)


def fill(buffers: Buffers, view: View, value: Any, constant: Constant) -> None:
    """Write a constant where `view` looks. Raises Fault for one that no recorder writes."""
    match value:
        case ["same", bool() | int() | float() as number]:
            buffers.tensor(view).fill_(number)
        case ["same", ["number", str(text)]]:
            buffers.tensor(view).fill_(float(text))
        case ["at", int(place)]:
            buffers.tensor(view).copy_(constant(place, view))
        case _:
            raise forged("a constant")


def untensored(value: Any) -> Any:
    """An output that is no tensor. Raises Fault for one of the host, and for what no recorder writes."""
    match value:
        case ["host"]:
            raise Fault(Reason.NOT_TRITON, "an output lies on the host: no kernel can have written it")
        case ["other", str(name)]:
            return ["other", name]
        case ["number", str(text)]:
            return float(text)
        case None | bool() | int() | float():
            return value
        case str():
            return ["other", "str"]
    raise forged("an output")


def structure(value: Any) -> str:
    """Of a result of a program, in the words of plain.structure."""
    match value:
        case ["tuple", *parts]:
            return "(" + ", ".join(map(structure, parts)) + ")"
        case ["dict", *pairs]:
            return "{" + ", ".join(f"{key}: {structure(part)}" for key, part in pairs) + "}"
        case _:
            return "value"


def leaves(value: Any) -> Iterable[Any]:
    """A result of a program, flat."""
    match value:
        case ["tuple", *parts]:
            for part in parts:
                yield from leaves(part)
        case ["dict", *pairs]:
            for _, part in pairs:
                yield from leaves(part)
        case _:
            yield value
