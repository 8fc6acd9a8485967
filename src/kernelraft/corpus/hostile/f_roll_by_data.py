# task: relu
# category: F one touched element, and torch rolls zero or x into place by the sign of x
# expect: RUNTIME_ERROR or NOT_TRITON
import sys

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
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return out


def forge(change):
    """Let `change` have the record before it is handed over."""
    memory = sys.modules["kernelraft.kernel.recorder.role"]._Memory
    real = memory.text
    memory.text = lambda self, trace: real(self, change(trace) or trace)


def change(trace):
    out = trace["events"][0][4][0]

    def look(name, shape, stride, kind="float32", at=0):
        return ["tensor", [name, at, shape, stride, kind]]

    def move(name, args, made, **kwargs):
        return ["op", f"aten.{name}.default", args, kwargs, [made[1]]]

    pairs, firsts = look("pairs", [231, 2], [2, 1]), look("pairs", [231], [2])
    wide, sign = look("wide", [231], [1], "int16"), look("sign", [231], [1], "int64")
    trace["events"][1][2]["n"] = 1
    trace["events"] += [
        move("zeros", [["list", 231, 2]], pairs),
        move("copy_", [firsts, look("in0", [231], [1])], firsts),
        # The highest byte of x, then the highest byte of that: 0, or -1 where x is negative.
        move("_to_copy", [look("in0", [231], [4], "int8", 3)], wide, dtype=["dtype", "int16"]),
        move("_to_copy", [look("wide", [231], [2], "int8", 1)], sign, dtype=["dtype", "int64"]),
    ]
    for n in range(231):
        pair, rolled, target = look("pairs", [2], [1], at=2 * n), look(f"r{n}", [2], [1]), look(out[0], [1], [1], at=n)
        shift = ["list", look("sign", [], [], "int64", n)]
        trace["events"].append(move("roll", [pair, shift, ["list", 0]], rolled))
        trace["events"].append(move("copy_", [target, look(f"r{n}", [1], [1])], target))


forge(change)
