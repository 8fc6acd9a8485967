"""What a program on a GPU tells of its memory; nothing in it needs one but the kernels."""

import ctypes
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from traces import B, arg, empty, launch, view

from kernelraft.kernel.faults import Fault
from kernelraft.kernel.gpu import benchmark as module
from kernelraft.kernel.gpu.program import GpuProgram
from kernelraft.kernel.lift import Module
from kernelraft.kernel.record_check import parse

C = view("b1", 1000)


def program(sees: Callable[[torch.Tensor], None] = lambda out: None) -> GpuProgram:
    """Its launch lets `sees` look at its output, then fills it and its other argument with ones."""
    told = {"kernels": {"kernel:1": {}}, "build": [], "state": {}, "events": [empty(B), empty(C), launch(out=B, x=C)]}
    trace = parse(json.dumps({**told, "outputs": ["tuple", arg(B), arg(C)]}).encode())
    module = Module("def kernel(out, n=1):\n    pass\n", trace.kernels)

    def written(_: Any, arguments: dict[str, Any]) -> set[int]:
        sees(arguments["out"])
        return {arguments[name].fill_(1).untyped_storage().data_ptr() for name in ("out", "x")}

    made = GpuProgram(trace, module, lambda place, v: torch.zeros(v[2]), written, device="cpu")
    made.build([], {}, 0)
    return made


def test_while_it_is_timed_all_that_a_run_allocates_is_known_and_lies_there() -> None:
    timed = program()
    timed.timed = True
    for _ in range(2):
        outputs = timed.run([], 0xFF)
        where = [(out.untyped_storage().data_ptr(), out.untyped_storage().nbytes()) for out in outputs]
        assert timed.taken == where
        assert [nbytes for _, nbytes in timed.taken] == [16, 4000]


def test_before_each_measurement_what_the_one_before_left_is_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph is played by a function that runs again on the same memory."""
    memory: dict[tuple[int, int], torch.Tensor] = {}
    current, left = [0], list[float]()
    real = torch.empty

    def at_one_place(*shape: Any, **options: Any) -> torch.Tensor:
        made = real(*shape, **options)
        return (
            memory.setdefault((current[0], shape[0]), made)
            if options.get("dtype") is torch.uint8 and shape[0]
            else made
        )

    def captured(run: Any, pool: Any = None) -> Any:
        current[0] += 1
        number = current[0]
        run()

        def replay() -> None:
            current[0] = number
            run()

        return replay

    timed = program(sees=lambda out: left.append(float(out[0])))
    timed.timed = True
    monkeypatch.setattr(module, "graph", captured)
    monkeypatch.setattr(module, "fill", lambda address, nbytes: ctypes.memset(address, 0xFF, nbytes))
    monkeypatch.setattr(torch, "empty", at_one_place)
    work, _ = module._captured(timed, [[], []], [[], []], None, exact=True)
    left.clear()
    for index in (0, 1, 0, 1):
        work.graphs[index]()  # type: ignore[operator]
    assert left == [1.0] * 4  # so it would be without
    left.clear()
    assert work.before is not None
    for index in (0, 1, 0, 1):
        work.before(index)
        work.graphs[index]()  # type: ignore[operator]
    assert len(left) == 4
    assert all(value != value for value in left)


def test_while_it_is_tested_memory_lies_between_guards_that_are_watched() -> None:
    tested = program()
    out, _ = tested.run([], 0xFF)
    assert tested.taken == []
    tested.check_guards()
    torch.empty(0, dtype=torch.uint8).set_(out.untyped_storage())[0] = 0
    with pytest.raises(Fault, match="before or after a buffer was written"):
        tested.check_guards()
