"""Cross-entropy of a block of logits and its gradient, which takes the logits' place.

C positions, V vocabulary.
"""

# Triton before 3.7 takes annotations of its kernels for values that they use: they have none.
# mypy: allow-untyped-defs, allow-incomplete-defs

import torch
import triton
import triton.language as tl

WIDE = 8192


@triton.jit  # type: ignore[untyped-decorator]
def _cross_entropy(logits, labels, losses, stride, vocabulary, N: tl.constexpr):
    """One row a program: a running logsumexp, then softmax - onehot over the row itself."""
    row = tl.program_id(0).to(tl.int64)
    start = logits + row * stride
    label = tl.load(labels + row)
    largest = tl.full((), -float("inf"), tl.float32)
    total = tl.full((), 0.0, tl.float32)
    for first in range(0, vocabulary, N):
        column = first + tl.arange(0, N)
        value = tl.load(start + column, mask=column < vocabulary, other=-float("inf")).to(tl.float32)
        higher = tl.maximum(largest, tl.max(value, 0))
        total = total * tl.exp(largest - higher) + tl.sum(tl.exp(value - higher), 0)
        largest = higher
    norm = largest + tl.log(total)
    tl.store(losses + row, norm - tl.load(start + label).to(tl.float32))
    for first in range(0, vocabulary, N):
        column = first + tl.arange(0, N)
        value = tl.load(start + column, mask=column < vocabulary, other=0.0).to(tl.float32)
        grad = tl.exp(value - norm) - tl.where(column == label, 1.0, 0.0)
        tl.store(start + column, grad.to(logits.dtype.element_ty), mask=column < vocabulary)


def cross_entropy(logits_CV: torch.Tensor, labels_C: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum of the losses (float32) and the gradient of it in the dtype of the logits, which it overwrites."""
    if logits_CV.is_cuda:
        return launch(logits_CV, labels_C)
    values_CV = logits_CV.float()
    label_C1 = labels_C[:, None]
    norm_C1 = values_CV.logsumexp(-1, keepdim=True)
    loss = (norm_C1 - values_CV.gather(1, label_C1)).sum()
    grad_CV = values_CV.sub_(norm_C1).exp_()
    grad_CV.scatter_add_(1, label_C1, torch.full_like(norm_C1, -1.0))
    return loss, grad_CV.to(logits_CV.dtype)


def launch(logits_CV: torch.Tensor, labels_C: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The kernel, of CUDA tensors (or of any, in Triton's interpreter)."""
    losses_C = torch.empty(len(labels_C), device=logits_CV.device, dtype=torch.float32)
    wide = min(WIDE, triton.next_power_of_2(logits_CV.shape[1]))
    _cross_entropy[(len(labels_C),)](
        logits_CV,
        labels_C,
        losses_C,
        logits_CV.stride(0),
        logits_CV.shape[1],
        N=wide,
        num_warps=16 if wide > 2048 else 4,
    )
    return losses_C.sum(), logits_CV
