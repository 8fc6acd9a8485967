"""The experts of a layer as one operator in plain types: torch.compile sees a node, unpacked weights live within it."""

from typing import Any

import torch

from kernelraft.model.lora.gating import Gating
from kernelraft.model.lora.mixture import Layout, Tensors, Weights, run, run_backward


@torch.library.custom_op("kernelraft::lora_experts", mutates_args=())
def lora_experts(
    x_TD: torch.Tensor, index_TK: torch.Tensor, routing_TK: torch.Tensor, gate_up: Tensors, down: Tensors,
    biases: Tensors, lora: Tensors, sizes: list[int], limits: list[float], scale: float,
) -> Tensors:  # fmt: skip
    """`run` in plain types: sizes (E, I, D, transposed, clipped, apart, pieces), limits (alpha, limit)."""
    return run(x_TD, index_TK, routing_TK, Weights(gate_up, down, biases, lora, scale), _layout(sizes, limits))


@lora_experts.register_fake
def _(
    x_TD: torch.Tensor, index_TK: torch.Tensor, routing_TK: torch.Tensor, gate_up: Tensors, down: Tensors,
    biases: Tensors, lora: Tensors, sizes: list[int], limits: list[float], scale: float,
) -> Tensors:  # fmt: skip
    rows = index_TK.numel()
    order_S = index_TK.new_empty(rows, dtype=torch.int64)
    ends_E = index_TK.new_empty(sizes[0], dtype=torch.int32)
    return [torch.empty_like(x_TD), x_TD.new_empty(rows, 2 * sizes[1]), order_S, torch.empty_like(order_S), ends_E]


@torch.library.custom_op("kernelraft::lora_experts_backward", mutates_args=())
def lora_experts_backward(
    grad_TD: torch.Tensor, x_TD: torch.Tensor, routing_TK: torch.Tensor, kept: Tensors, gate_up: Tensors,
    down: Tensors, biases: Tensors, lora: Tensors, sizes: list[int], limits: list[float], scale: float,
) -> Tensors:  # fmt: skip
    """`run_backward` in plain types."""
    weights = Weights(gate_up, down, biases, lora, scale)
    return run_backward(grad_TD, x_TD, routing_TK, kept, weights, _layout(sizes, limits))


@lora_experts_backward.register_fake
def _(
    grad_TD: torch.Tensor, x_TD: torch.Tensor, routing_TK: torch.Tensor, kept: Tensors, gate_up: Tensors,
    down: Tensors, biases: Tensors, lora: Tensors, sizes: list[int], limits: list[float], scale: float,
) -> Tensors:  # fmt: skip
    return [torch.empty_like(x_TD), torch.empty_like(routing_TK), *(torch.empty_like(factor) for factor in lora)]


def _layout(sizes: list[int], limits: list[float]) -> Layout:
    experts, inner, width, transposed, clipped, apart, pieces = sizes
    gating = Gating("clipped", *limits) if clipped else Gating()
    return Layout(experts, inner, width, bool(transposed), gating, bool(apart), pieces)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
    x_TD, _, routing_TK, gate_up, down, biases, lora, *ctx.plain = inputs
    ctx.counts = [len(part) for part in (gate_up, down, biases, lora)]
    ctx.save_for_backward(x_TD, routing_TK, *output[1:], *gate_up, *down, *biases, *lora)
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grads: list[torch.Tensor | None]) -> tuple[Any, ...]:
    x_TD, routing_TK, *rest = ctx.saved_tensors
    kept, rest = list(rest[:4]), list(rest[4:])
    parts = []
    for count in ctx.counts:
        parts.append(rest[:count])
        rest = rest[count:]
    grad_x, grad_routing, *grad_lora = lora_experts_backward(grads[0], x_TD, routing_TK, kept, *parts, *ctx.plain)
    nothing = [[None] * count for count in ctx.counts[:3]]
    return grad_x, None, grad_routing, *nothing, grad_lora, None, None, None


lora_experts.register_autograd(_backward, setup_context=_keep)
