"""Our own Triton kernels in Triton's interpreter, beside torch: python -m tests.interpreted <name> prints the error.

In a process of its own, as the interpreter is chosen when Triton is imported.
"""

import json
import os
import subprocess
import sys


def interpreted(name):
    """The largest difference between kernel and torch, relative to the largest value."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.interpreted", name], capture_output=True, text=True, check=False,
        env=os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": "src"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def _worst(pairs):
    pairs = [(a.detach().float(), b.detach().float()) for a, b in pairs]
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


def unpack(torch):
    from kernelraft.model.nf4 import kernel, pack
    from kernelraft.model.nf4 import unpack as plain

    pairs = []
    for double in (True, False):
        for shape in ((5, 64), (300, 192)):
            packed = pack(torch.randn(shape), double=double)
            for dtype in (torch.float32, torch.float16):
                pairs.append((kernel.unpack(*packed, shape, dtype), plain(packed, shape, dtype)))
        packed = pack(torch.randn(3, 512, 64), double=double)
        for number in (0, 1):
            part = (packed, (3, 256, 64), torch.float32, 2, number)
            pairs.append((kernel.unpack(*part[0], *part[1:]), plain(*part)))
    return pairs


def unpack_adding(torch):
    from kernelraft.model.nf4 import LowRank, kernel, pack
    from kernelraft.model.nf4 import unpack_adding as plain

    pairs = []
    for double in (True, False):
        for shape, rank in (((5, 64), 8), ((100, 192), 20)):
            packed = pack(torch.randn(shape), double=double)
            added = LowRank(torch.randn(shape[0], rank), torch.randn(rank, shape[1]), 0.3)
            pairs.append(
                (kernel.unpack_adding(*packed, shape, torch.float32, added), plain(packed, shape, torch.float32, added))
            )
    return pairs


def gate(torch):
    from kernelraft.model.lora import gating, moe_kernels

    gate_up = torch.randn(7, 2 * 1100)
    out = torch.empty(7, 1100)
    moe_kernels.launch_gate(gate_up, out)
    return [(out, gating.forward(gate_up, gating.Gating()))]


def gate_backward(torch):
    from kernelraft.model.lora import gating, moe_kernels

    gate_up, grad, weights = torch.randn(5, 2 * 1100), torch.randn(5, 1100), torch.rand(5)
    wanted = gating.backward(gate_up, grad, weights, gating.Gating())
    found = moe_kernels.launch_gate_backward(gate_up, grad, weights, again=True)
    without = moe_kernels.launch_gate_backward(gate_up, grad, weights, again=False)
    return [*zip(found, wanted, strict=True), *zip(without[:2], wanted[:2], strict=True)]


def spread(torch):
    from kernelraft.model.lora import moe_kernels

    x, place = torch.randn(4, 1030), torch.randperm(12)
    return [(moe_kernels.launch_spread(x, place, 3), moe_kernels.spread(x, place))]


def combine(torch):
    from kernelraft.model.lora import moe_kernels

    rows, place, weights = torch.randn(12, 1030), torch.randperm(12), torch.rand(4, 3)
    return [(moe_kernels.launch_combine(rows, place, weights), moe_kernels.combine(rows, place, weights))]


def dropped(torch):
    """Of a long tensor: its share of zeros, and the rest against x / (1 - share)."""
    from kernelraft.model.lora import dropout

    x = torch.rand(30, 1000) + 1
    first, again, other = (dropout.launch(x, torch.tensor((1 << 60) + n), 0.3) for n in (2, 2, 3))
    kept = first != 0
    pairs = [(again, first), (kept.float().mean(), torch.tensor(0.7)), (first[kept], x[kept] / 0.7)]
    return [*pairs, ((other == 0)[~kept].float().mean(), torch.tensor(0.3))]


def cross_entropy(torch):
    from kernelraft.trainer import loss_kernel

    logits, labels = 3 * torch.randn(6, 9000), torch.randint(0, 9000, (6,))
    plain = loss_kernel.cross_entropy(logits.clone(), labels)
    return list(zip(loss_kernel.launch(logits.clone(), labels), plain, strict=True))


def attend(torch):
    from kernelraft.model.attention import by_document, op

    pairs = []
    ends = torch.tensor([0, 5, 87, 88, 230, 230], dtype=torch.int32)
    for width, window, sunk in ((16, None, True), (16, 50, False), (16, 120, True)):
        q, k, v = (torch.randn(230, heads, width, requires_grad=True) for heads in (2, 1, 1))
        sinks = torch.randn(2, requires_grad=True) if sunk else None
        given = [q, k, v] + [sinks] * sunk
        plain = by_document(q, k, v, ends, width**-0.5, window, sinks)
        fused = op.attend(q, k, v, op.bounds(ends, 230), width**-0.5, window, sinks)[0]
        grad = torch.randn_like(plain)
        pairs.append((fused, plain))
        pairs += zip(torch.autograd.grad(fused, given, grad), torch.autograd.grad(plain, given, grad), strict=True)
    return pairs


if __name__ == "__main__":
    import torch

    torch.manual_seed(0)
    sys.stdout.write(json.dumps(_worst(globals()[sys.argv[1]](torch))))
