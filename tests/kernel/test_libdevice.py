"""libdevice's functions against other ways to compute them; in a kernel, in a process of their own."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interpreted import answer
from triton.language.extra.cuda import libdevice

from kernelraft.kernel.interpreting.libdevice import find

INF, NAN, PI = math.inf, math.nan, math.pi
ROUNDINGS = ("rn", "rd", "ru", "rz")
ALL = [-INF, -1e10, -300.5, -20, -3.7, -2.5, -2, -1.5, -1, -0.9, -0.5, -1e-3, -1e-8, -0.0, 0.0, 1e-8, 1e-3, 0.3, 0.5,
       0.9, 1, 1.5, 2, 2.5, 3.5, 10, 80, 300.5, 1e10, INF, NAN]  # fmt: skip
SMALL = [-7.3, -2.5, -0.9, -1e-3, 1e-8, 1e-3, 0.3, 0.5, 1, 1.5, 2, 3, 7, 20]
PLUS = [0.05, 0.3, 0.9, 1, 2.5, 7, 20]
OPEN = [1e-6, 1e-3, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999]
PAIRS = [(x, y) for x in (-INF, -7.5, -1, -0.3, -0.0, 0.0, 0.3, 2, 5.5, INF, NAN) for y in (-2, -0.7, 0.0, 0.7, 3, INF)]
TRIPLES = [(x, y, z) for x in (-1.5, 0.0, 2, INF) for y in (-0.3, 1, 4) for z in (-2, 0.5, NAN)]


def values(function: Callable[..., Any], rows: list[tuple[float, ...]]) -> list[float]:
    """What a function of numbers gives, as C does where Python raises."""
    found = []
    for row in rows:
        try:
            with np.errstate(all="ignore"):
                found.append(float(function(*(np.float64(number) for number in row))))
        except (ValueError, ZeroDivisionError):
            found.append(NAN)
        except OverflowError:
            found.append(INF)
    return found


def bessel(kind: str, n: int) -> Callable[[float], float]:
    """J, Y and I, by their integrals."""

    def integral(function: Callable[[Any], Any], high: float, steps: int) -> float:
        return float(np.mean(function((np.arange(steps) + 0.5) * high / steps))) * high / PI

    def of(x: float) -> float:
        if kind == "i":
            return integral(lambda t: np.exp(x * np.cos(t)) * np.cos(n * t), PI, 500)
        if kind == "j":
            return integral(lambda t: np.cos(n * t - x * np.sin(t)), PI, 500)
        tail = integral(lambda t: (np.exp(n * t) + (-1) ** n * np.exp(-n * t)) * np.exp(-x * np.sinh(t)), 9, 100_000)
        return integral(lambda t: np.sin(x * np.sin(t) - n * t), PI, 100_000) - tail

    return of


def inverse(falling: Callable[[float], float], low: float, high: float) -> Callable[[float], float]:
    def of(value: float) -> float:
        a, b = low, high
        for _ in range(200):
            middle = (a + b) / 2
            a, b = (middle, b) if falling(middle) > value else (a, middle)
        return a

    return of


def normal(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


NUMPY = {
    "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan", "atanh": "arctanh",
    "fabs": "abs", "nearbyint": "rint", "fast_sinf": "sin", "fast_expf": "exp", "fast_log2f": "log2", "isinfd": "isinf",
    "isnanf": "isnan", "isfinited": "isfinite", "finitef": "isfinite", "llrint": "rint", "fabsf": "abs", "llabs": "abs",
} | {name: name for name in ("cbrt", "ceil", "cos", "cosh", "exp", "exp2", "expm1", "floor", "log", "log10", "log1p",
                             "log2", "rint", "sin", "sinh", "sqrt", "tan", "tanh", "trunc", "signbit")}  # fmt: skip
# symbol -> reference, arguments
CASES: dict[str, tuple[Callable[..., Any], list[Any]]] = {name: (getattr(np, n), ALL) for name, n in NUMPY.items()}
CASES |= {f"fsqrt_{mode}": (np.sqrt, ALL) for mode in ROUNDINGS}
CASES |= {f"drcp_{mode}": (np.reciprocal, ALL) for mode in ROUNDINGS}
CASES |= {f"{kind}{n}": (bessel(kind[-1], n), PLUS) for kind in ("j", "y", "cyl_bessel_i") for n in (0, 1)}
CASES |= {
    "rsqrt": (lambda x: 1 / np.sqrt(x), ALL), "rcbrt": (lambda x: 1 / np.cbrt(x), ALL), "lgamma": (math.lgamma, SMALL),
    "exp10": (lambda x: 10.0**x, ALL), "saturatef": (lambda x: np.fmin(np.fmax(x, 0), 1), ALL),
    "tgamma": (math.gamma, [*SMALL, -2, -7]), "normcdf": (normal, ALL),
    "erf": (math.erf, ALL), "erfc": (math.erfc, ALL), "erfcx": (lambda x: math.exp(x * x) * math.erfc(x), SMALL),
    "erfinv": (inverse(math.erf, 9, -9), OPEN), "erfcinv": (inverse(math.erfc, -6, 27), [*OPEN, 1e-30, 1.9]),
    "normcdfinv": (inverse(normal, 9, -9), OPEN), "sinpi": (lambda x: math.sin(PI * math.fmod(x, 2)), ALL),
    "cospi": (lambda x: math.cos(PI * math.fmod(x, 2)), ALL),
}  # fmt: skip
CASES |= {n: (lambda x: math.frexp(x)[1] - 1, [x for x in ALL[1:-2] if x]) for n in ("logb", "ilogb")}
CASES |= {n: (lambda x: math.copysign(math.floor(abs(x) + 0.5), x), ALL[1:-2]) for n in ("round", "llround")}
CASES |= {name: (getattr(np, other), PAIRS) for name, other in {
    "atan2": "arctan2", "copysign": "copysign", "fmod": "fmod", "hypot": "hypot", "pow": "power", "fast_powf": "power",
    "fast_fdividef": "divide", "fmin": "fmin", "fmax": "fmax", "nextafter": "nextafter"}.items()}  # fmt: skip
CASES |= {f"{kind}{name}_{mode}": (getattr(np, other), PAIRS) for kind in "fd" for mode in ROUNDINGS for name, other in
          {"add": "add", "sub": "subtract", "mul": "multiply", "div": "divide"}.items()}  # fmt: skip
CASES |= {
    "remainder": (math.remainder, PAIRS), "rhypot": (lambda x, y: 1 / np.hypot(x, y), PAIRS),
    "fdim": (lambda x, y: NAN if x != x or y != y else x - y if x > y else 0, PAIRS),
    "fma": (lambda x, y, z: x * y + z, TRIPLES), "fmaf_rn": (lambda x, y, z: x * y + z, TRIPLES),
    "norm3d": (lambda x, y, z: np.sqrt(x * x + y * y + z * z), TRIPLES),
    "rnorm3d": (lambda x, y, z: 1 / np.sqrt(x * x + y * y + z * z), TRIPLES),
    "ldexp": (lambda x, n: math.ldexp(x, int(n)), [(x, n) for x in SMALL for n in (-100, -1, 0, 3, 100)]),
    "scalbn": (lambda x, n: math.ldexp(x, int(n)), [(x, n) for x in SMALL for n in (-100, -1, 0, 3, 100)]),
    "powi": (np.power, [(x, n) for x in SMALL for n in (-3, -1, 0, 1, 2, 5)]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_function_is_what_it_is_called(name: str) -> None:
    reference, arguments = CASES[name]
    rows = [row if isinstance(row, tuple) else (row,) for row in arguments]
    function = find(f"__nv_{name}")
    assert function is not None
    got = function(*(torch.tensor(column, dtype=torch.float64) for column in zip(*rows, strict=True))).double().tolist()
    want = values(reference, rows)
    near = 1e-7 if name in ("j0", "j1", "y0", "y1") else 1e-12  # that is how well torch knows them
    assert [
        case for case in zip(rows, got, want, strict=True) if case[1] != pytest.approx(case[2], 1e-8, near, True)
    ] == []


def test_every_symbol_that_is_known_is_tried_here() -> None:
    symbols = set(re.findall(r'"(__nv_\w+)"', Path(str(libdevice.__file__)).read_text()))
    known = {symbol: find(symbol) for symbol in symbols if find(symbol)}
    tried = {find(f"__nv_{name}") for name in CASES}
    assert len(known) > 180
    assert [symbol for symbol, function in known.items() if function not in tried] == []


@pytest.mark.parametrize("name", ["clz", "popcll", "byte_perm", "mulhi", "hadd", "float_as_int", "double2int_rn", "jn",
                                  "norm4df", "rcp64h", "no_such", "", "f", "d", "_rn", "fast_", "ffs"])  # fmt: skip
def test_an_unknown_symbol_is_nothing(name: str) -> None:
    assert find(f"__nv_{name}") is None


SCRIPT = """
import inspect
from triton.language.extra import libdevice
from triton.language.extra.cuda import libdevice as cuda
from kernelraft.kernel.faults import Fault

@triton.jit
def apply(x_ptr, out_ptr, n, FN: tl.constexpr, COUNT: tl.constexpr, B: tl.constexpr):
    at = tl.arange(0, B)
    x = tl.load(x_ptr + at, mask=at < n, other=1.0)
    tl.store(out_ptr + at, FN(x) if COUNT == 1 else FN(x, x + 1) if COUNT == 2 else FN(x, x, x), mask=at < n)

answer = {}
names = [n for n in vars(cuda) if not n.startswith("_") and callable(getattr(libdevice, n, None))]
for name, dtype in ((name, dtype) for name in names for dtype in (torch.float32, torch.float64)):
    count, key = len(inspect.signature(getattr(cuda, name)).parameters) - 1, f"{name} {str(dtype)[-2:]}"
    x, out = torch.tensor([0.25, 0.5, 0.75], dtype=dtype), torch.zeros(3, dtype=dtype)
    if count < 4:
        try:
            apply[(1,)](x, out, 3, FN=getattr(cuda if count == 2 else libdevice, name), COUNT=count, B=4)
            answer[key] = out.tolist()
        except Fault as fault:
            answer[key] = f"{fault.reason} {fault.detail}"
        except KeyError:  # Triton has no such function for this type
            pass
        interpreter.record.fault = None
"""


@pytest.fixture(scope="module")
def in_kernels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a kernel gives of each function in each type: three numbers, or why not."""
    return dict(answer(SCRIPT, tmp_path_factory.mktemp("libdevice")))


@pytest.mark.parametrize(("bits", "tolerance"), [("32", 2e-7), ("64", 1e-9)])
def test_kernels_call_functions_in_every_type(in_kernels: dict[str, Any], bits: str, tolerance: float) -> None:
    tried = 0
    for key, got in in_kernels.items():
        name = key.split()[0].replace("fast_div", "fast_fdiv")
        case = next((CASES[n] for n in (name, f"f{name}", f"{name}f", f"{name}d", f"d{name}") if n in CASES), None)
        if key.endswith(bits) and isinstance(got, list) and case:
            count = len(case[1][0]) if isinstance(case[1][0], tuple) else 1
            rows = [((x,), (x, x + 1), (x, x, x))[count - 1] for x in (0.25, 0.5, 0.75)]
            assert got == pytest.approx(values(case[0], rows), tolerance, 2e-8, True), key
            tried += 1
    assert tried > 60


def test_the_next_number_is_the_next_of_its_own_type(in_kernels: dict[str, Any]) -> None:
    for bits, kind in (("32", np.float32), ("64", np.float64)):
        assert in_kernels[f"nextafter {bits}"] == [float(np.nextafter(kind(x), kind(2))) for x in (0.25, 0.5, 0.75)]


def test_a_function_that_is_not_there_is_no_fault_of_the_kernel(in_kernels: dict[str, Any]) -> None:
    refused = {key for key, value in in_kernels.items() if isinstance(value, str)}
    assert {"float_as_int 32", "double2hiint 64", "rcp64h 64"} <= refused
    for key in refused:
        assert in_kernels[key].startswith("UNSUPPORTED ")
        assert in_kernels[key].endswith(f"has no libdevice.{key.split()[0]}")
