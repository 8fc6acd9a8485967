# task: huber_loss
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def smooth_l1(d, beta):
    a = tl.abs(d)
    return tl.where(a < beta, 0.5 * a * a / beta, a - 0.5 * beta)


@triton.jit
def smooth_l1_kernel(p_ptr, t_ptr, loss_ptr, n_elements, beta, BLOCK_SIZE: tl.constexpr):
    acc = tl.zeros([BLOCK_SIZE], dtype=tl.float32)
    step = tl.num_programs(0) * BLOCK_SIZE
    for start in range(tl.program_id(0) * BLOCK_SIZE, n_elements, step):
        offs = start + tl.arange(0, BLOCK_SIZE)
        mask = offs < n_elements
        p = tl.load(p_ptr + offs, mask=mask, other=0.0)
        t = tl.load(t_ptr + offs, mask=mask, other=0.0)
        acc += smooth_l1(p - t, beta)
    tl.atomic_add(loss_ptr, tl.sum(acc, axis=0) / n_elements)


class ModelNew(nn.Module):
    def forward(self, predictions, targets):
        loss = predictions.new_zeros(())
        n = predictions.numel()
        smooth_l1_kernel[(4,)](predictions.contiguous(), targets.contiguous(), loss, n, 0.7, BLOCK_SIZE=256)
        torch.cuda.synchronize()
        return loss
