"""NVIDIA's libdevice in Triton's interpreter, which has none: the same functions, computed by torch in float64."""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from triton.language.extra import libdevice
from triton.language.extra.cuda import libdevice as cuda_libdevice
from triton.runtime import interpreter as it

Function = Callable[..., torch.Tensor]
_SPECIAL = torch.special
_UNARY: dict[str, Function] = {
    name: getattr(torch, name)
    for name in ("acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf", "erfc", "erfinv",
                 "exp", "exp2", "expm1", "floor", "lgamma", "log", "log10", "log1p", "log2", "rsqrt", "sin", "sinh",
                 "sqrt", "tan", "tanh", "trunc")
} | {
    "abs": torch.abs, "fabs": torch.abs, "llabs": torch.abs,
    "cbrt": lambda x: x.sign() * x.abs() ** (1 / 3),
    "rcbrt": lambda x: torch.copysign(x.abs() ** (-1 / 3), x), "exp10": lambda x: 10.0**x,
    "tgamma": lambda x: _gamma(x),
    "rint": torch.round, "nearbyint": torch.round, "round": lambda x: x.sign() * (x.abs() + 0.5).floor(),
    "llrint": torch.round, "llround": lambda x: x.sign() * (x.abs() + 0.5).floor(),
    "j0": _SPECIAL.bessel_j0, "j1": _SPECIAL.bessel_j1, "y0": _SPECIAL.bessel_y0, "y1": _SPECIAL.bessel_y1,
    "cyl_bessel_i0": _SPECIAL.i0, "cyl_bessel_i1": _SPECIAL.i1, "erfcx": _SPECIAL.erfcx,
    "normcdf": _SPECIAL.ndtr, "normcdfinv": _SPECIAL.ndtri, "erfcinv": lambda x: -_SPECIAL.ndtri(x / 2) / math.sqrt(2),
    "sinpi": lambda x: torch.sin(math.pi * torch.fmod(x, 2)),
    "cospi": lambda x: torch.cos(math.pi * torch.fmod(x, 2)),
    "saturate": lambda x: x.clamp(0, 1).nan_to_num(0.0), "logb": lambda x: x.abs().log2().floor(),
    "ilogb": lambda x: x.abs().log2().floor(), "isnan": torch.isnan, "isinf": torch.isinf,
    "finite": torch.isfinite, "isfinite": torch.isfinite, "signbit": torch.signbit,
    "rcp": torch.reciprocal,
}  # fmt: skip
_MORE: dict[str, Function] = {
    "pow": torch.pow, "powi": torch.pow, "atan2": torch.atan2, "hypot": torch.hypot, "fmod": torch.fmod,
    "copysign": torch.copysign, "fmin": torch.fmin, "fmax": torch.fmax,
    "fdim": lambda x, y: torch.where(x > y, x - y, torch.where(x <= y, 0.0, math.nan)),
    "remainder": lambda x, y: torch.where(y.isinf() & x.isfinite(), x, x - y * torch.round(x / y)),
    "nextafter": torch.nextafter,
    "ldexp": lambda x, n: x * 2.0**n, "scalbn": lambda x, n: x * 2.0**n, "rhypot": lambda x, y: 1 / torch.hypot(x, y),
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "fdivide": torch.div,
    "fma": lambda x, y, z: x * y + z,
    "norm3d": lambda x, y, z: (x * x + y * y + z * z).sqrt(),
    "rnorm3d": lambda x, y, z: (x * x + y * y + z * z).rsqrt(),
}  # fmt: skip


def _gamma(x: torch.Tensor) -> torch.Tensor:
    reflected = math.pi / (torch.sin(math.pi * x) * torch.exp(torch.lgamma(1 - x)))
    negative = torch.where(x == x.floor(), math.nan, reflected)
    return torch.where(
        x > 0, torch.exp(torch.lgamma(x)), torch.where(x == 0, torch.copysign(x + math.inf, x), negative)
    )


def install(refuse: Callable[[str], BaseException]) -> None:
    """Patch the interpreter of this process; `refuse` makes the error for a function that is not here."""

    def elementwise(self: Any, name: str, path: str, symbol: str, args: list[Any], dtype: Any, pure: bool) -> Any:
        function = find(symbol)
        if function is None:
            raise refuse(f"libdevice.{symbol.removeprefix('__nv_')}")
        given = np.broadcast_arrays(*(arg.data for arg in args))
        kind = given[0].dtype if "nextafter" in symbol else np.float64  # a step is one of the argument's own type
        doubles = [torch.from_numpy(np.ascontiguousarray(data, dtype=kind)) for data in given]
        result = function(*doubles).numpy().astype(it._get_np_dtype(dtype))
        return it.TensorHandle(result, dtype.scalar)

    it.InterpreterBuilder.create_extern_elementwise = elementwise
    for name, member in inspect.getmembers(cuda_libdevice, callable):
        if not name.startswith("_") and getattr(member, "__module__", "") == cuda_libdevice.__name__:
            for module in (libdevice, cuda_libdevice):  # for CUDA, the first stands for the second
                setattr(module, name, _bound(member))


def _bound(member: Any) -> Any:
    """The function with the interpreter's semantics, which Triton gives only to its own language."""

    @functools.wraps(member)
    def function(*args: Any, **kwargs: Any) -> Any:
        return member(*args, **{**kwargs, "_semantic": it.interpreter_semantic})

    return function


def find(symbol: str) -> Function | None:
    """The function behind a symbol such as "__nv_fast_expf" or "__nv_dadd_rn"."""
    stem = symbol.removeprefix("__nv_").removeprefix("fast_")
    head, _, mode = stem.rpartition("_")
    if mode in ("rn", "rd", "ru", "rz"):  # of the last bit, within every tolerance
        stem = head[1:] if head[:1] in ("f", "d") and head[1:] in (_UNARY | _MORE) and head != "fma" else head
    for name in (stem, stem.removesuffix("f"), stem.removesuffix("d")):
        if name in _UNARY or name in _MORE:
            return _UNARY.get(name) or _MORE[name]
    return None
