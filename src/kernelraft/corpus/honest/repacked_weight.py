# task: linear_gelu
import torch
import torch.nn as nn
import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def linear_gelu_kernel(
    x_ptr, wt_ptr, bias_ptr, y_ptr, M, N, K, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr
):
    rm = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    rn = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    bias = tl.load(bias_ptr + rn, mask=rn < N, other=0.0)
    acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32) + bias[None, :]
    for k in range(0, K, BLOCK_K):
        rk = k + tl.arange(0, BLOCK_K)
        x = tl.load(x_ptr + rm[:, None] * K + rk[None, :], mask=(rm[:, None] < M) & (rk[None, :] < K), other=0.0)
        w = tl.load(wt_ptr + rk[:, None] * N + rn[None, :], mask=(rk[:, None] < K) & (rn[None, :] < N), other=0.0)
        acc = tl.dot(x, w, acc, input_precision="ieee")
    y = acc * 0.5 * (1.0 + libdevice.erf(acc * 0.7071067811865476))
    tl.store(y_ptr + rm[:, None] * N + rn[None, :], y, mask=(rm[:, None] < M) & (rn[None, :] < N))


class ModelNew(nn.Module):
    """The weight is transposed once, when the module is made, so that its loads are coalesced."""

    def __init__(self, in_features, out_features):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.register_buffer("weight_t", self.linear.weight.detach().t().contiguous())

    def forward(self, x):
        x = x.contiguous()
        K, N = self.weight_t.shape
        M = x.numel() // K
        y = x.new_empty(*x.shape[:-1], N)
        grid = (triton.cdiv(M, 32), triton.cdiv(N, 16))
        linear_gelu_kernel[grid](x, self.weight_t, self.linear.bias, y, M, N, K, BLOCK_M=32, BLOCK_N=16, BLOCK_K=16)
        return y
