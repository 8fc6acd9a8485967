# task: pointwise_conv
import torch
import torch.nn as nn
import triton
import triton.language as tl

torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False


@triton.jit
def pixel_matmul_kernel(
    x_ptr, w_ptr, y_ptr, M, N, K, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr
):
    """Channels of a pixel are contiguous: a product of (pixels, in) and (in, out)."""
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for k0 in range(0, K, BLOCK_K):
        k = k0 + tl.arange(0, BLOCK_K)
        x = tl.load(x_ptr + m[:, None] * K + k[None, :], mask=(m[:, None] < M) & (k[None, :] < K), other=0.0)
        w = tl.load(w_ptr + n[None, :] * K + k[:, None], mask=(n[None, :] < N) & (k[:, None] < K), other=0.0)
        acc += tl.dot(x, w, input_precision="ieee")
    tl.store(y_ptr + m[:, None] * N + n[None, :], acc, mask=(m[:, None] < M) & (n[None, :] < N))


class ModelNew(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv1d = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)

    def forward(self, x):
        x = x.contiguous(memory_format=torch.channels_last)
        B, C, H, W = x.shape
        N = self.conv1d.out_channels
        y = torch.empty((B, N, H, W), device=x.device, dtype=x.dtype, memory_format=torch.channels_last)
        M = B * H * W
        block = 32 if torch.cuda.get_device_capability(x.device)[0] >= 8 else 16
        pixel_matmul_kernel[(triton.cdiv(M, block), triton.cdiv(N, 32))](
            x, self.conv1d.weight, y, M, N, C, BLOCK_M=block, BLOCK_N=32, BLOCK_K=16
        )
        return y
