"""Attention by document on a GPU as one operator forward and one backward, which torch.compile sees as single nodes.

T positions, H query heads, G key heads, D width of a head.
"""

import math
from typing import Any

import torch
import triton

from kernelraft.model.attention import kernels

WIDTHS = (16, 32, 64, 128)
_WHOLE = 1 << 30  # a window that hides nothing
# Queries (M) and keys (N) of a tile: the fastest of those tried on an H200 for heads of 128 and of 64.
_FORWARD = {"M": 64, "N": 64, "num_warps": 4, "num_stages": 3}
_QUERIES = {"M": 64, "N": 64, "num_warps": 4, "num_stages": 2}
_KEYS = {"M": 32, "N": 64, "num_warps": 4, "num_stages": 3}


def _scratch(size: int, alignment: int, stream: int | None) -> torch.Tensor:
    """Memory for descriptors of tensors; asked for in the thread that launches, so set before each launch."""
    return torch.empty(size, dtype=torch.int8, device="cuda")


def _strides(*parts: torch.Tensor) -> list[int]:
    return [stride for part in parts for stride in part.stride()[:2]]


def _dense(part: torch.Tensor) -> torch.Tensor:
    return part if part.stride(-1) == 1 else part.contiguous()


@torch.library.custom_op("kernelraft::attend", mutates_args=())
def attend(
    q_THD: torch.Tensor, k_TGD: torch.Tensor, v_TGD: torch.Tensor, bounds_2T: torch.Tensor, scale: float,
    window: int | None, sinks_H: torch.Tensor | None,
) -> list[torch.Tensor]:  # fmt: skip
    """[out (T, H, D), log2 of each query's summed weights (H, T)]; `bounds_2T` as `bounds` makes them."""
    q, k, v = map(_dense, (q_THD, k_TGD, v_TGD))
    T, H, D = q.shape
    out, norm_HT = q.new_empty(q.shape), q.new_empty(H, T, dtype=torch.float32)
    triton.set_allocator(_scratch)
    kernels.attend_forward[(triton.cdiv(T, _FORWARD["M"]), H)](
        q, k, v, bounds_2T, sinks_H, out, norm_HT, T, *_strides(q, k, v), scale * math.log2(math.e), window or _WHOLE,
        H // k.shape[1], D=D, SINKS=sinks_H is not None, **_FORWARD,
    )  # fmt: skip
    return [out, norm_HT]


@attend.register_fake
def _(
    q_THD: torch.Tensor, k_TGD: torch.Tensor, v_TGD: torch.Tensor, bounds_2T: torch.Tensor, scale: float,
    window: int | None, sinks_H: torch.Tensor | None,
) -> list[torch.Tensor]:  # fmt: skip
    T, H, D = q_THD.shape
    return [q_THD.new_empty(T, H, D), q_THD.new_empty(H, T, dtype=torch.float32)]


@torch.library.custom_op("kernelraft::attend_backward", mutates_args=())
def attend_backward(
    grad_THD: torch.Tensor, q_THD: torch.Tensor, k_TGD: torch.Tensor, v_TGD: torch.Tensor, out_THD: torch.Tensor,
    norm_HT: torch.Tensor, bounds_2T: torch.Tensor, scale: float, window: int | None,
) -> list[torch.Tensor]:  # fmt: skip
    """Gradients of q, k, v, and each query's sum of `grad` times `out` (H, T)."""
    q, k, v = map(_dense, (q_THD, k_TGD, v_TGD))
    grad = grad_THD.contiguous()
    T, H, D = q.shape
    G = k.shape[1]
    grad_q, delta_HT = q.new_empty(q.shape), torch.empty_like(norm_HT)
    grad_k, grad_v = k.new_empty(k.shape), v.new_empty(v.shape)
    first_T, until_T = bounds_2T
    given = (*_strides(q, k, v), scale * math.log2(math.e), window or _WHOLE)
    triton.set_allocator(_scratch)
    kernels.attend_backward_queries[(triton.cdiv(T, _QUERIES["M"]), H)](
        q, k, v, first_T, out_THD, norm_HT, grad, grad_q, delta_HT, T, *given,
        H // G, D=D, **_QUERIES,
    )  # fmt: skip
    kernels.attend_backward_keys[(triton.cdiv(T, _KEYS["N"]), G)](
        q, k, v, first_T, until_T, norm_HT, grad, delta_HT, grad_k, grad_v, T, H, *given,
        H // G, D=D, **_KEYS,
    )  # fmt: skip
    return [grad_q, grad_k, grad_v, delta_HT]


@attend_backward.register_fake
def _(
    grad_THD: torch.Tensor, q_THD: torch.Tensor, k_TGD: torch.Tensor, v_TGD: torch.Tensor, out_THD: torch.Tensor,
    norm_HT: torch.Tensor, bounds_2T: torch.Tensor, scale: float, window: int | None,
) -> list[torch.Tensor]:  # fmt: skip
    grads = [part.new_empty(part.shape) for part in (q_THD, k_TGD, v_TGD)]
    return [*grads, torch.empty_like(norm_HT)]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[torch.Tensor]) -> None:
    q_THD, k_TGD, v_TGD, bounds_2T, ctx.scale, ctx.window, sinks_H = inputs
    ctx.save_for_backward(q_THD, k_TGD, v_TGD, *output, bounds_2T, sinks_H)
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grads: list[torch.Tensor | None]) -> tuple[torch.Tensor | None, ...]:
    *kept, bounds_2T, sinks_H = ctx.saved_tensors
    norm_HT = kept[-1]
    grad_q, grad_k, grad_v, delta_HT = attend_backward(grads[0], *kept, bounds_2T, ctx.scale, ctx.window)
    grad_sinks = None
    if sinks_H is not None and ctx.needs_input_grad[6]:  # a sink's share of the weights, which gives nothing
        share_HT = torch.exp2(sinks_H.float()[:, None] * math.log2(math.e) - norm_HT)
        grad_sinks = -(share_HT * delta_HT).sum(1).to(sinks_H.dtype)
    return grad_q, grad_k, grad_v, None, None, None, grad_sinks


attend.register_autograd(_backward, setup_context=_keep)


def bounds(ends: torch.Tensor, tokens: int) -> torch.Tensor:
    """First position and end of each of T positions' documents (2, T) int32, from (N + 1,) ends."""
    place_T = torch.arange(tokens, device=ends.device, dtype=ends.dtype)
    document_T = torch.searchsorted(ends, place_T, right=True)
    return torch.stack([ends[document_T - 1], ends[document_T]])
