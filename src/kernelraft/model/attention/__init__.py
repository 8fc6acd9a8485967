"""Attention by document over one padding-free row of many: the mask of transformers is not asked.

Some families build their masks without position ids (AFMoE, gpt-oss), and packed documents then see each other.
T positions of all documents, N documents of at most L, H heads, G key heads, D width of a head.
"""

import inspect
from typing import Any

import torch
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention

from kernelraft.model.attention import op

NAME = "kernelraft_documents"
_GROUPED: Any = {"enable_gqa": True} if "enable_gqa" in inspect.signature(varlen_attn).parameters else {}


def use_documents(module: Any) -> None:
    """Have a model of transformers attend by document; its forward then needs what `documents` gives."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attention)
    module.set_attn_implementation(NAME)


def documents(ends: torch.Tensor, longest: int, tokens: int) -> dict[str, Any]:
    """The decoder's arguments that say where documents end; the mask is one that it takes as ready, and unused."""
    mask = torch.empty(1, 1, 1, 1, device=ends.device)
    bounds_2T = op.bounds(ends, tokens) if ends.is_cuda else None
    return {"attention_mask": mask, "cu_seq_lens_q": ends, "max_length_q": longest, "document_bounds": bounds_2T}


def _attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: torch.Tensor,
    scaling: float | None = None, dropout: float = 0.0, sliding_window: int | None = None,
    s_aux: torch.Tensor | None = None, *, cu_seq_lens_q: torch.Tensor, max_length_q: int,
    document_bounds: torch.Tensor | None = None, **_: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """Transformers' interface: query (1, H, T, D), key and value (1, G, T, D) -> (1, T, H, D)."""
    q_THD, k_TGD, v_TGD = (part[0].transpose(0, 1) for part in (query, key, value))
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    fused = query.is_cuda and query.dtype in (torch.bfloat16, torch.float16)
    if fused and query.shape[-1] in op.WIDTHS:
        bounds_2T = op.bounds(cu_seq_lens_q, query.shape[2]) if document_bounds is None else document_bounds
        out_THD: torch.Tensor = op.attend(q_THD, k_TGD, v_TGD, bounds_2T, scale, sliding_window, s_aux)[0]
    elif fused and s_aux is None:
        out_THD = _flash(q_THD, k_TGD, v_TGD, cu_seq_lens_q, max_length_q, scale, sliding_window)
    else:
        out_THD = by_document(q_THD, k_TGD, v_TGD, cu_seq_lens_q, scale, sliding_window, s_aux)
    return out_THD[None], None


def by_document(
    q_THD: torch.Tensor, k_TGD: torch.Tensor, v_TGD: torch.Tensor, ends: torch.Tensor, scale: float,
    window: int | None = None, sinks_H: torch.Tensor | None = None,
) -> torch.Tensor:  # fmt: skip
    """Causal attention of each position to its own document's last `window`, in plain operators on any device.

    Documents lie side by side, padded on the right, where causality keeps padding out of sight.

    Args:
        q_THD: queries.
        k_TGD: keys; each serves H/G heads.
        v_TGD: values.
        ends: (N + 1,) int32, 0 and where each document ends; T in the end.
        scale: of the scores.
        window: how many positions are seen, the own one included; None: all.
        sinks_H: a score a head that takes part in the softmax and gives nothing (gpt-oss).
    """
    lengths_N = ends.diff()
    lengths_N = lengths_N[lengths_N > 0]
    longest = int(lengths_N.max())
    column_L = torch.arange(longest, device=ends.device)
    inside_NL = column_L < lengths_N[:, None]
    index_NL = ((lengths_N.cumsum(0) - lengths_N)[:, None] + column_L).clamp(max=len(q_THD) - 1)
    groups = q_THD.shape[1] // k_TGD.shape[1]
    q, k, v = (part[index_NL].transpose(1, 2) for part in (q_THD, k_TGD, v_TGD))
    k, v = (part.repeat_interleave(groups, 1) if groups > 1 else part for part in (k, v))
    if sinks_H is None and (window is None or window >= longest):
        out = scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
    else:
        distance_LL = column_L[:, None] - column_L
        seen_LL = (distance_LL >= 0) & (distance_LL < (window or longest))
        out = _plain(q, k, v, seen_LL, scale, sinks_H)
    return out.transpose(1, 2)[inside_NL]


def _plain(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, seen_LL: torch.Tensor, scale: float, sinks_H: torch.Tensor | None
) -> torch.Tensor:
    if sinks_H is None:
        return scaled_dot_product_attention(q, k, v, attn_mask=seen_LL, scale=scale)
    scores = (q @ k.mT * scale).masked_fill(~seen_LL, torch.finfo(q.dtype).min)
    sinks = sinks_H.to(scores).view(1, -1, 1, 1).expand(*scores.shape[:-1], 1)
    share = torch.cat([scores, sinks], -1).softmax(-1, dtype=torch.float32)[..., :-1]
    return share.to(v) @ v


def _flash(
    q_THD: torch.Tensor, k_TGD: torch.Tensor, v_TGD: torch.Tensor, ends: torch.Tensor, longest: int, scale: float,
    window: int | None,
) -> torch.Tensor:  # fmt: skip
    """Torch's own variable-length FlashAttention."""
    sides = (-1, 0) if window is None else (window - 1, 0)
    out: torch.Tensor = varlen_attn(  # type: ignore[assignment]
        q_THD, k_TGD, v_TGD, ends, ends, longest, longest, scale=scale, window_size=sides, **_GROUPED
    )
    return out
