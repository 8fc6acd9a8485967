# task: relu
# category: R an autotuner with 3,000 configurations
# expect: pass
import torch
import torch.nn as nn
import triton
import triton.language as tl


TILES = [triton.Config({"BLOCK": 32 << n % 4}, num_warps=1 << n % 3, num_stages=1 + n % 5) for n in range(3000)]


@triton.autotune(configs=TILES, key=["n"])
@triton.jit
def relu_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(out_ptr + offs, tl.maximum(x, 0.0), mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        relu_kernel[lambda meta: (triton.cdiv(x.numel(), meta["BLOCK"]),)](x, out, x.numel())
        return out
