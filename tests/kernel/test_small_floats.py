"""bf16 and fp8 in the interpreter, in one process of its own, against torch."""

from typing import Any

import pytest
from interpreted import answer

SCRIPT = '''
KINDS = {"bf16": torch.bfloat16, "e5m2": torch.float8_e5m2, "e4m3": torch.float8_e4m3fn}
LARGEST = {"bf16": None, "e5m2": 57344.0, "e4m3": 448.0}
BITS = {"bf16": torch.int16, "e5m2": torch.uint8, "e4m3": torch.uint8}
seen, failures = [], []

def rounded(x, kind):
    """To nearest even; fp8 saturates."""
    x = x.float() if LARGEST[kind] is None else x.float().clamp(-LARGEST[kind], LARGEST[kind])
    return x.to(KINDS[kind])

def expect(name, got, want):
    seen.append(name)
    small = got.dtype.itemsize < 4 and got.dtype.is_floating_point
    g, w = (got.float(), want.float()) if small else (got, want)
    wrong = ~((g == w) & (torch.signbit(g) == torch.signbit(w)) | (g != g) & (w != w))
    if got.dtype != want.dtype or bool(wrong.any()):
        at = int(wrong.flatten().int().argmax())
        failures.append([name, int(wrong.sum()), at, str(g.flatten()[at].item()), str(w.flatten()[at].item())])

def larger(x, y):
    """A GPU's maximum, to which every NaN is nothing; torch.fmax keeps signalling ones."""
    return torch.where(x.isnan(), y, torch.where(y.isnan(), x, torch.maximum(x, y)))

def every(kind):
    """All values of a type."""
    n = 1 << (8 * KINDS[kind].itemsize)
    return torch.arange(n).to(torch.int32).to(BITS[kind]).view(KINDS[kind])

def between(kind):
    """Float32 numbers on, halfway between, and just beside the values of a type, and beyond them."""
    values = every(kind).float()
    values = values[values.isfinite()].sort().values[:: 37 if kind == "bf16" else 1]
    middles = (values[1:].double() + values[:-1].double()).div(2).float()
    more = [torch.nextafter(middles, torch.tensor(s * float("inf"))) for s in (-1, 1)]
    extremes = torch.tensor([0.0, -0.0, 3e38, -3e38, 1e-40, 464.0, 465.0, 480.0, 61440.0, 7e4, float("inf"),
                             float("-inf"), float("nan")])
    return torch.cat([values, middles, *more, extremes])

@triton.jit
def copy(x_ptr, out_ptr, n, CAST: tl.constexpr, B: tl.constexpr):
    at = tl.program_id(0) * B + tl.arange(0, B)
    x = tl.load(x_ptr + at, mask=at < n, other=0.0)
    tl.store(out_ptr + at, x.to(out_ptr.dtype.element_ty) if CAST else x, mask=at < n)

@triton.jit
def reinterpret(x_ptr, out_ptr, n, B: tl.constexpr):
    at = tl.program_id(0) * B + tl.arange(0, B)
    x = tl.load(x_ptr + at, mask=at < n)
    tl.store(out_ptr + at, x.to(out_ptr.dtype.element_ty, bitcast=True), mask=at < n)

@triton.jit
def arithmetic(x_ptr, y_ptr, out_ptr, n, OP: tl.constexpr, B: tl.constexpr):
    at = tl.program_id(0) * B + tl.arange(0, B)
    x, y = tl.load(x_ptr + at, mask=at < n, other=1.0), tl.load(y_ptr + at, mask=at < n, other=1.0)
    z = x + y if OP == "add" else x - y if OP == "sub" else x * y if OP == "mul" else x / y if OP == "div" else -x
    z = tl.maximum(x, y) if OP == "max" else tl.minimum(x, y) if OP == "min" else tl.abs(x) if OP == "abs" else z
    z = tl.where(x < y, x, y) if OP == "where" else tl.fma(x, y, x) if OP == "fma" else z
    z = x * 3.0 + 1 if OP == "number" else (x + y) - y if OP == "chain" else z
    tl.store(out_ptr + at, z, mask=at < n)

@triton.jit
def compare(x_ptr, y_ptr, out_ptr, n, B: tl.constexpr):
    at = tl.program_id(0) * B + tl.arange(0, B)
    x, y = tl.load(x_ptr + at, mask=at < n), tl.load(y_ptr + at, mask=at < n)
    found = (x < y).to(tl.int32) + 2 * (x <= y) + 4 * (x == y) + 8 * (x != y) + 16 * (x > y) + 32 * (x >= y)
    tl.store(out_ptr + at, found, mask=at < n)

@triton.jit
def reduce(x_ptr, out_ptr, OP: tl.constexpr, M: tl.constexpr, N: tl.constexpr):
    x = tl.load(x_ptr + tl.arange(0, M)[:, None] * N + tl.arange(0, N)[None, :])
    z = tl.sum(x.to(tl.float32), axis=1) if OP == "sum32" else tl.sum(x, axis=1) if OP == "sum" else tl.max(x, axis=1)
    tl.store(out_ptr + tl.arange(0, M), z)

@triton.jit
def dot(x_ptr, y_ptr, out_ptr, N: tl.constexpr):
    at = tl.arange(0, N)[:, None] * N + tl.arange(0, N)[None, :]
    tl.store(out_ptr + at, tl.dot(tl.load(x_ptr + at), tl.load(y_ptr + at)))

@triton.jit
def add_to(out_ptr, x_ptr, before_ptr, n, B: tl.constexpr):
    at = tl.arange(0, B)
    before = tl.atomic_add(out_ptr + at // 2, tl.load(x_ptr + at, mask=at < n), mask=at < n)
    tl.store(before_ptr + at, before, mask=at < n)

def run(kernel, *arguments, out, **constants):
    n = out.numel()
    kernel[(triton.cdiv(n, 4096),)](*arguments, out, n, **constants, B=4096)
    return out

for kind, dtype in KINDS.items():
    x = every(kind)
    n, like = x.numel(), torch.empty_like(x)
    expect(f"{kind} load and store", run(copy, x, CAST=True, out=like.clone()), x)
    expect(f"{kind} to float32", run(copy, x, CAST=True, out=torch.empty(n)), x.float())
    numbers = x[x.float().isfinite()]
    bits = numbers.view(BITS[kind])
    expect(f"{kind} bitcast from", run(reinterpret, numbers, out=torch.empty_like(bits)), bits)
    expect(f"{kind} bitcast to", run(reinterpret, x.view(BITS[kind]), out=like.clone()), x)
    if kind == "bf16":  # Triton converts fp8 to and from other floats alone
        whole = x[x.float().abs() < 2**31]
        expect("bf16 to int32", run(copy, whole, CAST=True, out=torch.empty_like(whole.int())), whole.int())
        numbers = torch.arange(-500, 500, dtype=torch.int32) * 3
        expect("bf16 from int32", run(copy, numbers, CAST=True, out=like.new_empty(1000)), rounded(numbers, kind))
    near = between(kind)
    for how in (True, False):
        name = f"{kind} rounds in a {'cast' if how else 'store'}"
        expect(name, run(copy, near, out=like.new_empty(len(near)), CAST=how), rounded(near, kind))
    for other in KINDS:
        if (other == "bf16") != (kind == "bf16"):
            found = run(copy, x, CAST=True, out=torch.empty(n, dtype=KINDS[other]))
            expect(f"{kind} to {other}", found, rounded(x, other))
    torch.manual_seed(0)
    some = x if kind == "bf16" else x[~x.float().isinf()]  # fp8 makes no infinity
    a, b = (some[torch.randint(len(some), (4096,))] for _ in range(2))
    f, g = a.float(), b.float()
    want = {"add": f + g, "sub": f - g, "mul": f * g, "neg": -f, "abs": f.abs(), "where": torch.where(f < g, f, g)}
    if kind == "bf16":
        want |= {"div": f / g, "max": larger(f, g), "min": -larger(-f, -g), "number": (f * 3).bfloat16().float() + 1,
                 "fma": (f.double() * g + f).float(), "chain": (f + g).bfloat16().float() - g}
    for name, value in want.items():
        expect(f"{kind} {name}", run(arithmetic, a, b, out=like.new_empty(4096), OP=name), rounded(value, kind))
    bits = (f < g).int() + 2 * (f <= g) + 4 * (f == g) + 8 * (f != g) + 16 * (f > g) + 32 * (f >= g)
    expect(f"{kind} compare", run(compare, a, b, out=torch.empty(4096, dtype=torch.int32)), bits.int())
    square, other = (rounded(torch.randn(16, 16), kind) for _ in range(2))
    reduce[(1,)](square, out := torch.empty(16), "sum32", 16, 16)
    expect(f"{kind} sum in float32", (out - square.float().sum(1)).abs() < 1e-5, torch.ones(16) > 0)
    reduce[(1,)](square, top := like.new_empty(16), "max", 16, 16)
    expect(f"{kind} maximum", top, square.float().amax(1).to(dtype))
    dot[(1,)](square, other, out := torch.empty(16, 16), 16)
    expect(f"{kind} dot", (out - square.float() @ other.float()).abs() < 1e-5, torch.ones(16, 16) > 0)

small = (torch.arange(1, 65) / 8).bfloat16()
total, before = torch.full((32,), 100.0).bfloat16(), torch.empty_like(small)
add_to[(1,)](total, small, before, 63, 64)
first = (100.0 + small[::2].float()).bfloat16()
second = (first.float() + small[1::2].float()).bfloat16()
expect("bf16 atomic_add", total[:31], second[:31])
expect("bf16 atomic_add leaves masked lanes", total[31:], first[31:])
expect("bf16 atomic_add tells what was there", before[1:63:2], first[:31])
row = torch.tensor([256.0] + [1.0] * 15).bfloat16()
reduce[(1,)](row.repeat(16, 1), out := torch.empty(16).bfloat16(), "sum", 16, 16)
expect("bf16 sum", out, row.float().sum().bfloat16().repeat(16))
answer = {"seen": seen, "failures": failures}
'''


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    return dict(answer(SCRIPT, tmp_path_factory.mktemp("small")))


def test_small_floats_are_what_torch_makes_of_them(found: dict[str, list[Any]]) -> None:
    assert found["failures"] == []


@pytest.mark.parametrize("kind", ["bf16", "e5m2", "e4m3"])
def test_every_small_float_was_tried(found: dict[str, list[Any]], kind: str) -> None:
    tried = {name.removeprefix(f"{kind} ") for name in found["seen"] if name.startswith(f"{kind} ")}
    assert len(tried) >= 17
    assert {
        "load and store",
        "bitcast to",
        "rounds in a cast",
        "add",
        "where",
        "compare",
        "sum in float32",
        "dot",
    } <= tried
