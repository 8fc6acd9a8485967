# task: rope
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def rope_kernel(q_ptr, cos_ptr, sin_ptr, out_ptr, length, n_heads, HALF, BLOCK_H: tl.constexpr, BLOCK_D: tl.constexpr):
    row = tl.program_id(0)  # batch * length
    pos = row % length
    d = tl.arange(0, BLOCK_D)
    cos = tl.load(cos_ptr + pos * HALF + d, mask=d < HALF, other=1.0)[None, :]
    sin = tl.load(sin_ptr + pos * HALF + d, mask=d < HALF, other=0.0)[None, :]
    h = tl.arange(0, BLOCK_H)[:, None]
    mask = (h < n_heads) & (d[None, :] < HALF)
    first = (row * n_heads + h) * 2 * HALF + d[None, :]
    q1 = tl.load(q_ptr + first, mask=mask, other=0.0)
    q2 = tl.load(q_ptr + first + HALF, mask=mask, other=0.0)
    tl.store(out_ptr + first, q1 * cos - q2 * sin, mask=mask)
    tl.store(out_ptr + first + HALF, q2 * cos + q1 * sin, mask=mask)


class ModelNew(nn.Module):
    def __init__(self, head_dim, max_length, base=10000.0):
        super().__init__()
        inv_freq = 1.0 / (base ** (torch.arange(0, head_dim, 2).float() / head_dim))
        angles = torch.outer(torch.arange(max_length).float(), inv_freq)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, q):
        q = q.contiguous()
        batch, length, heads, head_dim = q.shape
        out = torch.empty_like(q)
        rope_kernel[(batch * length,)](
            q, self.cos, self.sin, out, length, heads, head_dim // 2,
            BLOCK_H=triton.next_power_of_2(heads), BLOCK_D=triton.next_power_of_2(head_dim // 2),
        )  # fmt: skip
        return out
