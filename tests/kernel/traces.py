"""Traces of the replayer's tests, made by hand, and a replayer whose launches are plain functions."""

import json
from collections.abc import Callable
from typing import Any

import torch

from kernelraft.kernel.lift import Module
from kernelraft.kernel.record_check import parse
from kernelraft.kernel.replayer.program import Program
from kernelraft.kernel.trace import Event, View


def view(name: str, *shape: int, at: int = 0, stride: list[int] | None = None, dtype: str = "float32") -> View:
    dense = list(torch.empty(shape, device="meta").stride())
    return [name, at, list(shape), dense if stride is None else stride, dtype]


def arg(value: Any) -> Any:
    """An argument: what looks like a view is a tensor."""
    return ["tensor", value] if isinstance(value, list) and len(value) == 5 else value


def op(name: str, args: list[Any], *made: View, **kwargs: Any) -> Event:
    return ["op", f"aten.{name}", [arg(value) for value in args], kwargs, list(made), "line 1"]


def empty(*made: View) -> Event:
    return op("empty.memory_format", [], *made)


def launch(**arguments: Any) -> Event:
    return ["launch", "kernel:1", {name: arg(value) for name, value in arguments.items()}, [1], {}, "line 2"]


class Replay:
    """A program whose launches do what a function says to their argument `out`, and are noted in `given`."""

    def __init__(self, events: list[Event], outputs: Any = None, does: Callable[..., Any] | None = None,
                 build: list[Event] | None = None, state: dict[str, View] | None = None) -> None:  # fmt: skip
        told = {"kernels": {"kernel:1": {}}, "build": build or [], "state": state or {}, "events": events}
        trace = parse(json.dumps({**told, "outputs": outputs}).encode())  # as the judge gets it
        module = Module("def kernel(out, n=1):\n    pass\n", trace.kernels)
        self.program = Program(trace, module, lambda place, v: torch.full(v[2], float(place)), self.launch)
        self.does, self.given = does or (lambda out: out.fill_(1)), list[dict[str, Any]]()

    def launch(self, event: Event, arguments: dict[str, Any]) -> set[int]:
        self.given.append({n: v.tolist() if isinstance(v, torch.Tensor) else v for n, v in arguments.items()})
        self.does(arguments["out"])
        return {arguments["out"].untyped_storage().data_ptr()}

    def __call__(self, *inputs: torch.Tensor, seed: int = 0, poison: int = 0xFF, launches: bool = True,
                 **state: list[float]) -> list[Any]:  # fmt: skip
        """The outputs of one forward after the constructor, `state` being given."""
        self.program.build([], {name: torch.tensor(value) for name, value in state.items()}, seed)
        return self.again(*inputs, poison=poison, launches=launches)

    def again(self, *inputs: torch.Tensor, poison: int = 0xFF, **how: bool) -> list[Any]:
        outputs = self.program.run(list(inputs), poison, **how)
        return [out.tolist() if isinstance(out, torch.Tensor) else out for out in outputs]


B, W, IN = view("b0", 4), view("b1", 3), view("in0", 4)
RUN = [empty(B), launch(out=B)]
