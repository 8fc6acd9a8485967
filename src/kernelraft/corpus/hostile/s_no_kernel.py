# task: relu
# category: S no kernel at all
# expect: NOT_TRITON
import torch
import torch.nn as nn
import triton
import triton.language as tl


class ModelNew(nn.Module):
    def forward(self, x):
        return torch.relu(x)
