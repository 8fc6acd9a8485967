# task: mse_loss
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def partial_sums_kernel(p_ptr, t_ptr, partial_ptr, n, BLOCK: tl.constexpr):
    pid = tl.program_id(0)
    offs = pid * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    diff = tl.load(p_ptr + offs, mask=mask, other=0.0) - tl.load(t_ptr + offs, mask=mask, other=0.0)
    tl.store(partial_ptr + pid, tl.sum(diff * diff, axis=0))


@triton.jit
def final_kernel(partial_ptr, out_ptr, n_partials, n, BLOCK: tl.constexpr):
    acc = tl.zeros((BLOCK,), dtype=tl.float32)
    for start in range(0, n_partials, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        acc += tl.load(partial_ptr + offs, mask=offs < n_partials, other=0.0)
    tl.store(out_ptr, tl.sum(acc, axis=0) / n)


class ModelNew(nn.Module):
    """Partial sums of blocks, then one program that adds them: the same result every time."""

    def forward(self, predictions, targets):
        predictions = predictions.contiguous()
        targets = targets.contiguous()
        n = predictions.numel()
        n_partials = triton.cdiv(n, 512)
        partial = torch.empty((n_partials,), device=predictions.device, dtype=torch.float32)
        out = torch.empty((1,), device=predictions.device, dtype=torch.float32)
        partial_sums_kernel[(n_partials,)](predictions, targets, partial, n, BLOCK=512)
        final_kernel[(1,)](partial, out, n_partials, n, BLOCK=128)
        return out[0]
