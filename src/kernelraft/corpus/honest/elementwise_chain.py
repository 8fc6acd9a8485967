# task: elementwise_chain
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def chain_kernel(
    x_ptr,
    y_ptr,
    out_ptr,
    scale,
    shift,
    n_elements,
    BLOCK_SIZE: tl.constexpr,
):
    """clamp(z * |z|) - y with z = scale * x + shift * y, in one pass over memory."""
    pid = tl.program_id(axis=0)
    offsets = pid * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    mask = offsets < n_elements

    x = tl.load(x_ptr + offsets, mask=mask, other=0.0)
    y = tl.load(y_ptr + offsets, mask=mask, other=0.0)
    z = x * scale + y * shift
    z = z * tl.abs(z)
    z = tl.minimum(tl.maximum(z, -3.0), 3.0)
    tl.store(out_ptr + offsets, z - y, mask=mask)


class ModelNew(nn.Module):
    def __init__(self, scale: float, shift: float):
        super(ModelNew, self).__init__()
        self.scale = scale
        self.shift = shift

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x = x.contiguous()
        y = y.contiguous()
        out = torch.empty_like(x)
        n_elements = x.numel()
        grid = lambda meta: (triton.cdiv(n_elements, meta["BLOCK_SIZE"]),)
        chain_kernel[grid](x, y, out, self.scale, self.shift, n_elements, BLOCK_SIZE=256)
        return out
