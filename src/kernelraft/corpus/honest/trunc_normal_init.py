# task: layer_scale
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def layer_scale_kernel(x_ptr, branch_ptr, gamma_ptr, y_ptr, n, dim, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    branch = tl.load(branch_ptr + offs, mask=mask)
    gamma = tl.load(gamma_ptr + offs % dim, mask=mask)
    tl.store(y_ptr + offs, x + gamma * branch, mask=mask)


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(dim))
        nn.init.trunc_normal_(self.gamma, std=0.5)

    def forward(self, x, branch):
        y = torch.empty_like(x)
        n = x.numel()
        layer_scale_kernel[(triton.cdiv(n, 128),)](
            x.contiguous(), branch.contiguous(), self.gamma, y, n, x.shape[-1], BLOCK=128
        )
        return y
