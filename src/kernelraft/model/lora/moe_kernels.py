"""Spreading, gating and combining the experts' rows: Triton on a GPU, torch elsewhere.

T tokens, K experts each, S = T·K rows, D width, I inner width.
"""

# Triton before 3.7 takes annotations of its kernels for values that they use: they have none.
# mypy: allow-untyped-defs, allow-incomplete-defs

import torch
import triton
import triton.language as tl

from kernelraft.model.lora import gating as reference
from kernelraft.model.lora.gating import Gating

WIDE = 1024


@triton.jit  # type: ignore[untyped-decorator]
def _gate(gate_up, out, inner, N: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * N + tl.arange(0, N)
    inside = column < inner
    gate = tl.load(gate_up + row * 2 * inner + column, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_up + row * 2 * inner + inner + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * inner + column, (gate * tl.sigmoid(gate) * up).to(out.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _gate_backward(
    gate_up, grad, weights, grad_gate_up, grad_weights, out, inner, N: tl.constexpr, OUT: tl.constexpr
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    weight = tl.load(weights + row).to(tl.float32)
    total = tl.zeros((N,), tl.float32)
    for start in range(0, inner, N):
        column = start + tl.arange(0, N)
        inside = column < inner
        gate = tl.load(gate_up + row * 2 * inner + column, mask=inside, other=0.0).to(tl.float32)
        up = tl.load(gate_up + row * 2 * inner + inner + column, mask=inside, other=0.0).to(tl.float32)
        down = tl.load(grad + row * inner + column, mask=inside, other=0.0).to(tl.float32)
        sigmoid = tl.sigmoid(gate)
        silu = gate * sigmoid
        total += down * silu * up
        down *= weight
        element = grad_gate_up.dtype.element_ty
        for_gate = down * up * (sigmoid + silu * (1 - sigmoid))
        tl.store(grad_gate_up + row * 2 * inner + column, for_gate.to(element), mask=inside)
        tl.store(grad_gate_up + row * 2 * inner + inner + column, (down * silu).to(element), mask=inside)
        if OUT:
            tl.store(out + row * inner + column, (silu * up).to(element), mask=inside)
    tl.store(grad_weights + row, tl.sum(total, 0))


@triton.jit  # type: ignore[untyped-decorator]
def _spread(x, place, rows, width, K: tl.constexpr, N: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * N + tl.arange(0, N)
    inside = column < width
    value = tl.load(x + token * width + column, mask=inside, other=0.0)
    for k in tl.static_range(K):
        row = tl.load(place + token * K + k)
        tl.store(rows + row * width + column, value, mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _combine(rows, place, weights, out, width, K: tl.constexpr, N: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * N + tl.arange(0, N)
    inside = column < width
    total = tl.zeros((N,), tl.float32)
    for k in tl.static_range(K):
        row = tl.load(place + token * K + k)
        value = tl.load(rows + row * width + column, mask=inside, other=0.0).to(tl.float32)
        total += value * tl.load(weights + token * K + k).to(tl.float32)
    tl.store(out + token * width + column, total.to(out.dtype.element_ty), mask=inside)


def gate(gate_up: torch.Tensor, gating: Gating) -> torch.Tensor:
    """(S, 2I) -> (S, I)."""
    if not gate_up.is_cuda or gating.kind != "swiglu":
        return reference.forward(gate_up, gating)
    out = gate_up.new_empty(len(gate_up), gate_up.shape[1] // 2)
    launch_gate(gate_up, out)
    return out


def launch_gate(gate_up: torch.Tensor, out: torch.Tensor) -> None:
    """The kernel of `gate`, of CUDA tensors (or of any, in Triton's interpreter)."""
    rows, inner = out.shape
    _gate[(rows, triton.cdiv(inner, WIDE))](gate_up, out, inner, N=WIDE)


def gate_backward(
    gate_up: torch.Tensor, grad: torch.Tensor, weights: torch.Tensor, gating: Gating, *, again: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As `gating.backward`; the output is made again where that is wanted, and else may be empty."""
    if not gate_up.is_cuda or gating.kind != "swiglu":
        return reference.backward(gate_up, grad, weights, gating)
    return launch_gate_backward(gate_up, grad, weights, again=again)


def launch_gate_backward(
    gate_up: torch.Tensor, grad: torch.Tensor, weights: torch.Tensor, *, again: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The kernel of `gate_backward`."""
    rows, inner = grad.shape
    grad_gate_up, out = torch.empty_like(gate_up), grad.new_empty(grad.shape if again else 0)
    grad_weights = torch.empty(rows, device=grad.device, dtype=torch.float32)
    wide = min(WIDE, triton.next_power_of_2(inner))
    _gate_backward[(rows,)](
        gate_up, grad.contiguous(), weights, grad_gate_up, grad_weights, out, inner, N=wide, OUT=again
    )
    return grad_gate_up, grad_weights, out


def spread(x_TD: torch.Tensor, place_S: torch.Tensor) -> torch.Tensor:
    """Each token's row at all of its places, (S, D)."""
    k = len(place_S) // len(x_TD)
    if x_TD.is_cuda:
        return launch_spread(x_TD, place_S, k)
    rows_SD = x_TD.new_empty(len(place_S), x_TD.shape[1])
    rows_SD[place_S] = x_TD.repeat_interleave(k, 0)
    return rows_SD


def launch_spread(x_TD: torch.Tensor, place_S: torch.Tensor, k: int) -> torch.Tensor:
    """The kernel of `spread`."""
    tokens, width = x_TD.shape
    rows_SD = x_TD.new_empty(tokens * k, width)
    _spread[(tokens, triton.cdiv(width, WIDE))](x_TD.contiguous(), place_S, rows_SD, width, K=k, N=WIDE)
    return rows_SD


def combine(rows_SD: torch.Tensor, place_S: torch.Tensor, weights_TK: torch.Tensor) -> torch.Tensor:
    """Sum of each token's rows times their weights, (T, D)."""
    tokens, k = weights_TK.shape
    if rows_SD.is_cuda:
        return launch_combine(rows_SD, place_S, weights_TK)
    taken = rows_SD[place_S].view(tokens, k, -1)
    return (taken.float() * weights_TK[..., None].float()).sum(1).to(rows_SD.dtype)


def launch_combine(rows_SD: torch.Tensor, place_S: torch.Tensor, weights_TK: torch.Tensor) -> torch.Tensor:
    """The kernel of `combine`."""
    tokens, k = weights_TK.shape
    out = rows_SD.new_empty(tokens, rows_SD.shape[1])
    grid = (tokens, triton.cdiv(rows_SD.shape[1], WIDE))
    _combine[grid](rows_SD, place_S, weights_TK.contiguous(), out, rows_SD.shape[1], K=k, N=WIDE)
    return out
