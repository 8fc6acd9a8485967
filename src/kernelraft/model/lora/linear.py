"""A frozen linear layer with an adapter: y = W x + b + scale · B A x.

T positions, I inputs, O outputs, R rank. One operator forward and one backward, so that the unpacked weight lives only
within them: nothing but x is kept for the backward pass, and torch.compile sees a single node.
"""

import math
from typing import Any

import torch

from kernelraft.model.lora import LoraShape
from kernelraft.model.lora.stored import Stored, dense

Tensors = list[torch.Tensor]


@torch.library.custom_op("kernelraft::lora_linear", mutates_args=())
def lora_linear(
    x_TI: torch.Tensor, weight: Tensors, bias_O: torch.Tensor | None, lora: Tensors, outputs: int, scale: float
) -> Tensors:
    """`lora` is [A_RI, B_OR] or empty; returns y_TO and what lies between the factors, inner_TR, or y_TO alone."""
    weight_OI = dense(weight, (outputs, x_TI.shape[1]), x_TI.dtype)
    if not lora:
        return [torch.nn.functional.linear(x_TI, weight_OI, bias_O)]
    inner_TR = x_TI @ lora[0].T
    # The small product first: the large one, which is not short of memory's time, then adds to it.
    y_TO = torch.nn.functional.linear(inner_TR * scale, lora[1], bias_O)
    return [y_TO.addmm_(x_TI, weight_OI.T), inner_TR]


@lora_linear.register_fake
def _(x_TI: torch.Tensor, weight: Tensors, bias_O: Any, lora: Tensors, outputs: int, scale: float) -> Tensors:
    return [x_TI.new_empty(len(x_TI), size) for size in (outputs, *(len(a_RI) for a_RI in lora[:1]))]


@torch.library.custom_op("kernelraft::lora_linear_backward", mutates_args=())
def lora_linear_backward(
    grad_TO: torch.Tensor, x_TI: torch.Tensor, inner: Tensors, weight: Tensors, lora: Tensors, scale: float
) -> Tensors:
    """Gradients of x and of `lora`; `inner` is [inner_TR] or empty."""
    grad_TO = grad_TO.contiguous()
    weight_OI = dense(weight, (grad_TO.shape[1], x_TI.shape[1]), x_TI.dtype)
    if not lora:
        return [grad_TO @ weight_OI]
    a_RI, b_OR = lora
    grad_TR = (grad_TO @ b_OR).mul_(scale)
    grad_x_TI = (grad_TR @ a_RI).addmm_(grad_TO, weight_OI)
    return [grad_x_TI, grad_TR.T @ x_TI, (grad_TO.T @ inner[0]).mul_(scale)]


@lora_linear_backward.register_fake
def _(
    grad_TO: torch.Tensor, x_TI: torch.Tensor, inner: Tensors, weight: Tensors, lora: Tensors, scale: float
) -> Tensors:  # fmt: skip
    return [torch.empty_like(x_TI), *(torch.empty_like(factor) for factor in lora)]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
    x_TI, weight, _, lora, _, ctx.scale = inputs
    ctx.count = len(weight)
    ctx.save_for_backward(x_TI, *weight, *lora, *output[1:])
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grads: list[torch.Tensor | None]) -> tuple[Any, ...]:
    x_TI, *rest = ctx.saved_tensors
    weight, rest = list(rest[: ctx.count]), list(rest[ctx.count :])
    lora, inner = rest[:2], rest[2:]
    grad_x_TI, *grad_lora = lora_linear_backward(grads[0], x_TI, inner, weight, lora, ctx.scale)
    return grad_x_TI, [None] * len(weight), None, grad_lora, None, None


lora_linear.register_autograd(_backward, setup_context=_keep)


class LoraLinear(torch.nn.Module):
    """In place of a torch.nn.Linear; the adapter's factors are float32, the arithmetic is in x's dtype."""

    def __init__(self, weight: Stored, bias: torch.Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.weight = weight
        self.register_buffer("bias", None if bias is None else bias.detach())
        self.lora_A: torch.nn.Parameter | None = None
        self.lora_B: torch.nn.Parameter | None = None
        self.scale = self.dropout = 0.0

    def adapt(self, shape: LoraShape) -> None:
        """Add an adapter that changes nothing yet: A uniform, B zero."""
        device = self.weight.parts[0].device
        bound = 1 / math.sqrt(self.in_features)
        factor_A = torch.empty(shape.rank, self.in_features, device=device).uniform_(-bound, bound)
        self.lora_A = torch.nn.Parameter(factor_A)
        self.lora_B = torch.nn.Parameter(torch.zeros(self.out_features, shape.rank, device=device))
        self.scale, self.dropout = shape.scale, shape.dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., I) -> (..., O)."""
        x_TI = x.reshape(-1, self.in_features)
        lora = [] if self.lora_A is None or self.lora_B is None else [self.lora_A.to(x), self.lora_B.to(x)]
        drop = len(lora) > 0 and self.dropout > 0 and self.training
        now: Tensors = [] if drop else lora
        y_TO: torch.Tensor = lora_linear(x_TI, self.weight.parts, self.bias, now, self.out_features, self.scale)[0]
        if drop:  # the adapter sees another x than the frozen weight
            kept_TI = torch.nn.functional.dropout(x_TI, self.dropout)
            y_TO = torch.addmm(y_TO, kept_TI @ lora[0].T, lora[1].T, alpha=self.scale)
        return y_TO.view(*x.shape[:-1], self.out_features)
