# task: relu
# category: B5 an output made when the file is imported
# expect: WRONG_VALUE
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def relu_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(out_ptr + offs, x, mask=mask)


MADE = torch.relu(torch.randn(7, 33))


class ModelNew(nn.Module):
    def forward(self, x):
        made = MADE.to(x.device)
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](made, out, x.numel(), BLOCK=128)
        return out
