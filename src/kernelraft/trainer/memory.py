"""How much memory a training will take, from shapes alone: before its weights are loaded, on any machine.

A forward pass on torch's meta device says what each layer keeps for its backward pass; nothing is computed.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch.func import functional_call

from kernelraft.model.attention import documents, op
from kernelraft.model.layers import layers_of
from kernelraft.model.lora.experts import LoraExperts, is_experts
from kernelraft.model.lora.stored import Stored
from kernelraft.model.memory import size
from kernelraft.trainer.inventory import take, total_bytes
from kernelraft.trainer.loss import CHUNK
from kernelraft.trainer.settings import LoopSettings
from kernelraft.trainer.speed import PIECES, keep_little

_STATE = {"adamw": 8, "adamw_8bit": 2, "muon": 4}  # bytes of a trained weight
_SHAPES = "kernelraft_shapes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Bytes at the peak, by what takes them: a `layer` that is not run again, or its `layer_input` where it is.

    `unpacked`: the largest weight of a layer; a `piece` of it where all layers are run again.
    """

    weights: int
    optimizer: int
    layer: int
    layer_input: int
    count: int
    around: int
    unpacked: int
    piece: int

    def peak(self, recomputed: int) -> int:
        """With so many layers run again."""
        kept = (self.count - recomputed) * self.layer + recomputed * self.layer_input
        again = self.layer if recomputed else 0
        unpacked = self.piece if recomputed == self.count else self.unpacked
        return self.weights + self.optimizer + kept + again + self.around + unpacked

    def least_recomputed(self, room: int) -> int | None:
        """How few layers must be run again to stay within `room`, None where all are too few."""
        return next((k for k in range(self.count + 1) if self.peak(k) <= room), None)

    def __str__(self) -> str:
        return (
            f"{size(self.peak(self.count))} with all layers recomputed to {size(self.peak(0))} with none: weights "
            f"{size(self.weights)}, gradients and optimiser {size(self.optimizer)}, each of {self.count} layers "
            f"{size(self.layer)}, else {size(self.around + self.unpacked)}"
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
    count = len(layers_of(module))
    with _as_compiled(module) if compiled else nullcontext():
        layers = _kept_by_layers(module, tokens, head.dtype)
    return Estimate(
        weights=total_bytes(rows), optimizer=trained, count=count, layer=layers // count,
        layer_input=tokens * width * size, around=CHUNK * head.shape[0] * size + 4 * tokens * width * size,
        unpacked=_unpacked(module, 1) * size, piece=_unpacked(module, PIECES) * size,
    )  # fmt: skip


def _unpacked(module: Any, pieces: int) -> int:
    """Numbers of the largest weight that is unpacked at a time, those of experts in so many pieces."""
    cut = {part for owner in module.modules() if isinstance(owner, LoraExperts) for part in owner.modules()}
    sizes = (
        prod(part.shape) // (pieces if part in cut else 1) for part in module.modules() if isinstance(part, Stored)
    )
    return max(sizes, default=0)


@contextmanager
def _as_compiled(module: Any) -> Iterator[None]:
    """Layers keep what the compiler would have them keep; nothing is generated, and nothing of it stays."""
    keep_little()
    layers = layers_of(module)
    for layer in layers:
        layer.forward = torch.compile(layer.forward, backend="aot_eager_decomp_partition", dynamic=False)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
        torch._dynamo.reset()


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
    """The attention of a GPU, of which the shapes alone are asked."""
    from transformers import AttentionInterface

    AttentionInterface.register(_SHAPES, _shapes)
    before = module.config._attn_implementation
    module.set_attn_implementation(_SHAPES)
    try:
        yield
    finally:
        module.set_attn_implementation(before)


def _shapes(
    module: Any, query: Any, key: Any, value: Any, *_: Any, s_aux: Any = None, **__: Any
) -> tuple[torch.Tensor, None]:
    q_THD, k_TGD, v_TGD = (part[0].transpose(0, 1) for part in (query, key, value))
    bounds_2T = torch.empty(2, query.shape[2], dtype=torch.int32, device="meta")
    return op.attend(q_THD, k_TGD, v_TGD, bounds_2T, 1.0, None, s_aux)[0][None], None
