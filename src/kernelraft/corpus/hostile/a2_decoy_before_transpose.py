# task: h_transpose
# category: A2 decoy: one element touched by a kernel, all of them moved by torch
# expect: NOT_TRITON or UNSUPPORTED
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def touch_kernel(out_ptr):
    tl.store(out_ptr, tl.load(out_ptr))


class ModelNew(nn.Module):
    def forward(self, x):
        mine = x.t().contiguous()
        touch_kernel[(1,)](mine)
        return mine
