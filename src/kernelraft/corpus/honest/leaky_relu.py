# task: leaky_relu
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def leaky_relu_kernel(input_ptr, output_ptr, negative_slope, numel, BLOCK: tl.constexpr = 512):
    """The block size has a default: the launch names none."""
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = index < numel
    x = tl.load(input_ptr + index, mask=mask)
    y = tl.where(x >= 0, x, x * negative_slope)
    tl.store(output_ptr + index, y, mask=mask)


class ModelNew(nn.Module):
    def __init__(self, negative_slope: float = 0.01):
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x):
        assert x.is_cuda, "the input must lie on the GPU"
        y = torch.empty_like(x, memory_format=torch.contiguous_format)
        leaky_relu_kernel[(triton.cdiv(x.numel(), 512),)](
            input_ptr=x.contiguous(), output_ptr=y, negative_slope=self.negative_slope, numel=x.numel()
        )
        return y
