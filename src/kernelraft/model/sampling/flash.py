"""Attention by torch's own FlashAttention kernel, which takes each row's length from the device.

B rows, S slots, P shared prompts, H query heads = G key heads x R, D width of a head.
"""

import logging
from typing import Any

import torch

from kernelraft.errors import first_line
from kernelraft.model.sampling.attention import Attended, Attention, Plain
from kernelraft.model.sampling.store import Grouping, Span, Store

log = logging.getLogger("kernelraft")


class Flash:
    """The fast form of `Plain`; the R queries of a key head are R rows of one query sequence."""

    @property
    def piece(self) -> None:
        return None

    def __init__(self) -> None:
        self._steps: dict[tuple[int, int, Any], torch.Tensor] = {}

    def rows(self, q_BGRD: torch.Tensor, store: Store, span: Span, scale: float) -> Attended:
        B, _, R, _ = q_BGRD.shape
        return self._attend(q_BGRD, self._multiples(B, R, q_BGRD.device), R, store, span, scale)

    def grouped(self, q_SGRD: torch.Tensor, store: Store, span: Span, scale: float, group: Grouping) -> Attended:
        """All slots of a prompt are one query sequence, so that the prompt's keys are read once."""
        S, _, R, _ = q_SGRD.shape
        out, weight = self._attend(q_SGRD[group.order], group.begins * R, S * R, store, span, scale)
        return out[group.back], weight[group.back]

    def _attend(
        self, q_BGRD: torch.Tensor, begins: torch.Tensor, most: int, store: Store, span: Span, scale: float
    ) -> Attended:
        B, G, R, D = q_BGRD.shape
        rows, length = store.k.shape[1], store.piece
        flat = (rows * G - G + 1) * length, G, D  # the last head of the last row ends where the memory ends
        strides = D, length * D, 1
        out, weight, *_ = torch.ops.aten._flash_attention_forward(
            q_BGRD.transpose(1, 2).reshape(B * R, G, D),
            store.k.as_strided(flat, strides), store.v.as_strided(flat, strides),
            begins, self._multiples(rows, G * length, q_BGRD.device), most, length, 0.0, False, False,
            scale=scale, seqused_k=span.used_B.to(torch.int32),
        )  # fmt: skip
        out = out.view(B, R, G, D).transpose(1, 2).float()
        return out, weight.view(G, B, R).transpose(0, 1).unsqueeze(-1)

    def _multiples(self, count: int, of: int, device: torch.device) -> torch.Tensor:
        key = count, of, device
        if key not in self._steps:
            self._steps[key] = torch.arange(count + 1, device=device, dtype=torch.int32) * of
        return self._steps[key]


def best(config: Any, dtype: torch.dtype, device: torch.device) -> Attention:
    """FlashAttention where it is there and gives what the plain form gives for heads of this shape."""
    if device.type != "cuda":
        return Plain()
    G = config.num_key_value_heads
    R = config.num_attention_heads // G
    D = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    try:
        error = max(_error(R, torch.randn(3, 2, G, 300, D, device=device, dtype=dtype)))
    except RuntimeError as refused:  # another build of torch, another head width
        log.warning("sampling without FlashAttention: %s", first_line(refused))
        return Plain()
    if error > 0.1:  # roundings of bfloat16 give a tenth of it, a wrong key ten times as much
        log.warning("sampling without FlashAttention: it differs from the plain form by %.3f", error)
        return Plain()
    return Flash()


def _error(R: int, random_3BGTD: torch.Tensor) -> list[float]:
    """Largest differences between the two forms, one query a row and several queries a row."""
    k, v, q = random_3BGTD
    forms: list[Attention] = [Plain(), Flash()]
    stores = [Store(2, k.shape[2], form.piece, k[0]) for form in forms]
    for store in stores:
        for row in range(2):
            store.fill(row, k[row], v[row])
    span = Span(torch.tensor([7, 200], device=k.device), k.shape[2], 4)
    group = Grouping(torch.tensor([1, 0, 1, 1], device=k.device), 2)
    q_SGRD = q[:, :, : 2 * R].reshape(4, -1, R, k.shape[3])
    answers = [
        (*form.rows(q_SGRD[:2], store, span, 0.1), *form.grouped(q_SGRD, store, span, 0.1, group))
        for form, store in zip(forms, stores, strict=True)
    ]
    return [float((a - b).abs().max()) for a, b in zip(*answers, strict=True)]
