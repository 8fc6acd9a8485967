# task: batchnorm_train
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def column_stats_kernel(x_ptr, mean_ptr, rstd_ptr, M, N, eps, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    cols = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    rows = tl.arange(0, BLOCK_M)
    mask = (rows[:, None] < M) & (cols[None, :] < N)
    x = tl.load(x_ptr + rows[:, None] * N + cols[None, :], mask=mask, other=0.0)
    mean = tl.sum(x, axis=0) / M
    diff = tl.where(mask, x - mean[None, :], 0.0)
    var = tl.sum(diff * diff, axis=0) / M
    tl.store(mean_ptr + cols, mean, mask=cols < N)
    tl.store(rstd_ptr + cols, 1.0 / tl.sqrt(var + eps), mask=cols < N)


@triton.jit
def normalize_kernel(x_ptr, mean_ptr, rstd_ptr, w_ptr, b_ptr, y_ptr, total, N, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < total
    c = offs % N
    x = tl.load(x_ptr + offs, mask=mask)
    mean = tl.load(mean_ptr + c, mask=mask)
    rstd = tl.load(rstd_ptr + c, mask=mask)
    y = (x - mean) * rstd * tl.load(w_ptr + c, mask=mask) + tl.load(b_ptr + c, mask=mask)
    tl.store(y_ptr + offs, y, mask=mask)


class ModelNew(nn.Module):
    def __init__(self, num_features):
        super().__init__()
        self.bn = nn.BatchNorm1d(num_features, track_running_stats=False)

    def forward(self, x):
        x = x.contiguous()
        M, N = x.shape
        mean, rstd = torch.empty(2, N, device=x.device, dtype=torch.float32).unbind(0)
        y = torch.empty_like(x)
        column_stats_kernel[(triton.cdiv(N, 8),)](
            x, mean, rstd, M, N, self.bn.eps, BLOCK_M=triton.next_power_of_2(M), BLOCK_N=8
        )
        normalize_kernel[(triton.cdiv(x.numel(), 256),)](
            x, mean, rstd, self.bn.weight, self.bn.bias, y, x.numel(), N, BLOCK=256
        )
        return y
