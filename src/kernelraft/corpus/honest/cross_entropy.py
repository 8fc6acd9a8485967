# task: cross_entropy
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def row_loss_kernel(logits_ptr, target_ptr, loss_ptr, stride, n_classes, BLOCK: tl.constexpr):
    """log(sum(exp(x))) - x[target] of one row, shifted by its maximum."""
    row = tl.program_id(0)
    target = tl.load(target_ptr + row)
    cols = tl.arange(0, BLOCK)
    x = tl.load(logits_ptr + row * stride + cols, mask=cols < n_classes, other=-float("inf"))
    x_max = tl.max(x, axis=0)
    lse = tl.log(tl.sum(tl.exp(x - x_max), axis=0)) + x_max
    picked = tl.load(logits_ptr + row * stride + target)
    tl.store(loss_ptr + row, lse - picked)


@triton.jit
def mean_kernel(loss_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.arange(0, BLOCK)
    losses = tl.load(loss_ptr + offs, mask=offs < n, other=0.0)
    tl.store(out_ptr, tl.sum(losses, axis=0) / n)


class ModelNew(nn.Module):
    def forward(self, predictions, targets):
        n, n_classes = predictions.shape
        losses = torch.empty(n, device=predictions.device, dtype=torch.float32)
        out = torch.empty((), device=predictions.device, dtype=predictions.dtype)
        row_loss_kernel[(n,)](
            predictions, targets, losses, predictions.stride(0), n_classes, BLOCK=triton.next_power_of_2(n_classes)
        )
        mean_kernel[(1,)](losses, out, n, BLOCK=triton.next_power_of_2(n))
        return out
