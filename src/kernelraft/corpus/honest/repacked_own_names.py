# task: linear_gelu
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def fused_kernel(x_ptr, w_ptr, y_ptr, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """w holds the transposed weight with the bias as its last row."""
    rm = tl.program_id(0) * BM + tl.arange(0, BM)
    rn = tl.program_id(1) * BN + tl.arange(0, BN)
    acc = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        rk = k + tl.arange(0, BK)
        x = tl.load(x_ptr + rm[:, None] * K + rk[None, :], mask=(rm[:, None] < M) & (rk[None, :] < K), other=0.0)
        w = tl.load(w_ptr + rk[:, None] * N + rn[None, :], mask=(rk[:, None] < K) & (rn[None, :] < N), other=0.0)
        acc += tl.dot(x, w, input_precision="ieee")
    z = acc + tl.load(w_ptr + K * N + rn, mask=rn < N, other=0.0)[None, :]
    y = 0.5 * z * (1.0 + tl.erf(z * 0.70710678118))
    tl.store(y_ptr + rm[:, None] * N + rn[None, :], y, mask=(rm[:, None] < M) & (rn[None, :] < N))


class ModelNew(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        linear = nn.Linear(in_features, out_features)
        packed = torch.cat([linear.weight.detach().t(), linear.bias.detach()[None, :]], dim=0)
        self.packed = nn.Parameter(packed.contiguous(), requires_grad=False)

    def forward(self, x):
        K, N = self.packed.shape[0] - 1, self.packed.shape[1]
        x = x.contiguous()
        M = x.numel() // K
        y = torch.empty(x.shape[:-1] + (N,), device=x.device, dtype=x.dtype)
        fused_kernel[(triton.cdiv(M, 16), triton.cdiv(N, 16))](x, self.packed, y, M, N, K, BM=16, BN=16, BK=32)
        return y
