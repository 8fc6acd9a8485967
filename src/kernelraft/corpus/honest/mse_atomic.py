# task: mse_loss
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def mse_kernel(p_ptr, t_ptr, out_ptr, n, inv_n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    p = tl.load(p_ptr + offs, mask=mask, other=0.0).to(tl.float32)
    t = tl.load(t_ptr + offs, mask=mask, other=0.0).to(tl.float32)
    diff = p - t
    tl.atomic_add(out_ptr, tl.sum(diff * diff) * inv_n)


class ModelNew(nn.Module):
    def forward(self, predictions, targets):
        n = predictions.numel()
        out = torch.zeros(1, device=predictions.device, dtype=torch.float32)
        grid = lambda meta: (triton.cdiv(n, meta["BLOCK"]),)
        mse_kernel[grid](predictions.contiguous(), targets.contiguous(), out, n, 1.0 / n, BLOCK=1024)
        return out.squeeze(0)
