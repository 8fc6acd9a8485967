# task: relu
# category: A7 a C++ extension in place of a kernel
# expect: RUNTIME_ERROR
from torch.utils.cpp_extension import load_inline

import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def relu_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(out_ptr + offs, tl.maximum(x, 0.0), mask=mask)


class ModelNew(nn.Module):
    def forward(self, x):
        source = "torch::Tensor f(torch::Tensor x) { return torch::relu(x); }"
        return load_inline("f", source, functions=["f"]).f(x)
