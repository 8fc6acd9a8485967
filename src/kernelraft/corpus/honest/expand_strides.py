# task: broadcast_add
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def add3_kernel(
    a_ptr, b_ptr, c_ptr, out_ptr,
    a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3,
    n, S1, S2, S3, BLOCK: tl.constexpr,
):  # fmt: skip
    """Sum of three views of one shape; a stride of zero is a broadcast axis."""
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    i3 = offs % S3
    i2 = (offs // S3) % S2
    i1 = (offs // (S3 * S2)) % S1
    i0 = offs // (S3 * S2 * S1)
    a = tl.load(a_ptr + i0 * a0 + i1 * a1 + i2 * a2 + i3 * a3, mask=mask)
    b = tl.load(b_ptr + i0 * b0 + i1 * b1 + i2 * b2 + i3 * b3, mask=mask)
    c = tl.load(c_ptr + i0 * c0 + i1 * c1 + i2 * c2 + i3 * c3, mask=mask)
    tl.store(out_ptr + offs, a + b + c, mask=mask)


class ModelNew(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bias = nn.Parameter(torch.randn(channels, 1, 1))

    def forward(self, x, y):
        shape = torch.broadcast_shapes(x.shape, self.bias.shape, y.shape)
        a, b, c = (t.expand(shape) for t in (x, self.bias, y))
        out = torch.empty(shape, dtype=x.dtype, device=x.device)
        add3_kernel[(triton.cdiv(out.numel(), 256),)](
            a, b, c, out, *a.stride(), *b.stride(), *c.stride(), out.numel(), *shape[1:], BLOCK=256
        )
        return out
