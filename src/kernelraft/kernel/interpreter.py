"""Triton's interpreter with a launch record and a check of every address.

Runs in the candidate's process. `install` patches Triton once, in the zygote: patching the
language anew at every launch and every `tl.sum`, as Triton does, costs more than running a small kernel.
"""

import inspect
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import triton.language as tl
from triton.backends.nvidia.compiler import CUDAOptions
from triton.runtime import interpreter as it
from triton.runtime.jit import mangle_type

from kernelraft.kernel.faults import Fault, line_now
from kernelraft.records import Reason

MAX_LAUNCHES = 64  # distinct ones; each is compiled for every target
_OPTIONS = {*CUDAOptions.__dataclass_fields__, "launch_cooperative_grid", "launch_pdl"}


class Record:
    """What the launches of one forward did: claims, as the candidate shares this process."""

    def __init__(self) -> None:
        self.launches = 0
        self.distinct: dict[str, dict[str, Any]] = {}
        self.written: set[int] = set()  # addresses of storages that a kernel stored to
        self.fault: Fault | None = None  # kept: an `except` around it changes nothing
        self.ranges: list[tuple[int, int, str, int]] = []  # start, end, argument, bytes an element

    def refuse(self, reason: Reason, detail: str) -> Fault:
        self.fault = self.fault or Fault(reason, detail)
        return self.fault


record = Record()


def install() -> None:
    """Patch Triton's interpreter for this process and its children."""
    np.seterr(all="ignore")  # a GPU does not warn of a division by zero
    language = types.SimpleNamespace(__globals__={"tl": tl, "core": tl.core})
    it._patch_lang(language)
    # Triton 3.6 writes int(data), which recent NumPy refuses for shape (1,): no `range` over an argument.
    tl.tensor.__index__ = lambda self: int(self.handle.data.squeeze())
    it.InterpretedFunction.run = _run
    it.InterpretedFunction.__call__ = lambda self, *args, **kwargs: self.rewrite()(*args, **kwargs)
    _watch_memory()


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
    _note(self, bound, constants, options)
    record.ranges = list(_ranges(bound))
    converted = {name: v if name in constants else it._implicit_cvt(v) for name, v in bound.items()}
    x, y, z = sizes + (1,) * (3 - len(sizes))
    builder = it.interpreter_builder
    builder.set_grid_dim(x, y, z)
    for index in np.ndindex(x, y, z):
        builder.set_grid_idx(*index)
        fn(**converted)


def _note(kernel: Any, bound: dict[str, Any], constants: set[str], options: dict[str, Any]) -> None:
    """Count the launch and keep what a compiler needs to build it: signature, constants, options."""
    record.launches += 1
    signature: dict[str, str] = {}
    values: dict[str, Any] = {}
    aligned: list[str] = []
    for name, value in bound.items():
        if name in constants or value is None:
            signature[name], values[name] = "constexpr", _constant(value)
        elif isinstance(value, tuple) or type(value).__name__ == "TensorDescriptor":
            raise record.refuse(Reason.UNSUPPORTED, f"argument {name} is a {type(value).__name__}")
        elif type(value) is int and value == 1:  # as Triton specialises it
            signature[name], values[name] = "constexpr", 1
        else:
            signature[name] = mangle_type(value)
            if _aligned(value):
                aligned.append(name)
    launch = {
        "kernel": kernel.fn.__name__,
        "line": kernel.fn.__code__.co_firstlineno,
        "signature": signature,
        "constants": values,
        "aligned": aligned,
        "options": {name: value for name, value in options.items() if isinstance(value, (bool, int, str))},
    }
    record.distinct.setdefault(repr(launch), launch)
    if len(record.distinct) > MAX_LAUNCHES:
        raise record.refuse(Reason.RUNTIME_ERROR, f"more than {MAX_LAUNCHES} distinct launches")


def _aligned(value: Any) -> bool:
    """Whether Triton would compile for a multiple of 16; storages are aligned further than that."""
    if isinstance(value, torch.Tensor):
        return value.storage_offset() * value.element_size() % 16 == 0
    return type(value) is int and value % 16 == 0


def _constant(value: Any) -> Any:
    value = value.value if isinstance(value, tl.constexpr) else value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, tl.dtype):
        return {"dtype": value.name}
    if isinstance(value, it.InterpretedFunction):
        return {"kernel": value.fn.__name__, "line": value.fn.__code__.co_firstlineno}
    raise record.refuse(Reason.UNSUPPORTED, f"a constexpr of type {type(value).__name__}")


def _ranges(bound: dict[str, Any]) -> Iterator[tuple[int, int, str, int]]:
    for name, value in bound.items():
        if isinstance(value, torch.Tensor):
            storage = value.untyped_storage()
            yield storage.data_ptr(), storage.data_ptr() + storage.nbytes(), name, value.element_size()


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
                record.written.add(start)
            return
    for address in addresses.tolist():
        homes = [start for start, end, _, _ in record.ranges if start <= address and address + size <= end]
        if not homes:
            raise _outside(address, verb)
        if verb != "load":
            record.written.update(homes)


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
    def checked(name: str, verb: str, mask_at: int | None) -> None:
        real = getattr(it.InterpreterBuilder, name)

        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            pointers = args[0] if args else kwargs["ptrs"]
            mask = None if mask_at is None else args[mask_at] if len(args) > mask_at else kwargs["mask"]
            _inside(pointers, mask, verb)
            return real(self, *args, **kwargs)

        setattr(it.InterpreterBuilder, name, method)

    checked("create_masked_load", "load", 1)
    checked("create_masked_store", "store", 2)
    checked("create_atomic_cas", "atomic", None)
    checked("create_atomic_rmw", "atomic", 3)
