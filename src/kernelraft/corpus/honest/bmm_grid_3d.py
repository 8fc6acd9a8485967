# task: bmm
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def bmm_kernel(
    a_ptr, b_ptr, c_ptr, M, N, K,
    stride_ab, stride_am, stride_ak, stride_bb, stride_bk, stride_bn, stride_cb, stride_cm, stride_cn,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    pid_n = tl.program_id(0)
    pid_m = tl.program_id(1)
    batch = tl.program_id(2)
    a_ptr += batch * stride_ab
    b_ptr += batch * stride_bb
    c_ptr += batch * stride_cb
    offs_m = pid_m * BLOCK_M + tl.arange(0, BLOCK_M)[:, None]
    offs_n = pid_n * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
    acc = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for k in range(0, K, BLOCK_K):
        offs_k = k + tl.arange(0, BLOCK_K)
        a = tl.load(a_ptr + offs_m * stride_am + offs_k[None, :] * stride_ak,
                    mask=(offs_m < M) & (offs_k[None, :] < K), other=0.0)  # fmt: skip
        b = tl.load(b_ptr + offs_k[:, None] * stride_bk + offs_n * stride_bn,
                    mask=(offs_k[:, None] < K) & (offs_n < N), other=0.0)  # fmt: skip
        acc += tl.dot(a, b, input_precision="ieee")
    tl.store(c_ptr + offs_m * stride_cm + offs_n * stride_cn, acc, mask=(offs_m < M) & (offs_n < N))


class ModelNew(nn.Module):
    def forward(self, A, B):
        batch, M, K = A.shape
        N = B.shape[-1]
        C = torch.empty((batch, M, N), device=A.device, dtype=A.dtype)
        grid = lambda meta: (triton.cdiv(N, meta["BLOCK_N"]), triton.cdiv(M, meta["BLOCK_M"]), batch)
        bmm_kernel[grid](
            A, B, C, M, N, K, *A.stride(), *B.stride(), *C.stride(), BLOCK_M=32, BLOCK_N=32, BLOCK_K=16, num_stages=2
        )
        return C
