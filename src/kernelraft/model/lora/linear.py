"""A frozen linear layer with an adapter: y = W x + b + scale · B A x.

T positions, I inputs, O outputs, R rank. One operator forward and one backward, so that the unpacked weight lives only
within them: nothing but x is kept for the backward pass, and torch.compile sees a single node.

A packed weight is unpacked together with what the adapter adds to it, which costs O·I·R in place of T·(I + O)·R and
no further pass over y. Where the adapter drops of its input, or where the weight is not packed (so that the sum would
be rounded a second time: nf4.unpack_adding), the adapter's products are apart.
"""

import math
from typing import Any

import torch

from kernelraft.model.lora import LoraShape
from kernelraft.model.lora.dropout import SEEDS, drop
from kernelraft.model.lora.stored import Stored, dense, dense_with
from kernelraft.model.nf4 import LowRank

Tensors = list[torch.Tensor]


@torch.library.custom_op("kernelraft::lora_linear", mutates_args=())
def lora_linear(
    x_TI: torch.Tensor, weight: Tensors, bias_O: torch.Tensor | None, lora: Tensors, outputs: int, scale: float,
    seed: Tensors, dropout: float,
) -> Tensors:  # fmt: skip
    """`lora` is [A_RI, B_OR] or empty; returns y_TO and, where these are apart, what lies between them, inner_TR.

    `seed` is that of the dropout of the adapter's input, [()], or empty where there is none.
    """
    weight_OI = _weight(weight, (outputs, x_TI.shape[1]), x_TI.dtype, lora, scale, seed)
    if not _apart(weight, lora, seed):
        return [torch.nn.functional.linear(x_TI, weight_OI, bias_O)]
    inner_TR = _dropped(x_TI, seed, dropout) @ lora[0].T
    # The small product first: the large one, which is not short of memory's time, then adds to it.
    y_TO = torch.nn.functional.linear(inner_TR * scale, lora[1], bias_O)
    return [y_TO.addmm_(x_TI, weight_OI.T), inner_TR]


def _apart(weight: Tensors, lora: Tensors, seed: Tensors) -> bool:
    """Whether what the adapter adds is a product of its own."""
    return len(lora) > 0 and (len(weight) == 1 or len(seed) > 0)


def _weight(
    weight: Tensors, shape: tuple[int, int], dtype: torch.dtype, lora: Tensors, scale: float, seed: Tensors
) -> torch.Tensor:
    """The weight that multiplies x, with what the adapter adds where that is not apart."""
    if not lora or _apart(weight, lora, seed):
        return dense(weight, shape, dtype)
    return dense_with(weight, shape, dtype, LowRank(lora[1], lora[0], scale))


def _dropped(x_TI: torch.Tensor, seed: Tensors, dropout: float) -> torch.Tensor:
    return drop(x_TI, seed[0], dropout) if seed else x_TI


@lora_linear.register_fake
def _(
    x_TI: torch.Tensor, weight: Tensors, bias_O: Any, lora: Tensors, outputs: int, scale: float, seed: Tensors,
    dropout: float,
) -> Tensors:  # fmt: skip
    inner = [len(lora[0])] if _apart(weight, lora, seed) else []
    return [x_TI.new_empty(len(x_TI), size) for size in (outputs, *inner)]


@torch.library.custom_op("kernelraft::lora_linear_backward", mutates_args=())
def lora_linear_backward(
    grad_TO: torch.Tensor, x_TI: torch.Tensor, inner: Tensors, weight: Tensors, lora: Tensors, scale: float,
    seed: Tensors, dropout: float,
) -> Tensors:  # fmt: skip
    """Gradients of x and of `lora`; `inner` is [inner_TR] or empty."""
    grad_TO = grad_TO.contiguous()
    weight_OI = _weight(weight, (grad_TO.shape[1], x_TI.shape[1]), x_TI.dtype, lora, scale, seed)
    if not lora:
        return [grad_TO @ weight_OI]
    a_RI, b_OR = lora
    grad_TR = (grad_TO @ b_OR).mul_(scale)
    if _apart(weight, lora, seed):
        grad_x_TI = _dropped(grad_TR @ a_RI, seed, dropout).addmm_(grad_TO, weight_OI)
        inner_TR = inner[0]
    else:
        grad_x_TI, inner_TR = grad_TO @ weight_OI, x_TI @ a_RI.T
    return [grad_x_TI, grad_TR.T @ _dropped(x_TI, seed, dropout), (grad_TO.T @ inner_TR).mul_(scale)]


@lora_linear_backward.register_fake
def _(
    grad_TO: torch.Tensor, x_TI: torch.Tensor, inner: Tensors, weight: Tensors, lora: Tensors, scale: float,
    seed: Tensors, dropout: float,
) -> Tensors:  # fmt: skip
    return [torch.empty_like(x_TI), *(torch.empty_like(factor) for factor in lora)]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
    x_TI, weight, _, lora, _, ctx.scale, seed, ctx.dropout = inputs
    ctx.counts = [len(weight), len(seed), len(lora)]
    ctx.save_for_backward(x_TI, *weight, *seed, *lora, *output[1:])
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grads: list[torch.Tensor | None]) -> tuple[Any, ...]:
    x_TI, *rest = ctx.saved_tensors
    parts = []
    for count in ctx.counts:
        parts.append(list(rest[:count]))
        rest = rest[count:]
    weight, seed, lora = parts
    found = lora_linear_backward(grads[0], x_TI, list(rest), weight, lora, ctx.scale, seed, ctx.dropout)
    return found[0], [None] * len(weight), None, found[1:], None, None, [None] * len(seed), None


lora_linear.register_autograd(_backward, setup_context=_keep)


class LoraLinear(torch.nn.Module):
    """In place of a torch.nn.Linear; the adapter's factors are float32, the arithmetic is in x's dtype.

    `seed` () int64 is that of the dropout, given from outside (`seeds`); None: each call draws its own.
    """

    def __init__(self, weight: Stored, bias: torch.Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.weight = weight
        self.register_buffer("bias", None if bias is None else bias.detach())
        self.lora_A: torch.nn.Parameter | None = None
        self.lora_B: torch.nn.Parameter | None = None
        self.scale = self.dropout = 0.0
        self.seed: torch.Tensor | None = None

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
        dropping = len(lora) > 0 and self.dropout > 0 and self.training
        seed: Tensors = []
        if dropping:
            seed = [torch.randint(SEEDS, (), device=x.device) if self.seed is None else self.seed]
        y_TO: torch.Tensor = lora_linear(
            x_TI, self.weight.parts, self.bias, lora, self.out_features, self.scale, seed, self.dropout
        )[0]
        return y_TO.view(*x.shape[:-1], self.out_features)


def seeds(module: torch.nn.Module, device: torch.device) -> torch.Tensor | None:
    """The seeds of all layers' dropout (L,), to be filled before each forward pass; None where nothing is dropped."""
    layers = [part for part in module.modules() if isinstance(part, LoraLinear) and part.dropout > 0]
    seeds_L = torch.zeros(len(layers), dtype=torch.int64, device=device)
    for layer, seed in zip(layers, seeds_L, strict=True):
        layer.seed = seed
    return seeds_L if layers else None
