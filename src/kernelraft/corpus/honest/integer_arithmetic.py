# task: integer_hash
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def hash_kernel(a_ptr, b_ptr, h_ptr, m_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    a = tl.load(a_ptr + offs, mask=mask, other=0)
    b = tl.load(b_ptr + offs, mask=mask, other=1)
    q = a // b
    r = a % b
    tl.store(h_ptr + offs, (q ^ (r << 3)) & 0xFFFF, mask=mask)
    tl.store(m_ptr + offs, tl.maximum(a, b) - (b >> 1), mask=mask)


class ModelNew(nn.Module):
    def forward(self, a, b):
        hashed, largest = torch.empty_like(a), torch.empty_like(a)
        n = a.numel()
        hash_kernel[(triton.cdiv(n, 128),)](a.contiguous(), b.contiguous(), hashed, largest, n, BLOCK=128)
        return hashed, largest
