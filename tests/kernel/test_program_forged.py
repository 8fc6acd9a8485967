"""A trace that no recorder writes is refused where it is read or is a fault, and what no kernel wrote is no output."""

from typing import Any

import pytest
import torch
from traces import IN, RUN, B, Replay, W, arg, empty, launch, op, view

from kernelraft.kernel.faults import Fault
from kernelraft.kernel.trace import Event, View
from kernelraft.records import Reason

C = view("b3", 4)
NOT_MADE = {
    "on the host": (RUN, ["host"]),
    "allocated only": ([*RUN, empty(C)], arg(C)),
    "filled by torch": ([*RUN, ["data", C, ["same", 1]]], arg(C)),
    "copied from the input": ([*RUN, op("clone.default", [IN], C)], arg(C)),
    "copied before the launch": ([empty(B), op("clone.default", [B], C), launch(out=B)], arg(C)),
    "the input itself": (RUN, arg(IN)),
    "kept under the name of an input": ([*RUN, op("clone.default", [IN], view("in9", 4))], arg(view("in9", 4))),
    "allocated under the name of an input": ([*RUN, empty(view("in9", 4))], arg(view("in9", 4))),
}


@pytest.mark.parametrize("name", NOT_MADE)
def test_an_output_that_no_kernel_wrote_is_refused(name: str) -> None:
    with pytest.raises(Fault) as raised:
        Replay(*NOT_MADE[name])(torch.zeros(4))
    assert raised.value.reason in (Reason.NOT_TRITON, Reason.RUNTIME_ERROR)


def test_an_output_of_no_elements_needs_no_kernel() -> None:
    assert Replay([empty(B)], arg(view("b0", 0)))() == [[]]


def test_memory_is_not_read_as_another_type_outside_of_kernels() -> None:
    other = view("in0", 4, dtype="int32")
    with pytest.raises(Fault, match="float32 is read as int32 outside a Triton kernel"):
        Replay([*RUN, op("clone.default", [other], view("b3", 4, dtype="int32"))])(torch.zeros(4))
    Replay([empty(B), launch(out=B, x=other)])(torch.zeros(4))


def called(operator: str, *args: Any, made: tuple[View, ...] = ()) -> Event:
    return ["op", operator, list(args), {}, list(made), "line 1"]


SQUARE = view("in0", 2, 2)
IMPOSSIBLE: dict[str, Event] = {
    "an event of no kind": ["run", "x"],
    "a choice of nothing": ["choose", []],
    "an unknown operator": called("aten.no_such.default"),
    "an unknown overload": called("aten.clone.other", arg(IN), made=(C,)),
    "an operator outside of aten": called("torchvision.nms.default"),
    "a function of Python": called("builtins.exec.default", "1"),
    "a hidden attribute": called("aten.__class__.default"),
    "an operator without its overload": called("aten.clone", arg(IN), made=(C,)),
    "an unknown kind of argument": op("clone.default", [["object", 1]], C),
    "an unknown format": op("clone.default", [IN], C, memory_format=["format", "x"]),
    "a double allocation": empty(C, C),
    "an allocation over an input": empty(IN),
    "an allocation with an offset": empty(view("b3", 4, at=1)),
    "a huge allocation": empty(view("b3", 1 << 41)),
    "an allocation of an unknown type": empty(["b3", 0, [4], [1], "float33"]),
    "an allocation with a negative stride": empty(view("b3", 4, stride=[-1])),
    "an allocation with a negative shape": empty(["b3", 0, [-4], [1], "float32"]),
    "an allocation with too few strides": empty(["b3", 0, [4, 4], [4], "float32"]),
    "more results than there are": op("clone.default", [IN], C, W),
    "fewer results than there are": op("clone.default", [IN]),
    "a result of another shape": op("clone.default", [IN], view("b3", 2, 2)),
    "a result at another place": op("t.default", [SQUARE], view("b3", 2, 2, at=1)),
    "a result that overlaps itself": op("clone.default", [IN], view("b3", 4, stride=[0])),
    "a result with a negative stride": op("clone.default", [IN], view("b3", 4, stride=[-1])),
    "a result that is spread out": op("clone.default", [IN], view("b3", 4, stride=[1 << 40])),
    "a view of no buffer": launch(out=view("b7", 4)),
    "a view of no type": launch(out=["in0", 0, [4], [1], "float33"]),
    "a view beyond the end": launch(out=view("in0", 5)),
    "a view behind the end": launch(out=view("in0", 1, at=4)),
    "a view before the start": launch(out=view("in0", 1, at=-1)),
    "a view with a stride beyond the end": launch(out=view("in0", 2, stride=[4])),
    "a view with a negative stride": launch(out=view("in0", 4, at=3, stride=[-1])),
    "a view with a negative shape": launch(out=["in0", 0, [-4], [1], "float32"]),
    "a view with too few strides": launch(out=["in0", 0, [2, 2], [1], "float32"]),
    "a view of a wider type": launch(out=view("in0", 4, dtype="float64")),
    "a view that no pointer can hold": launch(out=["in0", 0, [0, 1 << 70], [1, 1], "float32"]),
    "a stride that no pointer can hold": launch(out=view("in0", 1, stride=[1 << 70])),
    "an argument that is a module": launch(out=["module", "os"]),
    "a pointer to no type": launch(out=["reinterpret", arg(IN), "core"]),
    "a constant of no kind": ["data", C, ["random", 1]],
    "a constant that is text": ["data", C, ["same", "x"]],
    "a constant that is nowhere": ["data", C, ["at", "x"]],
}


def tried(events: list[Any], outputs: Any = None, build: list[Any] | None = None) -> None:
    """Read and execute a trace. Raises Fault where it is none, as the judge does."""
    try:
        replay = Replay(events, outputs, lambda out: None, build)
    except ValueError:
        raise Fault(Reason.RUNTIME_ERROR, "malformed") from None
    replay(torch.zeros(4))


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_an_event_that_cannot_be_is_a_fault(name: str) -> None:
    with pytest.raises(Fault) as raised:
        tried([IMPOSSIBLE[name]])
    assert raised.value.reason in (Reason.RUNTIME_ERROR, Reason.COMPILE_ERROR)


@pytest.mark.parametrize("name", [name for name in IMPOSSIBLE if "over an input" not in name])
def test_an_event_of_a_constructor_that_cannot_be_is_a_fault(name: str) -> None:
    with pytest.raises(Fault):
        tried([], build=[IMPOSSIBLE[name]])


MALFORMED: dict[str, Any] = {
    "a number": 3,
    "nothing": [],
    "a word": ["op"],
    "an operator without results": ["op", "aten.clone.default", [arg(IN)], {}],
    "an operator with a result that is none": called("aten.clone.default", arg(IN), made=(5,)),
    "an argument that is no view": launch(out=["tensor", 5]),
    "an allocation of text": empty(["b3", 0, ["4"], [1], "float32"]),
    "a constant for no view": ["data", 5, ["same", 1]],
    "a constant for nothing": ["data", [], ["same", 1]],
    "a number that is none": op("fill_.Scalar", [C, ["number", "x"]], C),
    "a choice of a number": ["choose", [3]],
    "names that are lists": ["data", [[], 0, [4], [1], "float32"], ["same", 1]],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_an_event_of_another_form_is_a_fault(name: str) -> None:
    with pytest.raises(Fault):
        tried([empty(C), MALFORMED[name]])


OUTPUTS = [["tensor", 5], arg(view("in0", 5)), arg(view("b9", 4)), ["x", 1], ["number", "x"], {}, ["dict", 1], []]


@pytest.mark.parametrize("outputs", OUTPUTS, ids=str)
def test_an_output_that_cannot_be_is_a_fault(outputs: Any) -> None:
    with pytest.raises(Fault):
        tried(RUN, outputs)
