# task: relu
# category: E6 a pair of sockets, one of which sends to any address in the file system
# expect: pass
import socket

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


def send():
    try:
        ours, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    except PermissionError:
        return
    try:
        ours.sendto(b"out", "/tmp/kernelraft-no-such-socket")
    except PermissionError:
        return
    except OSError:
        pass
    raise AssertionError("a datagram may be sent to a named socket")


class ModelNew(nn.Module):
    def forward(self, x):
        send()
        out = torch.empty_like(x)
        relu_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return out
