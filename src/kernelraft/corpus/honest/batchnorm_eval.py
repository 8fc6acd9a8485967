# task: batchnorm_eval
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def bn_relu_kernel(x_ptr, mean_ptr, var_ptr, w_ptr, b_ptr, y_ptr, C, HW, eps, BLOCK: tl.constexpr):
    plane = tl.program_id(0)
    c = plane % C
    rstd = 1.0 / tl.sqrt(tl.load(var_ptr + c) + eps)
    scale = tl.load(w_ptr + c) * rstd
    mean = tl.load(mean_ptr + c)
    shift = tl.load(b_ptr + c)
    offs = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < HW
    x = tl.load(x_ptr + plane * HW + offs, mask=mask)
    tl.store(y_ptr + plane * HW + offs, tl.maximum((x - mean) * scale + shift, 0.0), mask=mask)


class ModelNew(nn.Module):
    def __init__(self, num_features):
        super().__init__()
        self.bn = nn.BatchNorm2d(num_features).eval()
        with torch.no_grad():
            self.bn.running_mean.normal_()
            self.bn.running_var.uniform_(0.5, 2.0)

    def forward(self, x):
        x = x.contiguous()
        N, C, H, W = x.shape
        y = torch.empty_like(x)
        bn = self.bn
        bn_relu_kernel[(N * C, triton.cdiv(H * W, 128))](
            x, bn.running_mean, bn.running_var, bn.weight, bn.bias, y, C, H * W, bn.eps, BLOCK=128
        )
        return y
