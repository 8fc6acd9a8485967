"""All experts of one layer at once: sort the rows by expert, two grouped products, combine.

T tokens, K experts each, S = T·K rows sorted by expert, E experts, D width of the model, I of an expert, R rank.
For the backward pass gate_up (S, 2I) and the order are kept; unpacked weights live only while they are used.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch

from kernelraft.model.lora import moe_kernels
from kernelraft.model.lora.gating import Gating
from kernelraft.model.lora.stored import dense
from kernelraft.model.nf4 import divides

Tensors = list[torch.Tensor]
Grouped = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
BLOCK = 8


class Layout(NamedTuple):
    """How a family holds its experts. `transposed`: (E, in, out) in place of (E, out, in).

    `apart`: on a CPU what a row gives does not depend on the rows that go to the same expert, to the last bit.
    `pieces`: how many parts of a packed weight are unpacked one after another, where it can be cut so.
    """

    experts: int
    inner: int
    width: int
    transposed: bool
    gating: Gating
    apart: bool
    pieces: int


class Weights(NamedTuple):
    """Frozen parts, biases [(E, 2I), (E, D)] or none, and [A_ERD, B_E(2I)R, A_ERI, B_EDR] or none with their scale."""

    gate_up: Tensors
    down: Tensors
    biases: Tensors
    lora: Tensors
    scale: float


def _grouped(rows: torch.Tensor, stack: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.grouped_mm(rows, stack, offs=ends)


def _in_blocks(rows_SD: torch.Tensor, stack_EDO: torch.Tensor, ends_E: torch.Tensor) -> torch.Tensor:
    """`_grouped` by products of BLOCK rows each, the last ones of an expert with rows of zeros."""
    out_SO = rows_SD.new_empty(len(rows_SD), stack_EDO.shape[2])
    start = 0
    for end, weight_DO in zip(ends_E.tolist(), stack_EDO, strict=True):
        for at in range(start, end, BLOCK):
            block = rows_SD[at : min(at + BLOCK, end)]
            padded = torch.nn.functional.pad(block, (0, 0, 0, BLOCK - len(block)))
            out_SO[at : at + len(block)] = (padded @ weight_DO)[: len(block)]
        start = end
    return out_SO


class _Matrix:
    """A frozen weight of all experts (E, O, I), unpacked whole, or some of its outputs at a time."""

    def __init__(self, parts: Tensors, layout: Layout, outputs: int, inputs: int) -> None:
        self.parts, self.layout, self.outputs, self.inputs = parts, layout, outputs, inputs
        cut = len(parts) > 1 and not layout.transposed and divides(outputs * inputs, layout.pieces)
        self.pieces = layout.pieces if cut else 1

    def _piece(self, number: int, dtype: torch.dtype) -> torch.Tensor:
        """(E, O / pieces, I), a view where it is held transposed."""
        experts, outputs = self.layout.experts, self.outputs // self.pieces
        if self.layout.transposed:
            return dense(self.parts, (experts, self.inputs, outputs), dtype).transpose(1, 2)
        return dense(self.parts, (experts, outputs, self.inputs), dtype, self.pieces, number)

    def of(self, rows_SI: torch.Tensor, ends_E: torch.Tensor, grouped: Grouped) -> torch.Tensor:
        """Each row times its expert's weight (S, O)."""
        if self.pieces == 1:
            return grouped(rows_SI, self._piece(0, rows_SI.dtype).transpose(1, 2), ends_E)
        out_SO = rows_SI.new_empty(len(rows_SI), self.outputs)
        for number, part in enumerate(out_SO.chunk(self.pieces, 1)):
            part.copy_(grouped(rows_SI, self._piece(number, rows_SI.dtype).transpose(1, 2), ends_E))
        return out_SO

    def back(self, grad_SO: torch.Tensor, ends_E: torch.Tensor) -> torch.Tensor:
        """The gradient of the rows (S, I)."""
        parts = grad_SO.chunk(self.pieces, 1)
        grad_SI = _grouped(parts[0], self._piece(0, grad_SO.dtype), ends_E)
        for number, part in enumerate(parts[1:], 1):
            grad_SI += _grouped(part, self._piece(number, grad_SO.dtype), ends_E)
        return grad_SI


def _add_low_rank(
    grouped: Grouped, out: torch.Tensor, rows: torch.Tensor, pair: Tensors, ends: torch.Tensor, scale: float
) -> None:
    inner = grouped(rows, pair[0].transpose(1, 2), ends)
    out.add_(grouped(inner, pair[1].transpose(1, 2), ends), alpha=scale)


def _order(index_TK: torch.Tensor, experts: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows in the order of their experts, where each row went, and where each expert's rows end (int32)."""
    expert_S, order_S = torch.sort(index_TK.reshape(-1), stable=True)
    ends_E = torch.searchsorted(expert_S, torch.arange(experts, device=expert_S.device), right=True).int()
    place_S = torch.empty_like(order_S)
    place_S[order_S] = torch.arange(len(order_S), device=order_S.device)
    return order_S, place_S, ends_E


def run(x_TD: torch.Tensor, index_TK: torch.Tensor, routing_TK: torch.Tensor, w: Weights, layout: Layout) -> Tensors:
    """[out_TD, gate_up, order_S, place_S, ends_E]."""
    grouped = _in_blocks if layout.apart and not x_TD.is_cuda else _grouped
    order_S, place_S, ends_E = _order(index_TK, layout.experts)
    rows_SD = moe_kernels.spread(x_TD, place_S)
    gate_up = _Matrix(w.gate_up, layout, 2 * layout.inner, layout.width).of(rows_SD, ends_E, grouped)
    if w.lora:
        _add_low_rank(grouped, gate_up, rows_SD, w.lora[:2], ends_E, w.scale)
    del rows_SD
    expert_S = index_TK.reshape(-1)[order_S] if w.biases else None
    if w.biases:
        gate_up += w.biases[0][expert_S]
    hidden_SI = moe_kernels.gate(gate_up, layout.gating)
    out_SD = _Matrix(w.down, layout, layout.width, layout.inner).of(hidden_SI, ends_E, grouped)
    if w.lora:
        _add_low_rank(grouped, out_SD, hidden_SI, w.lora[2:], ends_E, w.scale)
    if w.biases:
        out_SD += w.biases[1][expert_S]
    return [moe_kernels.combine(out_SD, place_S, routing_TK), gate_up, order_S, place_S, ends_E]


def run_backward(
    grad_TD: torch.Tensor, x_TD: torch.Tensor, routing_TK: torch.Tensor, kept: Tensors, w: Weights, layout: Layout
) -> Tensors:
    """Gradients of x_TD, routing_TK and of the adapters."""
    gate_up, order_S, place_S, ends_E = kept
    routing_S = routing_TK.reshape(-1)[order_S].contiguous()
    grad_SD = moe_kernels.spread(grad_TD, place_S)
    grad_SI = _Matrix(w.down, layout, layout.width, layout.inner).back(grad_SD, ends_E)
    grad_low = None
    if w.lora:
        grad_low = _grouped(grad_SD, w.lora[3], ends_E)
        grad_SI.add_(_grouped(grad_low, w.lora[2], ends_E), alpha=w.scale)
    grad_gate_up, grad_routing_S, hidden_SI = moe_kernels.gate_backward(
        gate_up, grad_SI, routing_S, layout.gating, again=len(w.lora) > 0
    )
    del grad_SI
    if w.biases:
        expert_S = torch.searchsorted(ends_E, torch.arange(len(order_S), device=order_S.device), right=True)
        grad_routing_S += (grad_SD * w.biases[1][expert_S]).float().sum(1)
    grads: Tensors = []
    if w.lora and grad_low is not None:
        grads = _low_rank_grads(
            moe_kernels.spread(x_TD, place_S), hidden_SI, grad_gate_up, grad_SD * routing_S[:, None].to(grad_SD.dtype),
            grad_low * routing_S[:, None].to(grad_low.dtype), ends_E, w,
        )  # fmt: skip
    del grad_SD, hidden_SI
    grad_rows_SD = _Matrix(w.gate_up, layout, 2 * layout.inner, layout.width).back(grad_gate_up, ends_E)
    if w.lora:
        grad_rows_SD.add_(_grouped(_grouped(grad_gate_up, w.lora[1], ends_E), w.lora[0], ends_E), alpha=w.scale)
    grad_x_TD = moe_kernels.combine(grad_rows_SD, place_S, torch.ones_like(routing_TK))
    return [grad_x_TD, grad_routing_S[place_S].view_as(routing_TK).to(routing_TK.dtype), *grads]


def _low_rank_grads(
    rows_SD: torch.Tensor, hidden_SI: torch.Tensor, grad_gate_up: torch.Tensor, grad_SD: torch.Tensor,
    grad_low_SR: torch.Tensor, ends_E: torch.Tensor, w: Weights,
) -> Tensors:  # fmt: skip
    """Of the four factors, in their order."""
    a_gate, b_gate, a_down, _ = w.lora
    grad_inner = _grouped(grad_gate_up, b_gate, ends_E)
    found = [
        _grouped(grad_inner.T, rows_SD, ends_E),
        _grouped(grad_gate_up.T, _grouped(rows_SD, a_gate.transpose(1, 2), ends_E), ends_E),
        _grouped(grad_low_SR.T, hidden_SI, ends_E),
        _grouped(grad_SD.T, _grouped(hidden_SI, a_down.transpose(1, 2), ends_E), ends_E),
    ]
    return [grad.mul_(w.scale) for grad in found]
