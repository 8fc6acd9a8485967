# task: exp_decay
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def first_kernel(x_ptr, w_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offs, mask=offs < n)
    tl.store(w_ptr + offs, tl.exp2(-1.25 * tl.abs(x)), mask=offs < n)


@triton.jit
def second_kernel(x_ptr, w_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offs, mask=offs < n)
    w = tl.load(w_ptr + offs, mask=offs < n)
    tl.store(y_ptr + offs, w + 0.5 * tl.log2(1.0 + x * x), mask=offs < n)


class ModelNew(nn.Module):
    """The workspace of the first call is used again."""

    def __init__(self):
        super().__init__()
        self._workspace = None
        self._cache = {}

    def _get_workspace(self, x):
        if self._workspace is None or self._workspace.numel() < x.numel() or self._workspace.device != x.device:
            self._workspace = torch.empty(x.numel(), device=x.device, dtype=x.dtype)
        return self._workspace

    def forward(self, x):
        n = x.numel()
        key = (n, x.device, x.dtype)
        if key not in self._cache:
            self._cache[key] = triton.cdiv(n, 128)
        workspace = self._get_workspace(x)
        y = torch.empty_like(x)
        first_kernel[(self._cache[key],)](x, workspace, n, BLOCK=128)
        second_kernel[(self._cache[key],)](x, workspace, y, n, BLOCK=128)
        return y
