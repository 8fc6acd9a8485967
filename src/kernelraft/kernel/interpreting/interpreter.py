"""Triton's interpreter with a launch record and a check of every address.

Runs in the candidate's process. `install` patches Triton once, in the zygote: patching the
language anew at every launch and every `tl.sum`, as Triton does, costs more than running a small kernel.
"""

import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import triton.language as tl
from triton.backends.nvidia.compiler import CUDAOptions
from triton.runtime import interpreter as it

from kernelraft.kernel import lift
from kernelraft.kernel.faults import Fault, line_now
from kernelraft.records import Reason

_OPTIONS = {*CUDAOptions.__dataclass_fields__, "launch_cooperative_grid", "launch_pdl"}


class Record:
    """What the launches of one forward did: claims, as the candidate shares this process."""

    def __init__(self) -> None:
        self.launches = 0
        self.on_launch: Callable[[Any, dict[str, Any], tuple[int, ...], dict[str, Any]], None] | None = None
        self.written: set[int] = set()  # addresses of storages that a kernel stored to
        self.fault: Fault | None = None  # kept: an `except` around it changes nothing
        self.shadows: dict[int, tuple[Any, int]] = {}  # by address: who wrote each element, and bytes an element
        self.races = False  # whether a load of what another program stored is refused
        self.program = 0
        self.writers: dict[int, tuple[Any, int]] = {}  # by address: which program of this launch stored each element
        self.backwards = False  # the order of programs, which no kernel may rely on
        self.ranges: list[tuple[int, int, str, int]] = []  # start, end, argument, bytes an element

    def refuse(self, reason: Reason, detail: str) -> Fault:
        self.fault = self.fault or Fault(reason, detail)
        return self.fault


record = Record()
_KERNEL = 3  # see replayer/watched.py


def install() -> None:
    """Patch Triton's interpreter for this process and its children."""
    np.seterr(all="ignore")  # a GPU does not warn of a division by zero
    language = types.SimpleNamespace(__globals__={"tl": tl, "core": tl.core})
    it._patch_lang(language)
    tl.range = _counted
    lift.SPECIAL["range"] = _counted
    # Triton 3.6 writes int(data), which recent NumPy refuses for shape (1,): no `range` over an argument.
    tl.tensor.__index__ = lambda self: int(self.handle.data.squeeze())
    it.InterpretedFunction.run = _run
    it.InterpretedFunction.__call__ = lambda self, *args, **kwargs: self.rewrite()(*args, **kwargs)
    _watch_memory()
    _constants_give_way()


def _run(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> None:
    """In place of InterpretedFunction.run: one launch."""
    if warmup:
        return
    fn = self.rewrite()
    options = {name: kwargs.pop(name) for name in list(kwargs) if name not in self.arg_names}
    if unknown := [name for name in options if name not in _OPTIONS]:
        raise KeyError(f"keyword argument {unknown[0]} of the launch of {self.__name__} is unrecognised")
    for hook in self.pre_run_hooks:
        hook(*args, **kwargs)
    bound = inspect.getcallargs(fn, *args, **kwargs)
    constants = set(it.GridExecutor(fn, self.arg_names, grid, self.pre_run_hooks).constexprs)
    sizes = tuple(int(n) for n in (grid(bound) if callable(grid) else grid))
    if not 1 <= len(sizes) <= 3:
        raise ValueError(f"a grid has 1 to 3 dimensions, this one {len(sizes)}")
    record.launches += 1
    if record.on_launch:
        record.on_launch(self, bound, sizes, options)
    record.ranges = list(_ranges(bound))
    one = tl.constexpr(1)  # as the compiler takes an argument of 1
    converted = {
        name: v if name in constants else one if type(v) is int and v == 1 else it._implicit_cvt(v)
        for name, v in bound.items()
    }
    x, y, z = sizes + (1,) * (3 - len(sizes))
    builder = it.interpreter_builder
    builder.set_grid_dim(x, y, z)
    record.writers.clear()
    for index in [*np.ndindex(x, y, z)][::-1] if record.backwards else np.ndindex(x, y, z):
        record.program += 1
        builder.set_grid_idx(*index)
        fn(**converted)


def _ranges(bound: dict[str, Any]) -> Iterator[tuple[int, int, str, int]]:
    for name, value in bound.items():
        yield from _range(name, value)


def _range(name: str, value: Any) -> Iterator[tuple[int, int, str, int]]:
    """Start, end, name and bytes an element of each storage in an argument."""
    if isinstance(value, torch.Tensor):
        storage = value.untyped_storage()
        yield storage.data_ptr(), storage.data_ptr() + storage.nbytes(), name, value.element_size()
    elif isinstance(value, tuple):
        for part in value:
            yield from _range(name, part)
    elif isinstance(getattr(value, "base", None), torch.Tensor):  # a descriptor, or a tensor of another type
        yield from _range(name, value.base)


def _inside(pointers: Any, mask: Any, verb: str) -> None:
    """Every active lane must lie in a tensor that the launch was given."""
    addresses = pointers.data.ravel()
    if mask is not None and not mask.data.all():
        addresses = addresses[np.broadcast_to(mask.data, pointers.data.shape).ravel().astype(bool)]
    if not addresses.size:
        return
    size = max(1, pointers.get_element_ty().primitive_bitwidth // 8)
    low, high = int(addresses.min()), int(addresses.max()) + size
    for start, end, _, _ in record.ranges:
        if start <= low and high <= end:
            if verb != "load":
                _mark(start, addresses, size)
            elif start in record.writers:
                _check_race(start, addresses)
            return
    for address in addresses.tolist():
        homes = [start for start, end, _, _ in record.ranges if start <= address and address + size <= end]
        if not homes:
            raise _outside(address, verb)
        if verb != "load":
            for home in homes:
                _mark(home, np.array([address], dtype=np.uint64), size)


def _mark(start: int, addresses: Any, size: int) -> None:
    """Note that a kernel stored `size` bytes at each address."""
    record.written.add(start)
    if start in record.shadows:
        shadow, itemsize = record.shadows[start]
        first = (addresses - np.uint64(start)).astype(np.int64)
        if record.races and start not in record.writers:
            record.writers[start] = (np.zeros(len(shadow), np.int64), itemsize)
        for byte in range(0, size, itemsize):
            shadow[(first + byte) // itemsize] = _KERNEL
            if record.races:
                record.writers[start][0][(first + byte) // itemsize] = record.program


def _check_race(start: int, addresses: Any) -> None:
    """Refuse a load of what another program of the launch stored: on a GPU they run at the same time."""
    writers, itemsize = record.writers[start]
    found = writers[(addresses - np.uint64(start)).astype(np.int64) // itemsize]
    if bool(((found > 0) & (found != record.program)).any()):
        what = "loads what another program of the same launch stores, and they run at the same time"
        raise record.refuse(Reason.NONDETERMINISTIC, f"{line_now()}: {what}")


def _outside(address: int, verb: str) -> Fault:
    def distance(found: tuple[int, int, str, int]) -> int:
        return max(found[0] - address, address - found[1])

    if not record.ranges:
        return record.refuse(Reason.OUT_OF_BOUNDS, f"{line_now()}: {verb} with no tensor argument")
    start, end, name, size = min(record.ranges, key=distance)
    count, at = (end - start) // size, (address - start) // size
    where = f"{line_now()}: {verb} at element {at} of {name}, which has {count}"
    return record.refuse(Reason.OUT_OF_BOUNDS, f"{where}: mask the lanes that are outside")


def _watch_memory() -> None:
    def checked(name: str, verb: str, mask_at: int | None, pointers_at: int = 0) -> None:
        real = getattr(it.InterpreterBuilder, name)

        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            pointers = args[pointers_at] if args else kwargs["ptrs"]
            mask = None if mask_at is None else args[mask_at] if len(args) > mask_at else kwargs["mask"]
            _inside(pointers, mask, verb)
            if verb == "load" and mask is not None and args[2] is None and not mask.data.all():
                args = (*args[:2], _garbage(pointers), *args[3:])
            return real(self, *args, **kwargs)

        setattr(it.InterpreterBuilder, name, method)

    checked("create_masked_load", "load", 1)
    checked("create_masked_store", "store", 2)
    checked("create_atomic_cas", "atomic", None)
    checked("create_atomic_rmw", "atomic", 3, pointers_at=1)


def _garbage(pointers: Any) -> Any:
    """What lanes hold that were masked and given no `other`: nothing that a kernel may rely on."""
    dtype = pointers.get_element_ty()
    data = np.zeros(pointers.data.shape, it._get_np_dtype(dtype))
    if not isinstance(dtype, tl.pointer_type) and data.dtype != np.bool_:
        data[...] = np.nan if data.dtype.kind == "f" else 77
    return it.TensorHandle(data, dtype)


def _counted(*bounds: Any, **_: Any) -> Iterator[Any]:
    """A loop's numbers as the compiler has them: tensors, not Python's."""
    for number in range(*(int(getattr(bound, "value", bound)) for bound in bounds)):
        yield it._implicit_cvt(number)


def _constants_give_way() -> None:
    """`constant * block` is the block's to compute: Triton's constexpr would wrap the block in a constant."""

    def giving_way(real: Any) -> Any:
        def method(self: Any, other: Any) -> Any:
            return NotImplemented if isinstance(other, tl.tensor) else real(self, other)

        return method

    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "and", "or", "xor", "lshift", "rshift"):
        setattr(tl.constexpr, f"__{name}__", giving_way(getattr(tl.constexpr, f"__{name}__")))
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(tl.constexpr, f"__{name}__", giving_way(getattr(tl.constexpr, f"__{name}__")))
