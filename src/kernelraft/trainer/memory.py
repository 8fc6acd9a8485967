"""How much memory a training will take, from shapes alone: before its weights are loaded, on any machine.

A forward pass on torch's meta device says what each layer keeps for its backward pass; nothing is computed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.func import functional_call

from kernelraft.model.attention import documents
from kernelraft.model.layers import layers_of
from kernelraft.model.lora.experts import is_experts
from kernelraft.model.lora.stored import Stored
from kernelraft.model.memory import size
from kernelraft.trainer.inventory import take, total_bytes
from kernelraft.trainer.loss import CHUNK
from kernelraft.trainer.settings import LoopSettings

COMPILED = 0.65  # of what a layer keeps: 0.56 of Llama 8B, 0.65 of Trinity, by speed.compile_layers
_STATE = {"adamw": 8, "adamw_8bit": 2, "muon": 4}  # bytes of a trained weight
_SHAPES = "kernelraft_shapes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Bytes at the peak, by what takes them; `layers` where none is run again, `layer_input` where one is."""

    weights: int
    optimizer: int
    layer: int
    layer_input: int
    count: int
    around: int

    def peak(self, recomputed: int) -> int:
        """With so many layers run again."""
        kept = (self.count - recomputed) * self.layer + recomputed * self.layer_input
        again = self.layer if recomputed else 0
        return self.weights + self.optimizer + kept + again + self.around

    def least_recomputed(self, room: int) -> int | None:
        """How few layers must be run again to stay within `room`, None where all are too few."""
        return next((k for k in range(self.count + 1) if self.peak(k) <= room), None)

    def __str__(self) -> str:
        return (
            f"{size(self.peak(self.count))} with all layers recomputed to {size(self.peak(0))} with none: weights "
            f"{size(self.weights)}, gradients and optimiser {size(self.optimizer)}, each of {self.count} layers "
            f"{size(self.layer)}, else {size(self.around)}"
        )


def estimate(module: Any, settings: LoopSettings, *, compiled: bool) -> Estimate:
    """Of a model with its adapters, on any device; for a batch of `tokens`, or of `batch_size` longest examples."""
    tokens = settings.tokens or settings.batch_size * settings.max_length
    rows = take(module)
    trained = sum(
        p.numel() * (p.element_size() + _STATE[settings.optimizer]) for p in module.parameters() if p.requires_grad
    )
    width, head = module.config.get_text_config().hidden_size, module.get_output_embeddings().weight
    size = head.element_size()
    unpacked = max((torch.Size(p.shape).numel() * size for p in module.modules() if isinstance(p, Stored)), default=0)
    count = len(layers_of(module))
    layer = _kept_by_layers(module, tokens, head.dtype) // count
    return Estimate(
        weights=total_bytes(rows), optimizer=trained, count=count,
        layer=int(layer * (COMPILED if compiled else 1)), layer_input=tokens * width * size,
        around=CHUNK * head.shape[0] * size + 4 * tokens * width * size + unpacked,
    )  # fmt: skip


def _kept_by_layers(module: Any, tokens: int, dtype: torch.dtype) -> int:
    """Bytes that the layers' backward pass needs, weights apart."""
    body = module.get_decoder()
    # torch's grouped product has no shapes in float32: half of it is counted, twice
    narrow = dtype is torch.float32 and any(map(is_experts, body.modules()))
    dtype = torch.bfloat16 if narrow else dtype
    named = (*body.named_parameters(), *body.named_buffers())
    state = {name: _on_meta(part, narrow=narrow) for name, part in named}
    for name, parameter in body.named_parameters():
        state[name].requires_grad_(parameter.requires_grad)
    weights = {part.untyped_storage()._cdata for part in state.values()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage
        return tensor

    width = module.config.get_text_config().hidden_size
    embedded = torch.empty(1, tokens, width, dtype=dtype, device="meta", requires_grad=True)
    places = torch.empty(1, tokens, dtype=torch.long, device="meta")
    ends = torch.empty(2, dtype=torch.int32, device="meta")
    given = {"inputs_embeds": embedded, "position_ids": places, "use_cache": False}
    with _attention_by_shape(module), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = functional_call(body, state, kwargs=given | documents(ends, tokens, tokens))
    del out
    return (2 if narrow else 1) * sum(storage.nbytes() for storage in kept.values())


def _on_meta(part: torch.Tensor, *, narrow: bool) -> torch.Tensor:
    shape = part.detach().to("meta")
    return shape.bfloat16() if narrow and shape.dtype is torch.float32 else shape


@contextmanager
def _attention_by_shape(module: Any) -> Iterator[None]:
    """Attention that keeps what FlashAttention keeps, and computes nothing."""
    from transformers import AttentionInterface

    AttentionInterface.register(_SHAPES, _shapes)
    before = module.config._attn_implementation
    module.set_attn_implementation(_SHAPES)
    try:
        yield
    finally:
        module.set_attn_implementation(before)


def _shapes(module: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> tuple[torch.Tensor, None]:
    return _Shapes.apply(query, key, value).transpose(1, 2), None  # type: ignore[no-untyped-call]


class _Shapes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(query)
        ctx.save_for_backward(query, key, value, out)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, ...]:
        raise NotImplementedError  # nothing is ever taken back through it
