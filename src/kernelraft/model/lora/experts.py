"""The fused experts of a mixture, frozen and in 4 bits where asked, with adapters of their own.

Families: AFMoE, Qwen3-MoE (and all whose experts hold gate_up_proj (E, 2I, D), down_proj (E, D, I)), gpt-oss.
"""

import math
from typing import Any

import torch

from kernelraft.model.lora import LoraShape
from kernelraft.model.lora.experts_op import lora_experts
from kernelraft.model.lora.stored import Stored

NAMES = ("gate_up_proj", "down_proj")


def is_experts(module: torch.nn.Module) -> bool:
    """Whether a module of transformers holds fused experts."""
    return all(getattr(getattr(module, name, None), "ndim", 0) == 3 for name in NAMES)


class LoraExperts(torch.nn.Module):
    """In place of a family's experts; called with (T, D) tokens, (T, K) experts of each and their weights."""

    def __init__(self, source: Any, gate_up: Stored, down: Stored) -> None:
        super().__init__()
        self.transposed = gate_up.shape[1] == down.shape[2]  # (E, D, 2I) and (E, I, D)
        experts, *_ = gate_up.shape
        self.width, self.inner = down.shape[:0:-1] if self.transposed else down.shape[1:]
        self.sizes = [experts, self.inner, self.width, int(self.transposed), int(hasattr(source, "limit"))]
        self.limits = [float(getattr(source, "alpha", 1.0)), float(getattr(source, "limit", math.inf))]
        self.gate_up_proj, self.down_proj = gate_up, down
        self.biased = hasattr(source, "gate_up_proj_bias")
        if self.biased:
            self.register_buffer("gate_up_bias", source.gate_up_proj_bias.detach())
            self.register_buffer("down_bias", source.down_proj_bias.detach())
        self.lora = torch.nn.ParameterList()
        self.scale = 0.0
        self.pieces = 1

    def adapt(self, shape: LoraShape) -> None:
        """Add adapters of rank `expert_rank` that change nothing yet."""
        assert shape.expert_rank is not None
        experts, rank, device = self.sizes[0], shape.expert_rank, self.gate_up_proj.parts[0].device
        self.scale = shape.alpha / shape.rank
        for inputs, outputs in ((self.width, 2 * self.inner), (self.inner, self.width)):
            bound = 1 / math.sqrt(inputs)
            self.lora.append(
                torch.nn.Parameter(torch.empty(experts, rank, inputs, device=device).uniform_(-bound, bound))
            )
            self.lora.append(torch.nn.Parameter(torch.zeros(experts, outputs, rank, device=device)))

    def forward(self, x: torch.Tensor, index: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """(T, D) -> (T, D)."""
        apart = int(not torch.is_grad_enabled())
        biases = [self.gate_up_bias.to(x), self.down_bias.to(x)] if self.biased else []
        out: list[torch.Tensor] = lora_experts(
            x, index, weights, self.gate_up_proj.parts, self.down_proj.parts, biases,
            [factor.to(x) for factor in self.lora], [*self.sizes, apart, self.pieces], self.limits, self.scale,
        )  # fmt: skip
        return out[0]
