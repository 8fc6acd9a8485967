# task: matmul
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def tile_of(tile_id, num_pid_n):
    return tile_id // num_pid_n, tile_id % num_pid_n


@triton.jit
def persistent_matmul_kernel(
    a_ptr, b_ptr, c_ptr, M, N, K, stride_a, stride_b, stride_c,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    start_pid = tl.program_id(0)
    num_pid_n = tl.cdiv(N, BLOCK_N)
    num_tiles = tl.cdiv(M, BLOCK_M) * num_pid_n
    k_tiles = tl.cdiv(K, BLOCK_K)
    for tile_id in range(start_pid, num_tiles, tl.num_programs(0)):
        pid_m, pid_n = tile_of(tile_id, num_pid_n)
        offs_m = pid_m * BLOCK_M + tl.arange(0, BLOCK_M)
        offs_n = pid_n * BLOCK_N + tl.arange(0, BLOCK_N)
        acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
        for ki in range(k_tiles):
            offs_k = ki * BLOCK_K + tl.arange(0, BLOCK_K)
            a_mask = (offs_m[:, None] < M) & (offs_k[None, :] < K)
            b_mask = (offs_k[:, None] < K) & (offs_n[None, :] < N)
            a = tl.load(a_ptr + offs_m[:, None] * stride_a + offs_k[None, :], mask=a_mask, other=0.0)
            b = tl.load(b_ptr + offs_k[:, None] * stride_b + offs_n[None, :], mask=b_mask, other=0.0)
            acc = tl.dot(a, b, acc, input_precision="ieee")
        c_mask = (offs_m[:, None] < M) & (offs_n[None, :] < N)
        tl.store(c_ptr + offs_m[:, None] * stride_c + offs_n[None, :], acc, mask=c_mask)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.num_sms = None

    def forward(self, A, B):
        if self.num_sms is None:
            self.num_sms = torch.cuda.get_device_properties("cuda").multi_processor_count
        A, B = A.contiguous(), B.contiguous()
        M, K = A.shape
        K, N = B.shape
        C = torch.empty((M, N), device=A.device, dtype=A.dtype)
        tiles = triton.cdiv(M, 16) * triton.cdiv(N, 16)
        persistent_matmul_kernel[(min(self.num_sms, max(1, tiles // 3)),)](
            A, B, C, M, N, K, A.stride(0), B.stride(0), C.stride(0), BLOCK_M=16, BLOCK_N=16, BLOCK_K=32
        )
        return C
