# task: statistics
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def statistics_kernel(x_ptr, mean_ptr, min_ptr, count_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    mask = cols < n_cols
    x = tl.load(x_ptr + row * n_cols + cols, mask=mask, other=0.0)
    tl.store(mean_ptr + row, tl.sum(x, axis=0) / n_cols)
    tl.store(min_ptr + row, tl.min(tl.where(mask, x, float("inf")), axis=0))
    positive = (x > 0) & mask
    tl.store(count_ptr + row, tl.sum(positive.to(tl.int32), axis=0).to(tl.int64))


class ModelNew(nn.Module):
    def forward(self, x):
        n_rows, n_cols = x.shape
        result = {
            "mean": torch.empty(n_rows, device=x.device, dtype=x.dtype),
            "min": torch.empty(n_rows, device=x.device, dtype=x.dtype),
            "positive": torch.empty(n_rows, device=x.device, dtype=torch.int64),
        }
        statistics_kernel[(n_rows,)](
            x.contiguous(), result["mean"], result["min"], result["positive"], n_cols,
            BLOCK=triton.next_power_of_2(n_cols),
        )  # fmt: skip
        return result
