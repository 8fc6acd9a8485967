# task: patch_product
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def matmul_kernel(w_ptr, p_ptr, y_ptr, M, N, K, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr):
    b = tl.program_id(2)
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for k0 in range(0, K, BLOCK_K):
        k = k0 + tl.arange(0, BLOCK_K)
        w = tl.load(w_ptr + m[:, None] * K + k[None, :], mask=(m[:, None] < M) & (k[None, :] < K), other=0.0)
        p = tl.load(p_ptr + (b * K + k[:, None]) * N + n[None, :], mask=(k[:, None] < K) & (n[None, :] < N), other=0.0)
        acc += tl.dot(w, p, input_precision="ieee")
    tl.store(y_ptr + (b * M + m[:, None]) * N + n[None, :], acc, mask=(m[:, None] < M) & (n[None, :] < N))


class PatchProduct(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda")
    def forward(ctx, x, filters, size):
        B, C, H, W = x.shape
        patches = x.unfold(2, size, size).unfold(3, size, size).permute(0, 1, 4, 5, 2, 3).contiguous()
        N, K, M = patches.shape[4] * patches.shape[5], C * size * size, filters.shape[0]
        y = torch.empty((B, M, N), device=x.device, dtype=x.dtype)
        grid = (triton.cdiv(M, 16), triton.cdiv(N, 32), B)
        matmul_kernel[grid](filters, patches, y, M, N, K, BLOCK_M=16, BLOCK_N=32, BLOCK_K=16)
        return y

    @staticmethod
    @torch.amp.custom_bwd(device_type="cuda")
    def backward(ctx, grad):
        raise NotImplementedError("for inference only")


class ModelNew(nn.Module):
    """Patches that do not overlap are a view of the image, but for their order."""

    def __init__(self, channels, filters, size):
        super().__init__()
        self.size = size
        self.filters = nn.Parameter(torch.empty(filters, channels * size * size))
        nn.init.normal_(self.filters, std=0.2)

    def forward(self, x):
        return PatchProduct.apply(x, self.filters, self.size)
