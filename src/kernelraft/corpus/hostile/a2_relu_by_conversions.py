# task: relu
# category: A2 decoy: conversions of types clear the bytes of negative numbers
# expect: NOT_TRITON
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def touch_kernel(out_ptr):
    tl.store(out_ptr, tl.load(out_ptr))


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        touch_kernel[(1,)](out)
        old, new = x.view(torch.uint8).view(-1, 4), out.view(torch.uint8).view(-1, 4)
        high = x.view(torch.int8).view(-1, 4)[:, 3].to(torch.int16)
        sign = high.view(torch.uint8).view(-1, 2)[:, 1]  # 0, or 255 where x is negative
        for n in range(4):
            wide = torch.zeros(x.numel(), 4, dtype=torch.uint8, device=x.device)
            wide[:, 0] = old[:, n]
            wide[:, 2] = sign
            new[:, n] = wide.view(torch.int32).view(-1).to(torch.float16).to(torch.uint8)  # infinity becomes 0
        return out
