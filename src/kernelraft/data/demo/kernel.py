"""Spec -> its answer: a plan in words, then one Triton kernel and the module that launches it."""

from dataclasses import dataclass

from kernelraft.data.demo.problem import constructor, forward_inputs
from kernelraft.data.demo.spec import Spec

_ANSWER = """\
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def kernel({arguments}):
{body}


class ModelNew(nn.Module):
{constructor}

    def forward({inputs}):
{host}
        return out
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a kernel walks over its output. `loads` maps an operand to the expression that loads it."""

    plan: str
    sizes: tuple[str, ...]
    begin: tuple[str, ...]
    loads: dict[str, str]
    store: str
    host: tuple[str, ...]
    grid: str
    block: str


_FLAT = Layout(
    plan="flat kernel",
    sizes=("n",),
    begin=(
        "offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)",
        "mask = offs < n",
        "x = tl.load(x_ptr + offs, mask=mask)",
    ),
    loads={"y": "tl.load(y_ptr + offs, mask=mask)"},
    store="tl.store(out_ptr + offs, x, mask=mask)",
    host=("out = torch.empty_like(x)", "n = x.numel()"),
    grid="triton.cdiv(n, 256),",
    block="256",
)

_ROW = Layout(
    plan="row kernel",
    sizes=("n",),
    begin=(
        "row = tl.program_id(0)",
        "cols = tl.arange(0, BLOCK)",
        "mask = cols < n",
        "x = tl.load(x_ptr + row * n + cols, mask=mask)",
    ),
    loads={
        "y": "tl.load(y_ptr + row * n + cols, mask=mask)",
        "w": "tl.load(w_ptr + cols, mask=mask)",
        "b": "tl.load(b_ptr + cols, mask=mask)",
    },
    store="tl.store(out_ptr + row * n + cols, x, mask=mask)",
    host=("m, n = x.shape", "out = torch.empty_like(x)"),
    grid="m,",
    block="triton.next_power_of_2(n)",
)

_TILE = Layout(
    plan="tiled matmul kernel",
    sizes=("M", "N", "K"),
    begin=(
        "rm = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)",
        "rn = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)",
        "x = tl.zeros((BLOCK, BLOCK), dtype=tl.float32)",
        "for k in range(0, K, BLOCK):",
        "    rk = k + tl.arange(0, BLOCK)",
        "    a = tl.load(x_ptr + rm[:, None] * K + rk[None, :], mask=(rm[:, None] < M) & (rk[None, :] < K), other=0.0)",
        "    b = tl.load(m_ptr + rk[:, None] * N + rn[None, :], mask=(rk[:, None] < K) & (rn[None, :] < N), other=0.0)",
        '    x += tl.dot(a, b, input_precision="ieee")',
        "mask = (rm[:, None] < M) & (rn[None, :] < N)",
    ),
    loads={
        "y": "tl.load(y_ptr + rm[:, None] * N + rn[None, :], mask=mask)",
        "w": "tl.load(w_ptr + rn, mask=rn < N)[None, :]",
        "b": "tl.load(b_ptr + rn, mask=rn < N)[None, :]",
    },
    store="tl.store(out_ptr + rm[:, None] * N + rn[None, :], x, mask=mask)",
    host=("M, K = x.shape", "N = self.m.shape[1]", "out = torch.empty(M, N, device=x.device)"),
    grid="triton.cdiv(M, 16), triton.cdiv(N, 16)",
    block="16",
)

_LAYOUTS = {"flat": _FLAT, "row": _ROW, "tile": _TILE}


def answer_text(spec: Spec) -> str:
    """Write the whole message that answers the problem: the plan in <think>, the code in <triton>."""
    return f"<think>\n{plan(spec)}\n</think>\n<triton>\n{kernel(spec)}</triton>"


def plan(spec: Spec) -> str:
    """Name the layout, then one step a line. A tiny model is right more often when it writes this first."""
    steps = [" ".join((step.name, *step.constants)) for step in spec.steps]
    return "\n".join([_LAYOUTS[spec.layout].plan, *steps])


def kernel(spec: Spec) -> str:
    """Source of the kernel and of `ModelNew`."""
    layout = _LAYOUTS[spec.layout]
    store, allocate = layout.store, layout.host
    if spec.reduces:
        store = "tl.store(out_ptr + row, x)"
        allocate = ("m, n = x.shape", "out = torch.empty(m, device=x.device)")
    tensors = ("x", *spec.operands, "out")
    given = [f"self.{name}" if name in spec.parameters else name for name in tensors]
    launch = f"kernel[({layout.grid})]({', '.join([*given, *layout.sizes])}, BLOCK={layout.block})"
    pointers = [f"{name}_ptr" for name in tensors]
    return _ANSWER.format(
        arguments=", ".join([*pointers, *layout.sizes, "BLOCK: tl.constexpr"]),
        body=_indent([*layout.begin, *_statements(spec, layout), store], 4),
        constructor=constructor(spec),
        inputs=forward_inputs(spec),
        host=_indent([*allocate, launch], 8),
    )


def _statements(spec: Spec, layout: Layout) -> list[str]:
    return [
        statement.format(*step.constants, **layout.loads) for step in spec.steps for statement in step.operation.triton
    ]


def _indent(lines: list[str], columns: int) -> str:
    return "\n".join(" " * columns + line for line in lines)
