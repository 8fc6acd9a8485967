"""The operations that problems are composed of, each spelled in PyTorch and in Triton.

A problem is a chain of operations on one tensor `x`. Every spelling is exact to
about 1e-6 and most avoid libdevice (`tl.erf`, `tl.log`), which doubles the time
that a kernel takes to compile; `tl.sqrt_rn` is an instruction where `tl.sqrt`
is a library call.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a chain.

    `torch` holds equivalent expressions of `x` (and `y`, `self.w`, `self.b`, `self.m`),
    `triton` the statements that replace `x`. `{0}` and `{1}` stand for the step's
    constants, drawn from 0.1 to `largest`; in an operation with an `operand`, its name
    in braces stands for its load. `x` is flat or one row; `mask` marks its valid
    elements, `n` counts them.
    """

    torch: tuple[str, ...]
    triton: tuple[str, ...]
    constants: int = 0
    largest: float = 3.9
    operand: str = ""


def _of(
    torch: str | tuple[str, ...], triton: str, constants: int = 0, largest: float = 3.9, operand: str = ""
) -> Operation:
    forms = (torch,) if isinstance(torch, str) else torch
    return Operation(forms, (f"x = {triton}",), constants, largest, operand)


ELEMENTWISE = {
    "relu": _of(("torch.relu(x)", "F.relu(x)"), "tl.maximum(x, 0.0)"),
    "sigmoid": _of(("torch.sigmoid(x)", "F.sigmoid(x)"), "tl.sigmoid(x)"),
    "tanh": _of(("torch.tanh(x)", "F.tanh(x)"), "2.0 * tl.sigmoid(2.0 * x) - 1.0"),
    "silu": _of("F.silu(x)", "x * tl.sigmoid(x)"),
    "gelu": _of("F.gelu(x)", "0.5 * x * (1.0 + tl.erf(x * 0.70710678))"),
    "exp": _of("torch.exp(x)", "tl.exp(x)"),
    "abs": _of(("torch.abs(x)", "x.abs()"), "tl.abs(x)"),
    "neg": _of(("-x", "torch.neg(x)"), "-x"),
    "square": _of(("torch.square(x)", "x * x"), "x * x"),
    "softplus": _of("F.softplus(x)", "tl.maximum(x, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(x)))"),
    "elu": _of("F.elu(x)", "tl.where(x > 0.0, x, tl.exp(x) - 1.0)"),
    "relu6": _of("F.relu6(x)", "tl.minimum(tl.maximum(x, 0.0), 6.0)"),
    "hsig": _of("F.hardsigmoid(x)", "tl.minimum(tl.maximum(x / 6.0 + 0.5, 0.0), 1.0)"),
    "softsign": _of("F.softsign(x)", "x / (1.0 + tl.abs(x))"),
    "add": _of("x + {0}", "x + {0}", constants=1),
    "sub": _of("x - {0}", "x - {0}", constants=1),
    "rsub": _of("{0} - x", "{0} - x", constants=1),
    "mul": _of("x * {0}", "x * {0}", constants=1),
    "div": _of("x / {0}", "x / {0}", constants=1),
    "leaky": _of("F.leaky_relu(x, {0})", "tl.where(x > 0.0, x, {0} * x)", constants=1, largest=0.9),
    "maxc": _of("torch.clamp(x, min={0})", "tl.maximum(x, {0})", constants=1, largest=1.9),
    "minc": _of("torch.clamp(x, max={0})", "tl.minimum(x, {0})", constants=1, largest=1.9),
    "clamp": _of("torch.clamp(x, -{0}, {1})", "tl.minimum(tl.maximum(x, -{0}), {1})", constants=2, largest=1.9),
}

SECOND_INPUT = {
    "addy": _of("x + y", "x + {y}", operand="y"),
    "suby": _of("x - y", "x - {y}", operand="y"),
    "muly": _of("x * y", "x * {y}", operand="y"),
    "maxy": _of("torch.maximum(x, y)", "tl.maximum(x, {y})", operand="y"),
}

PER_COLUMN = {
    "scale": _of("x * self.w", "x * {w}", operand="w"),
    "bias": _of("x + self.b", "x + {b}", operand="b"),
}

_LOWEST = "x = tl.where(mask, x, -float('inf'))"
_ZERO = "x = tl.where(mask, x, 0.0)"
_LESS_MAX = "x = x - tl.max(tl.where(mask, x, -float('inf')), axis=0)"

NORMALISATION = {
    "softmax": Operation(
        ("torch.softmax(x, dim=-1)", "F.softmax(x, dim=-1)"),
        (_LOWEST, "x = tl.exp(x - tl.max(x, axis=0))", "x = x / tl.sum(x, axis=0)"),
    ),
    "logsoftmax": Operation(
        ("F.log_softmax(x, dim=-1)",),
        (_LESS_MAX, "x = x - tl.log(tl.sum(tl.where(mask, tl.exp(x), 0.0), axis=0))"),
    ),
    "rmsnorm": Operation(
        ("x * torch.rsqrt((x * x).mean(dim=-1, keepdim=True) + 1e-5)",),
        (_ZERO, "x = x / tl.sqrt_rn(tl.sum(x * x, axis=0) / n + 1e-5)"),
    ),
    "layernorm": Operation(
        ("F.layer_norm(x, x.shape[-1:])",),
        (
            _ZERO,
            "x = tl.where(mask, x - tl.sum(x, axis=0) / n, 0.0)",
            "x = x / tl.sqrt_rn(tl.sum(x * x, axis=0) / n + 1e-5)",
        ),
    ),
    "l2norm": Operation(
        ("F.normalize(x, dim=-1)",),
        (_ZERO, "x = x / tl.maximum(tl.sqrt_rn(tl.sum(x * x, axis=0)), 1e-12)"),
    ),
    "center": Operation(("x - x.mean(dim=-1, keepdim=True)",), (_ZERO, "x = x - tl.sum(x, axis=0) / n")),
    "submax": Operation(("x - x.amax(dim=-1, keepdim=True)",), (_LESS_MAX,)),
}

REDUCTION = {
    "sum": Operation(("torch.sum(x, dim=-1)", "x.sum(dim=-1)"), (_ZERO, "x = tl.sum(x, axis=0)")),
    "mean": Operation(("torch.mean(x, dim=-1)", "x.mean(dim=-1)"), (_ZERO, "x = tl.sum(x, axis=0) / n")),
    "amax": Operation(("torch.amax(x, dim=-1)", "x.amax(dim=-1)"), (_LOWEST, "x = tl.max(x, axis=0)")),
    "amin": Operation(
        ("torch.amin(x, dim=-1)", "x.amin(dim=-1)"),
        ("x = tl.where(mask, x, float('inf'))", "x = tl.min(x, axis=0)"),
    ),
    "lse": Operation(
        ("torch.logsumexp(x, dim=-1)",),
        (_LOWEST, "m = tl.max(x, axis=0)", "x = m + tl.log(tl.sum(tl.exp(x - m), axis=0))"),
    ),
}

#: A matrix product is the loop that a tiled kernel begins with, so it has no statements here.
PRODUCT = {"matmul": Operation(("torch.matmul(x, self.m)",), (), operand="m")}

OPERATIONS = ELEMENTWISE | SECOND_INPUT | PER_COLUMN | NORMALISATION | REDUCTION | PRODUCT
