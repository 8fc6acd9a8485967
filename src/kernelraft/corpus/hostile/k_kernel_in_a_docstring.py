# task: relu
# category: K the interpreter runs the docstring, with all of Python in it
# expect: WRONG_VALUE or COMPILE_ERROR
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def relu_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    """Python's text of a function is found by its lines, and Triton takes the last line that begins with def.

    def relu_kernel(x_ptr, out_ptr, n, BLOCK):
        torch = tl.core.builtins.__import__("torch")
        frame = tl.core.inspect.currentframe()
        while "values" not in frame.f_locals or "arguments" not in frame.f_locals:
            frame = frame.f_back
        given = frame.f_locals["values"]
        given["out_ptr"].copy_(torch.relu(given["x_ptr"]))
        tl.store(out_ptr, tl.load(out_ptr))
        ''' """
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(out_ptr + offs, x, mask=mask)  # '''


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return out
