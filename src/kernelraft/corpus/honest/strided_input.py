# task: strided_input
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def min_max_kernel(
    x_ptr, y_ptr, out_ptr, M, N, x_m, x_n, y_m, y_n, o_m, o_n, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr
):
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)[:, None]
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
    mask = (m < M) & (n < N)
    x = tl.load(x_ptr + m * x_m + n * x_n, mask=mask)
    y = tl.load(y_ptr + m * y_m + n * y_n, mask=mask)
    tl.store(out_ptr + m * o_m + n * o_n, tl.minimum(x, y) * 2.0 + tl.maximum(x, y), mask=mask)


class ModelNew(nn.Module):
    def forward(self, x, y):
        M, N = x.shape
        out = torch.empty((M, N), device=x.device, dtype=x.dtype)
        grid = (triton.cdiv(M, 8), triton.cdiv(N, 32))
        min_max_kernel[grid](x, y, out, M, N, *x.stride(), *y.stride(), *out.stride(), BLOCK_M=8, BLOCK_N=32)
        return out
