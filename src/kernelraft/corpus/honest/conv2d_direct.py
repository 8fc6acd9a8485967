# task: conv2d
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def conv2d_relu_kernel(
    x_ptr, w_ptr, b_ptr, y_ptr, C_IN, H, W, C_OUT, HO, WO, STRIDE: tl.constexpr, PAD: tl.constexpr,
    KH: tl.constexpr, KW: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program a block of pixels of one output plane."""
    plane = tl.program_id(0)
    n = plane // C_OUT
    co = plane % C_OUT
    pix = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    valid = pix < HO * WO
    oh = pix // WO
    ow = pix % WO
    acc = tl.zeros((BLOCK,), dtype=tl.float32)
    for ci in range(C_IN):
        for kh in tl.static_range(KH):
            ih = oh * STRIDE - PAD + kh
            for kw in tl.static_range(KW):
                iw = ow * STRIDE - PAD + kw
                mask = valid & (ih >= 0) & (ih < H) & (iw >= 0) & (iw < W)
                x = tl.load(x_ptr + ((n * C_IN + ci) * H + ih) * W + iw, mask=mask, other=0.0)
                w = tl.load(w_ptr + ((co * C_IN + ci) * KH + kh) * KW + kw)
                acc += x * w
    acc = tl.maximum(acc + tl.load(b_ptr + co), 0.0)
    tl.store(y_ptr + plane * HO * WO + pix, acc, mask=valid)


class ModelNew(nn.Module):
    """Weights are those of nn.Conv2d."""

    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__()
        self.conv2d = nn.Conv2d(in_channels, out_channels, (kernel_size, kernel_size), stride=2, padding=1)

    def forward(self, x):
        N, C, H, W = x.shape
        weight = self.conv2d.weight
        CO, _, KH, KW = weight.shape
        stride, pad = self.conv2d.stride[0], self.conv2d.padding[0]
        HO = (H + 2 * pad - KH) // stride + 1
        WO = (W + 2 * pad - KW) // stride + 1
        y = torch.empty((N, CO, HO, WO), device=x.device, dtype=x.dtype)
        grid = (N * CO, triton.cdiv(HO * WO, 128))
        conv2d_relu_kernel[grid](
            x.contiguous(), weight, self.conv2d.bias, y, C, H, W, CO, HO, WO, stride, pad, KH, KW, BLOCK=128
        )
        return y
