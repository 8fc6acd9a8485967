# task: orthogonal_projection
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def proj_kernel(x_ptr, w_ptr, b_ptr, y_ptr, K, N, BLOCK_K: tl.constexpr, BLOCK_N: tl.constexpr):
    row = tl.program_id(0)
    k = tl.arange(0, BLOCK_K)
    n = tl.arange(0, BLOCK_N)
    x = tl.load(x_ptr + row * K + k, mask=k < K, other=0.0)
    w = tl.load(w_ptr + n[:, None] * K + k[None, :], mask=(n[:, None] < N) & (k[None, :] < K), other=0.0)
    y = tl.sum(w * x[None, :], axis=1) + tl.load(b_ptr + n, mask=n < N, other=0.0)
    tl.store(y_ptr + row * N + n, y, mask=n < N)


class ModelNew(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.proj = nn.Linear(in_features, out_features)
        self.apply(self._init_weights)
        self.dropout = nn.Dropout(0.5)
        self.eval()

    @staticmethod
    def _init_weights(module):
        if isinstance(module, nn.Linear):
            nn.init.orthogonal_(module.weight)
            nn.init.zeros_(module.bias)

    def forward(self, x):
        M, K = x.shape
        N = self.proj.out_features
        y = torch.empty((M, N), device=x.device, dtype=x.dtype)
        proj_kernel[(M,)](
            x.contiguous(), self.proj.weight, self.proj.bias, y, K, N,
            BLOCK_K=triton.next_power_of_2(K), BLOCK_N=triton.next_power_of_2(N),
        )  # fmt: skip
        return self.dropout(y)
