# task: channel_scale
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def gate_kernel(x_ptr, w1_ptr, w2_ptr, gate_ptr, C, HW, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr):
    b = tl.program_id(0)
    c = tl.arange(0, BLOCK_C)
    p = tl.arange(0, BLOCK_P)
    x = tl.load(
        x_ptr + (b * C + c[:, None]) * HW + p[None, :], mask=(c[:, None] < C) & (p[None, :] < HW), other=0.0
    )
    mean = tl.sum(x, axis=1) / HW
    square = (c[:, None] < C) & (c[None, :] < C)
    w1 = tl.load(w1_ptr + c[:, None] * C + c[None, :], mask=square, other=0.0)
    w2 = tl.load(w2_ptr + c[:, None] * C + c[None, :], mask=square, other=0.0)
    hidden = tl.maximum(tl.sum(mean[:, None] * w1, axis=0), 0.0)
    gate = tl.sigmoid(tl.sum(hidden[:, None] * w2, axis=0))
    tl.store(gate_ptr + b * C + c, gate, mask=c < C)


@triton.jit
def scale_kernel(x_ptr, gate_ptr, y_ptr, HW, BLOCK: tl.constexpr):
    plane = tl.program_id(0)
    gate = tl.load(gate_ptr + plane)
    offs = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + plane * HW + offs, mask=offs < HW)
    tl.store(y_ptr + plane * HW + offs, x * gate, mask=offs < HW)


class ModelNew(nn.Module):
    """The gates are computed on a side stream that the main one waits for."""

    def __init__(self, channels):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(channels, channels) * 0.3)
        self.w2 = nn.Parameter(torch.randn(channels, channels) * 0.3)

    def forward(self, x):
        x = x.contiguous()
        B, C, H, W = x.shape
        gate = x.new_empty(B, C)
        y = torch.empty_like(x)
        main = torch.cuda.current_stream()
        side = torch.cuda.Stream()
        side.wait_stream(main)
        with torch.cuda.stream(side):
            gate_kernel[(B,)](
                x, self.w1, self.w2, gate, C, H * W, triton.next_power_of_2(C), triton.next_power_of_2(H * W)
            )
        main.wait_stream(side)
        scale_kernel[(B * C,)](x, gate, y, H * W, BLOCK=triton.next_power_of_2(H * W))
        return y
