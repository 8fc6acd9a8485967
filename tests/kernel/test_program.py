"""A trace is executed as it was recorded, with the state that it is given."""

from typing import Any

import pytest
import torch
from traces import IN, RUN, B, Replay, W, arg, empty, launch, op, view

from kernelraft.kernel.faults import Fault
from kernelraft.kernel.trace import Event


@pytest.mark.parametrize(
    ("poison", "dtype", "value"),
    [(1, "int32", 0x01010101), (255, "int8", -1), (254, "bool", False), (255, "bool", True), (0, "float32", 0.0)],
)
def test_memory_that_nobody_wrote_holds_the_poison(poison: int, dtype: str, value: Any) -> None:
    b = view("b0", 3, dtype=dtype)
    assert Replay([empty(b), launch(out=b)], ["tensor", b], lambda out: None)(poison=poison) == [[value] * 3]


def test_a_launch_sees_the_values_of_its_arguments() -> None:
    replay = Replay([empty(B), launch(out=B, x=IN, n=4, f=["number", "inf"], t=["tuple", 1, ["constexpr", 2]])])
    replay(torch.arange(4.0), poison=0)
    (given,) = replay.given
    assert (given["out"], given["x"], given["n"], given["f"]) == ([0] * 4, [0, 1, 2, 3], 4, float("inf"))
    assert given["t"][1].value == 2


def test_views_lie_where_they_say() -> None:
    t, part, nothing = view("in0", 4, 3, stride=[1, 4]), view("in0", 2, at=5, stride=[4]), view("in0", 0, at=12)
    replay = Replay([empty(B), launch(out=B, t=t, part=part, nothing=nothing)])
    x = torch.arange(12.0).view(3, 4)
    replay(x)
    assert replay.given[0] == {"out": replay.given[0]["out"], "t": x.t().tolist(), "part": [5.0, 9.0], "nothing": []}


def test_an_input_that_is_a_part_of_a_tensor_ends_where_it_does() -> None:
    part = torch.arange(12.0)[4:8]
    replay = Replay([empty(B), launch(out=B, x=IN)])
    replay(part)
    assert replay.given[0]["x"] == [4.0, 5.0, 6.0, 7.0]
    for outside in (view("in0", 5), view("in0", 1, at=4), view("in0", 4, dtype="float64")):
        with pytest.raises(Fault, match="outside of its buffer"):
            Replay([launch(out=outside)])(part)


def test_operators_and_copies_of_what_a_kernel_wrote_are_executed() -> None:
    c, d, e, f = view("b3", 4), view("b4", 8), view("b5", 4, dtype="int64"), view("b6", 4)
    clone = op("clone.default", [B], c, memory_format=["format", "contiguous_format"])
    cat = op("cat.default", [["list", arg(c), arg(IN)]], d)
    cast = op("_to_copy.default", [c], e, dtype=["dtype", "int64"])
    events = [*RUN, clone, cat, cast, ["data", f, ["at", 7]], op("copy_.default", [f, c], f)]
    assert Replay(events, ["dict", *(["x", arg(v)] for v in (c, d, e, f))])(torch.zeros(4)) == [
        [1.0] * 4, [1.0] * 4 + [0.0] * 4, [1] * 4, [1.0] * 4,
    ]  # fmt: skip


def test_constants_hold_what_the_record_keeps() -> None:
    build = [["data", view("b2", 2), ["at", 7]], ["data", W, ["same", ["number", "-inf"]]]]
    replay = Replay([empty(B), launch(out=B, a=view("b2", 2), b=W)], build=build)
    replay()
    assert (replay.given[0]["a"], replay.given[0]["b"]) == ([7.0, 7.0], [float("-inf")] * 3)


def test_a_result_has_the_layout_that_was_recorded() -> None:
    dense = view("b3", 2, 2)
    replay = Replay([op("t.default", [view("in0", 2, 2)], dense), empty(B), launch(out=B, x=view("b3", 4))])
    replay(torch.arange(4.0))
    assert replay.given[0]["x"] == [0.0, 2.0, 1.0, 3.0]


@pytest.mark.parametrize(("pick", "n"), [(0, 1), (1, 2), (2, 3), (9, 3)])
def test_of_a_choice_the_alternative_that_is_picked_is_executed(pick: int, n: int) -> None:
    replay = Replay([empty(B), ["choose", [[launch(out=B, n=n)] for n in (1, 2, 3)]]], arg(B))
    replay.program.pick = pick
    assert replay() == [[1.0] * 4]
    assert [given["n"] for given in replay.given] == [n]


UNIFORM, TWICE = op("uniform_.default", [W], W), op("mul.Tensor", [W, 2.0], view("b2", 3))
READ = [empty(B), launch(out=B, w=W, v=view("b2", 3))]


@pytest.mark.parametrize(
    "made_by", [[empty(W), UNIFORM], [op("randn.default", [["list", 3]], W)], [["data", W, ["same", 5]]], [empty(W)]]
)
def test_a_constructor_finds_the_given_state_in_place_of_its_own(made_by: list[Event]) -> None:
    replay = Replay(READ, build=[*made_by, TWICE, ["data", W, ["same", 9]]], state={"w": W})
    replay(w=[1.0, 2.0, 3.0])
    assert (replay.given[0]["w"], replay.given[0]["v"]) == ([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])


def test_parameters_that_share_one_buffer_are_all_given() -> None:
    replay = Replay(READ, build=[empty(W), TWICE], state={"a": view("b1", 1), "b": view("b1", 2, at=1)})
    replay(a=[1.0], b=[2.0, 3.0])
    assert replay.given[0]["v"] == [2.0, 4.0, 6.0]


def test_a_constructor_draws_what_it_is_not_given_from_the_seed() -> None:
    replay = Replay(READ, build=[empty(W), UNIFORM, TWICE], state={"w": W})
    for seed in (1, 2, 1):
        replay(seed=seed)
    first, second, third = (given["w"] for given in replay.given)
    assert first == third == torch.empty(3).uniform_(generator=torch.Generator().manual_seed(1)).tolist() != second


def test_parameters_of_a_function_are_buffers_of_their_own() -> None:
    replay = Replay([empty(B), launch(out=B, w=view("state0", 2))], state={"w": view("state0", 2)})
    replay(w=[1.0, 2.0])
    assert replay.given[0]["w"] == [1.0, 2.0]


@pytest.mark.parametrize(
    "change", [launch(out=W), op("fill_.Scalar", [W, 9], W), op("copy_.default", [W, view("in0", 3)], W)]
)
def test_each_run_finds_what_the_constructor_left(change: Event) -> None:
    replay = Replay([empty(B), launch(out=B, w=W), change], build=[["data", W, ["same", 5]]], state={"w": W})
    replay(torch.zeros(3))
    replay.again(torch.zeros(3))
    assert [given["w"] for given in replay.given if "w" in given] == [[5.0] * 3] * 2


def test_a_worn_run_finds_what_the_run_before_left() -> None:
    replay = Replay([empty(B), launch(out=B, w=W), launch(out=W)], build=[["data", W, ["same", 5]]], state={"w": W})
    replay()
    replay.again(worn=True)
    replay.again()
    assert [given["w"] for given in replay.given if "w" in given] == [[5.0] * 3, [1.0] * 3, [5.0] * 3]


def test_without_launches_the_rest_is_executed() -> None:
    replay = Replay([*RUN, op("clone.default", [B], view("b3", 4))], arg(view("b3", 4)))
    assert (replay(poison=0, launches=False), replay.given) == ([[0.0] * 4], [])


def test_outputs_are_flat_and_what_is_no_tensor_is_told() -> None:
    inner = ["dict", ["a", 3], ["b", ["tuple", None, True]]]
    outputs = ["tuple", arg(B), inner, ["number", "inf"], ["other", "Lazy"], "s"]
    want = [[1.0] * 4, 3, None, True, float("inf"), ["other", "Lazy"], ["other", "str"]]
    assert Replay(RUN, outputs)() == want
