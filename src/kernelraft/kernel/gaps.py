"""What Triton's interpreter gets wrong or lacks: there it abstains instead of giving a wrong verdict.

bf16 and fp8 are held as raw bits and computed with as integers; only loads, stores and some casts are right.

Source: github.com/triton-lang/triton issues 4972 and 11584.
"""

import inspect
from collections.abc import Callable
from typing import Any

from triton.language.extra import libdevice
from triton.language.extra.cuda import libdevice as cuda_libdevice
from triton.runtime import interpreter as it

from kernelraft.kernel.faults import line_now
from kernelraft.kernel.interpreter import record
from kernelraft.records import Reason

_RAW = {"bf16", "fp8e5", "fp8e4nv", "fp8e4b8", "fp8e4b15", "fp8e5b16"}
_ARITHMETIC = ("binary_op", "unary_op", "create_fabs", "create_fma", "create_clampf", "create_idiv")
_ABSENT = ("create_extern_elementwise", "create_inline_asm", "create_dot_scaled")


def install() -> None:
    """Guard the interpreter of this process and its children."""
    builder = it.InterpreterBuilder
    for name in _ARITHMETIC:
        if hasattr(builder, name):  # Triton 3.6 lacks some
            _guard(builder, name, _raw)
    _guard(builder, "create_dot", lambda a, b, *_: "bf16" in (a.dtype.scalar.name, b.dtype.scalar.name))
    _guard(builder, "create_atomic_rmw", lambda _op, _pointer, value, *_: _raw(value))
    _guard(builder, "cast_impl", _wrong_cast)
    for operations in (it.ReduceOps, it.ScanOps):
        _guard(operations, "apply", lambda value: not isinstance(value, tuple) and _raw(value))
    for name in _ABSENT:
        setattr(builder, name, _absent(name.removeprefix("create_")))
    for module in (libdevice, cuda_libdevice):
        for name, member in inspect.getmembers(module, callable):
            if not name.startswith("_") and getattr(member, "__module__", "") == module.__name__:
                setattr(module, name, _absent(f"libdevice.{name}"))


def _guard(owner: Any, name: str, bad: Callable[..., bool]) -> None:
    real = getattr(owner, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if bad(*args):
            raise record.refuse(
                Reason.UNSUPPORTED, f"{line_now()}: Triton's interpreter has no arithmetic in this type"
            )
        return real(self, *args, **kwargs)

    setattr(owner, name, method)


def _raw(value: Any, *_: Any) -> bool:
    return value.dtype.scalar.name in _RAW


def _wrong_cast(source: Any, to: Any) -> bool:
    """Only bf16 to and from fp32, and to itself, is converted; everything else is taken for an integer."""
    names = {source.dtype.scalar.name, to.scalar.name}
    return bool(names & _RAW) and names not in ({"bf16", "fp32"}, {"bf16"})


def _absent(what: str) -> Callable[..., Any]:
    def method(*_: Any, **__: Any) -> Any:
        raise record.refuse(Reason.UNSUPPORTED, f"{line_now()}: Triton's interpreter has no {what}")

    return method
