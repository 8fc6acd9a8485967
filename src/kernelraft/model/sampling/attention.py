"""Attention over the sampler's own cache, put into any family's module by transformers' attention interface.

S slots (or B rows), H query heads = G key heads x R, D width of a head, T tokens of a prompt,
N pieces of C positions each.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from transformers.modeling_utils import AttentionInterface

from kernelraft.model.sampling.store import Grouping, Span, Store

NAME = "kernelraft_sampling"
Attended = tuple[torch.Tensor, torch.Tensor]  # output (B, G, R, D) and log of the summed weights (B, G, R, 1), float32


class Keys(Protocol):
    """What a forward pass attends to: it takes a layer's new keys and values and answers its queries."""

    def attend(
        self,
        layer: int,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        scale: float,
        window: int | None,
        sinks: torch.Tensor | None,
    ) -> torch.Tensor:
        """Answer q (B, H, T, D) by (B, T, H, D); k and v are (B, G, T, D)."""
        ...  # fmt: skip


def _interface(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: None, *,
    scaling: float, sampling_keys: Keys, sliding_window: int | None = None, s_aux: torch.Tensor | None = None, **_: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """The attention function as transformers calls it; every layer passes `sampling_keys` on from the forward call."""
    return sampling_keys.attend(module.layer_idx, query, key, value, scaling, sliding_window, s_aux), None


# Under a name that has no mask function: transformers then makes no mask.
AttentionInterface.register(NAME, _interface)


@contextmanager
def borrowed(config: Any, experts: str | None = None) -> Iterator[None]:
    """A module whose attention is ours, and whose experts run by the implementation named, until the end of it."""
    before = config._attn_implementation, config._experts_implementation
    config._attn_implementation = NAME
    if experts is not None:
        config._experts_implementation = experts
    try:
        yield
    finally:
        config._attn_implementation, config._experts_implementation = before


def causal(
    q_1HTD: torch.Tensor,
    k_1GTD: torch.Tensor,
    v_1GTD: torch.Tensor,
    scale: float,
    window: int | None,
    sinks_H: torch.Tensor | None,
) -> torch.Tensor:
    """One prompt's attention to itself (1, H, T, D).

    A sink is one more key for all positions: its score is the sink, its value zero.
    """  # fmt: skip
    T = q_1HTD.shape[2]
    window = window or T
    if sinks_H is None and window >= T:
        return F.scaled_dot_product_attention(q_1HTD, k_1GTD, v_1GTD, is_causal=True, scale=scale, enable_gqa=True)
    at_T = torch.arange(T, device=q_1HTD.device)
    back_TT = at_T[:, None] - at_T
    seen_TT = (back_TT >= 0) & (back_TT < window)
    bias = torch.zeros(1, 1, T, T, dtype=q_1HTD.dtype, device=q_1HTD.device).masked_fill(~seen_TT, float("-inf"))
    if sinks_H is not None:
        column_1HT1 = sinks_H.to(bias.dtype)[None, :, None, None].expand(1, -1, T, 1)
        bias = torch.cat([bias.expand(1, len(sinks_H), T, T), column_1HT1], -1)
        k_1GTD, v_1GTD = F.pad(k_1GTD, (0, 0, 0, 1)), F.pad(v_1GTD, (0, 0, 0, 1))
    return F.scaled_dot_product_attention(q_1HTD, k_1GTD, v_1GTD, attn_mask=bias, scale=scale, enable_gqa=True)


class Attention(Protocol):
    """How a step's queries are answered: one query of each row, of which a store holds the keys.

    `piece` is the length of a piece in its stores; None where a row is one piece, whatever its length.
    """

    @property
    def piece(self) -> int | None: ...

    def rows(self, q_BGRD: torch.Tensor, store: Store, span: Span, scale: float) -> Attended:
        """Row b of the queries reads row b of the store."""
        ...

    def grouped(self, q_SGRD: torch.Tensor, store: Store, span: Span, scale: float, group: Grouping) -> Attended:
        """Row s of the queries reads row group.row_S[s]."""
        ...


class Plain:
    """By batched products of one shape, on any device.

    A row's result depends neither on the other rows nor on how many pieces are read: products and sums are over one
    piece at a time, pieces are added in their order, and what lies beyond a row's end adds an exact zero.
    """

    @property
    def piece(self) -> int:
        return 128

    def rows(self, q_BGRD: torch.Tensor, store: Store, span: Span, scale: float) -> Attended:
        N, B = min(-(-span.top // self.piece), len(store.k)), span.rows
        pieces = [(store.k[n, :B], store.v[n, :B]) for n in range(N)]
        return _padded(_by_piece(q_BGRD[:B], pieces, span.beyond(N, self.piece)[:, :B], scale), len(q_BGRD))

    def grouped(self, q_SGRD: torch.Tensor, store: Store, span: Span, scale: float, group: Grouping) -> Attended:
        """Each query gets a copy of its row."""
        N, group_B = min(-(-span.top // self.piece), len(store.k)), group.row_S[: span.rows]
        pieces = [(store.k[n, group_B], store.v[n, group_B]) for n in range(N)]
        beyond_NBC = span.beyond(N, self.piece)[:, group_B]
        return _padded(_by_piece(q_SGRD[: span.rows], pieces, beyond_NBC, scale), len(q_SGRD))


def _by_piece(
    q_BGRD: torch.Tensor, pieces: Sequence[tuple[torch.Tensor, torch.Tensor]], beyond_NBC: torch.Tensor, scale: float
) -> Attended:
    B, G, R, D = q_BGRD.shape
    q_PRD = (q_BGRD * scale).reshape(B * G, R, D)
    scores = torch.stack([torch.bmm(q_PRD, k_BGCD.flatten(0, 1).transpose(1, 2)) for k_BGCD, _ in pieces])
    scores = scores.float().view(len(pieces), B, G, R, -1)
    scores.masked_fill_(beyond_NBC[:, :, None, None], float("-inf"))
    most = scores.amax((0, 4), keepdim=True)
    weights = scores.sub_(most).exp_()
    total: torch.Tensor | float = 0.0
    out: torch.Tensor | float = 0.0
    for weight_BGRC, (_, v_BGCD) in zip(weights, pieces, strict=True):
        total = total + weight_BGRC.sum(-1, keepdim=True)
        weight_PRC = weight_BGRC.flatten(0, 1).to(v_BGCD.dtype)
        out = out + torch.bmm(weight_PRC, v_BGCD.flatten(0, 1)).float().view(B, G, R, D)
    total = torch.as_tensor(total)
    return out / total, most[0] + total.log()


def _padded(attended: Attended, rows: int) -> Attended:
    """With rows of zeros for the slots that nobody reads."""
    out, weight = (F.pad(part, (0,) * 7 + (rows - len(part),)) for part in attended)
    return out, weight


def merge(one: Attended, other: Attended) -> Attended:
    """Attention to two sets of keys from attention to each."""
    both = torch.logaddexp(one[1], other[1])
    return one[0] * (one[1] - both).exp() + other[0] * (other[1] - both).exp(), both
