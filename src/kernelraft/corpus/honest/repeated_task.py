# task: soft_clip
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def soft_clip_kernel(x_ptr, y_ptr, n, limit, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask, other=0.0)
    y = limit * tl.extra.cuda.libdevice.tanh(x / limit)
    tl.store(y_ptr + offs, y, mask=mask)


class Model(nn.Module):
    """The original, to compare with."""

    def __init__(self, limit: float):
        super().__init__()
        self.limit = limit

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.limit * torch.tanh(x / self.limit)


class ModelNew(Model):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.contiguous()
        y = torch.empty_like(x)
        soft_clip_kernel[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), self.limit, BLOCK=128)
        return y


batch_size = 6
dim = 70


def get_inputs():
    return [torch.randn(batch_size, dim, device="cuda")]


def get_init_inputs():
    return [2.5]


if __name__ == "__main__":
    model, new = Model(*get_init_inputs()).cuda(), ModelNew(*get_init_inputs()).cuda()
    inputs = get_inputs()
    torch.testing.assert_close(model(*inputs), new(*inputs), rtol=1e-4, atol=1e-4)
    print("equal")
