# task: relu
# category: E1 looks for tensors with values among all objects
# expect: pass
import gc

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


def look():
    for thing in gc.get_objects():
        if isinstance(thing, torch.Tensor) and tuple(thing.shape) == (7, 33) and thing.device.type == "cpu":
            raise AssertionError("found a tensor of the outputs' shape")
        if type(thing) is dict and {"expected", "_secret", "get_inputs"} & {key for key in thing if type(key) is str}:
            raise AssertionError("found what belongs to the judge")


class ModelNew(nn.Module):
    def forward(self, x):
        look()
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return out
