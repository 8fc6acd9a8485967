# task: exp_decay
import logging
import os
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Dict

import numpy as np
import torch
import torch.nn as nn

try:
    import triton
    import triton.language as tl

    HAS_TRITON = True
except ImportError:
    HAS_TRITON = False

os.environ.setdefault("TRITON_PRINT_AUTOTUNING", "0")
warnings.filterwarnings("ignore", category=UserWarning)
logger = logging.getLogger(__name__)
RATE = float(np.float32(1.25))


@dataclass
class LaunchConfig:
    block: int = 128
    num_warps: int = 4


CONFIGS: Dict[str, LaunchConfig] = {"small": LaunchConfig(64, 2), "large": LaunchConfig()}


@triton.jit
def decay_kernel(x_ptr, y_ptr, n, rate, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask, other=0.0)
    tl.store(y_ptr + offs, tl.exp2(-rate * tl.abs(x)) + 0.5 * tl.log2(1.0 + x * x), mask=mask)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        started = time.perf_counter()
        self.is_64_bit = sys.maxsize > 2**32
        logger.debug("Triton: %s, ready in %.3f s", HAS_TRITON, time.perf_counter() - started)

    def forward(self, x):
        config = CONFIGS["small" if x.numel() < np.prod([8, 8]) else "large"]
        y = torch.empty_like(x)
        n = int(np.prod(x.shape))
        decay_kernel[(triton.cdiv(n, config.block),)](x, y, n, RATE, BLOCK=config.block, num_warps=config.num_warps)
        return y
