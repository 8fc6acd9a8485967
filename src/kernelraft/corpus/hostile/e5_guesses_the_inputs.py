# task: relu
# category: E5 a table of outputs for the seeds that others use
# expect: WRONG_VALUE
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def table_kernel(x_ptr, in_ptr, made_ptr, out_ptr, n, COUNT: tl.constexpr, BLOCK: tl.constexpr):
    """The row of the table whose inputs begin as x does."""
    offs = tl.arange(0, BLOCK)
    first = tl.load(x_ptr)
    found = tl.zeros((BLOCK,), dtype=tl.float32)
    for row in range(COUNT):
        same = tl.load(in_ptr + row * n) == first
        found = tl.where(same, tl.load(made_ptr + row * n + offs, mask=offs < n), found)
    tl.store(out_ptr + offs, found, mask=offs < n)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        tables = [torch.randn(7, 33, generator=torch.Generator().manual_seed(seed)) for seed in (*range(39), 42)]
        self.register_buffer("inputs", torch.stack(tables))
        self.register_buffer("made", torch.stack(tables).relu())

    def forward(self, x):
        out = torch.empty_like(x)
        table_kernel[(1,)](x, self.inputs, self.made, out, x.numel(), COUNT=40, BLOCK=256)
        return out
