"""Whether what a recorder sent is a trace: every type, every size and every depth, before anything else reads it."""

import json
from typing import Any

from kernelraft.kernel.memory import DTYPES
from kernelraft.kernel.trace import Trace

_MAX_EVENTS, _MAX_DEPTH, _MAX_NUMBER, _MAX_TEXT = 20_000, 40, 1 << 48, 400
_PARTS = ("kernels", "build", "state", "events", "outputs")


def parse(data: bytes) -> Trace:
    """The trace in `data`. Raises ValueError where it is none."""
    _depth(data)
    told = json.loads(data)
    _require(isinstance(told, dict) and set(told) == set(_PARTS), "parts")
    kernels, state = told["kernels"], told["state"]
    _require(isinstance(kernels, dict) and all(isinstance(b, dict) for b in kernels.values()), "kernels")
    _require(isinstance(state, dict), "state")
    for view in state.values():
        _view(view)
    count = [0]
    for phase in ("build", "events"):
        _events(told[phase], count, nested=False)
    _outputs(told["outputs"])
    return Trace(**told)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _depth(data: bytes) -> None:
    """Bound the nesting: brackets in texts count too, which no recorder writes in such numbers."""
    depth = 0
    for byte in data:
        if byte in b"[{":
            depth += 1
            _require(depth <= _MAX_DEPTH, "depth")
        elif byte in b"]}":
            depth -= 1


def _number(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MAX_NUMBER


def _view(value: Any) -> None:
    _require(isinstance(value, list) and len(value) == 5, "a view")
    name, offset, shape, stride, dtype = value
    _require(isinstance(name, str) and len(name) < 200 and _number(offset), "a view")
    _require(isinstance(dtype, str) and dtype in DTYPES, "a view")
    for sizes in (shape, stride):
        _require(isinstance(sizes, list) and len(sizes) <= 32 and all(map(_number, sizes)), "a view")
    _require(len(shape) == len(stride), "a view")


def _argument(value: Any) -> None:
    """A number, a text, or a list that begins with its kind."""
    if isinstance(value, list):
        kind = bool(value) and isinstance(value[0], str)
        _require(kind or all(map(_plain, value)), "an argument")
        if value and value[0] == "tensor":
            _require(len(value) == 2, "a tensor")
            _view(value[1])
        elif value and value[0] == "number":
            _require(len(value) == 2 and value[1] in ("inf", "-inf", "nan"), "a number")
        else:
            for part in value:
                _argument(part)
    else:
        _require(_plain(value), "an argument")


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) < _MAX_TEXT)


def _events(events: Any, count: list[int], *, nested: bool) -> None:
    _require(isinstance(events, list), "events")
    for event in events:
        count[0] += 1
        _require(count[0] <= _MAX_EVENTS and isinstance(event, list) and bool(event), "an event")
        match event:
            case ["op", str(), list() as args, dict() as kwargs, list() as made, str() as line]:
                for value in (*args, *kwargs.values()):
                    _argument(value)
                for view in made:
                    _view(view)
                _require(len(line) < _MAX_TEXT, "a line")
            case ["data", view, ["same" | "at", value]]:
                _view(view)
                _argument(value)
            case ["launch", str() as kernel, dict() as arguments, list() as grid, dict() as options, str() as line]:
                _require(len(kernel) < _MAX_TEXT and len(line) < _MAX_TEXT, "a launch")
                _require(1 <= len(grid) <= 3 and all(_number(n) and n < 1 << 31 for n in grid), "a grid")
                _require(all(map(_plain, options.values())), "options")
                for value in arguments.values():
                    _argument(value)
            case ["choose", list() as alternatives] if not nested and alternatives:
                for alternative in alternatives:
                    _events(alternative, count, nested=True)
            case _:
                raise ValueError("an event")


def _outputs(value: Any) -> None:
    match value:
        case ["tensor", view]:
            _view(view)
        case ["dict", *pairs]:
            for pair in pairs:
                _require(isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str), "an output")
                _outputs(pair[1])
        case ["tuple", *parts]:
            for part in parts:
                _outputs(part)
        case ["host"] | ["other", str()] | ["number", "inf" | "-inf" | "nan"]:
            return
        case _:
            _require(_plain(value), "an output")
