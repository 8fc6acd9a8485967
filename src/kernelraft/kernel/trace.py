"""What a recorder writes and a replayer reads: plain JSON, checked before it is used.

    View   [buffer, offset, shape, stride, dtype]     a tensor; offset in elements
    Event  ["op", operator, args, kwargs, [View of each result], line]
           ["data", View, ["same", value] | ["at", place]]
           ["launch", kernel, {name: argument}, grid, options, line]
           ["choose", [[Event, ...] of each configuration]]

A buffer is an input ("in0"), an argument of the constructor ("arg0"), or made by the event that names it
first. An operator's class is decided here, by its name, and not by who recorded it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

View = list[Any]
Event = list[Any]

ALLOCATE = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"})
FILLS = {
    "zeros", "zeros_like", "new_zeros", "ones", "ones_like", "new_ones", "full", "full_like", "new_full",
    "fill_", "zero_", "scalar_tensor", "arange",
}  # fmt: skip
COPIES = {
    "clone", "_to_copy", "copy_", "contiguous", "cat", "stack", "constant_pad_nd", "repeat", "flip", "roll",
    "lift_fresh", "lift_fresh_copy", "alias", "detach", "_reshape_copy", "expand_copy", "permute_copy",
}  # fmt: skip
_LOOK = {
    "transpose_", "t_", "squeeze_", "unsqueeze_", "swapaxes_", "swapdims_", "as_strided_", "requires_grad_", "detach_",
}  # fmt: skip
MOVES = ALLOCATE | FILLS | COPIES | _LOOK  # of data: what a program may do outside its kernels


class NotReplayable(BaseException):
    """The host code depends on data, or does what no event can say. Not an Exception, as Fault is none."""


@dataclass(frozen=True)
class Trace:
    """A program without its host code, for inputs of one form.

    `kernels` maps the id of each @triton.jit function to what its free names stand for; `build` are the
    events of the constructor, `events` those of forward; `state` has the parameters and buffers by name.
    """

    kernels: dict[str, dict[str, Any]]
    build: list[Event]
    state: dict[str, View]
    events: list[Event]
    outputs: Any


def numbers(value: float) -> Any:
    """A float as JSON can say it."""
    return value if math.isfinite(value) else ["number", str(value)]


def base_name(operator: str) -> str:
    """`clone` of "aten.clone.default"."""
    return operator.removeprefix("aten.").partition(".")[0]


def flat(events: list[Event]) -> Iterator[Event]:
    """Events in order, of a choice every alternative."""
    for event in events:
        if event[0] == "choose":
            for alternative in event[1]:
                yield from alternative
        else:
            yield event


def picked(events: list[Event], pick: int) -> Iterator[Event]:
    """Events in order; of each choice the alternative of this number, or the last."""
    for event in events:
        if event[0] == "choose":
            yield from event[1][min(pick, len(event[1]) - 1)]
        else:
            yield event


def computes(events: list[Event]) -> list[Event]:
    """The operators of torch that are more than movements of data."""
    return [e for e in flat(events) if e[0] == "op" and not _moves(e)]


def _moves(event: Event) -> bool:
    """A movement of data, that does not make other values of what it moves, as a conversion to integers would."""
    name = base_name(event[1])
    if name not in MOVES or event[1].endswith(("out", "_out")):
        return False
    if name in ALLOCATE | FILLS:
        return True
    given, made = ([view[4] for view in found] for found in (views(event[2]), event[4]))
    return all("float" in dtype for dtype in made) or not any("float" in dtype for dtype in given)


def views(value: Any) -> Iterator[View]:
    """All tensors in an encoded argument."""
    if isinstance(value, dict):
        for part in value.values():
            yield from views(part)
    elif isinstance(value, list) and value:
        if value[0] == "tensor":
            yield value[1]
        else:
            for part in value:
                yield from views(part)
