# task: grouped_attention
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def attention_kernel(
    q_ptr, k_ptr, v_ptr, bias_ptr, o_ptr, T, max_length, scale, D: tl.constexpr, BLOCK_T: tl.constexpr
):
    """One program a head: all scores fit at once."""
    head = tl.program_id(0)
    t = tl.arange(0, BLOCK_T)
    d = tl.arange(0, D)
    offs = head * T * D + t[:, None] * D + d[None, :]
    mask = t[:, None] < T
    q = tl.load(q_ptr + offs, mask=mask, other=0.0)
    k = tl.load(k_ptr + offs, mask=mask, other=0.0)
    v = tl.load(v_ptr + offs, mask=mask, other=0.0)
    both = (t[:, None] < T) & (t[None, :] < T)
    allowed = tl.load(bias_ptr + t[:, None] * max_length + t[None, :], mask=both, other=0.0)
    s = tl.dot(q, tl.trans(k), input_precision="ieee") * scale
    s = tl.where(allowed > 0, s, -1.0e30)
    p = tl.exp(s - tl.max(s, axis=1)[:, None])
    o = tl.dot(p, v, input_precision="ieee") / tl.sum(p, axis=1)[:, None]
    tl.store(o_ptr + offs, o, mask=mask)


def repeat_kv(x, n_rep):
    """(B, H, T, D) to (B, H * n_rep, T, D)."""
    B, H, T, D = x.shape
    return x[:, :, None, :, :].expand(B, H, n_rep, T, D).reshape(B, H * n_rep, T, D)


class ModelNew(nn.Module):
    def __init__(self, n_rep, max_length):
        super().__init__()
        self.n_rep = n_rep
        bias = torch.tril(torch.ones(max_length, max_length)).view(1, 1, max_length, max_length)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, q, k, v):
        B, H, T, D = q.shape
        k, v = repeat_kv(k, self.n_rep), repeat_kv(v, self.n_rep)
        o = torch.empty_like(q)
        attention_kernel[(B * H,)](
            q.contiguous(), k, v, self.bias, o, T, self.bias.shape[-1], D**-0.5, D=D,
            BLOCK_T=max(16, triton.next_power_of_2(T)),
        )  # fmt: skip
        return o
