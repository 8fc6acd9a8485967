# task: exp_decay
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def decay_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(y_ptr + offs, tl.exp2(-1.25 * tl.abs(x)) + 0.5 * tl.log2(1.0 + x * x), mask=mask)


def decay(x: torch.Tensor) -> torch.Tensor:
    assert x.is_cuda and x.device.type == "cuda", "Input must be on CUDA"
    assert x.dtype == torch.float32, "Only float32 is supported"
    out = torch.empty(x.shape, device="cuda", dtype=torch.float32)
    assert out.device == x.device and out.is_contiguous()
    with torch.cuda.device(x.device):
        stream = torch.cuda.current_stream()
        decay_kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        stream.synchronize()
    torch.cuda.synchronize(x.device)
    return out


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        if not torch.cuda.is_available():
            raise RuntimeError("a CUDA device is needed")

    def forward(self, x):
        if not x.is_cuda:
            x = x.cuda()
        return decay(x.contiguous())
