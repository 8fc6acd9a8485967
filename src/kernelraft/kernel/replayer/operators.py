"""Operators of torch as a trace names them, and their arguments."""

from typing import Any

import torch

from kernelraft.kernel.memory import DTYPES
from kernelraft.kernel.replayer.buffers import Buffers, forged
from kernelraft.kernel.trace import views

_CLOSED = {"from_file", "set_", "resize_", "resize_as_", "_local_scalar_dense", "_assert_async"}
_FORMATS = {name: getattr(torch, name) for name in ("contiguous_format", "preserve_format", "channels_last",
                                                    "channels_last_3d", "strided")}  # fmt: skip


def resolve(operator: str) -> Any:
    """The operator of torch with this name. Raises Fault for one that a trace may not hold."""
    if operator == "init.trunc_normal_":
        return torch.nn.init.trunc_normal_
    parts = operator.split(".")
    if len(parts) != 3 or parts[0] not in ("aten", "prims") or any(part.startswith("__") for part in parts):
        raise forged("an operator")
    packet = getattr(getattr(torch.ops, parts[0]), parts[1], None)
    if packet is None or parts[2] not in packet.overloads() or "out" in parts[2] or parts[1] in _CLOSED:
        raise forged("an operator")
    return getattr(packet, parts[2])


def check_schema(function: Any, args: list[Any]) -> None:
    """A tensor stands only where one is meant: elsewhere it would turn values into sizes."""
    for value, argument in zip(args, getattr(getattr(function, "_schema", None), "arguments", ()), strict=False):
        if list(views(value)) and "Tensor" not in str(argument.type):
            raise forged("an operator's argument")


def takes_device(function: Any) -> bool:
    """Whether an operator is told where its result shall lie."""
    return hasattr(function, "_schema") and any(argument.name == "device" for argument in function._schema.arguments)


def operand(value: Any, buffers: Buffers, device: torch.device) -> Any:
    """An operator's argument. Raises Fault for what no recorder writes."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case ["tensor", view]:
            return buffers.tensor(view)
        case ["number", str(text)]:
            return float(text)
        case ["scalar", number, str(kind)] if kind in DTYPES:
            return torch.tensor(operand(number, buffers, device), dtype=DTYPES[kind])
        case ["dtype", str(name)] if name in DTYPES:
            return DTYPES[name]
        case ["format", str(name)] if name in _FORMATS:
            return _FORMATS[name]
        case ["device"]:
            return device
        case ["list", *parts]:
            return [operand(part, buffers, device) for part in parts]
    raise forged("an argument")
