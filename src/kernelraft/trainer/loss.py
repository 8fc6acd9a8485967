"""Cross-entropy on the labelled positions alone, in chunks: the logits of all tokens are never held at once.

N labelled positions, D hidden width, V vocabulary, C positions of a chunk.
"""

from typing import Any

import torch

from kernelraft.errors import ConfigError
from kernelraft.trainer.batches import IGNORE, Batch

CHUNK = 2048
_SCALES = ("final_logit_softcapping", "logit_scale", "logits_scaling")


class _ChunkedLoss(torch.autograd.Function):
    """Sum of the losses; the gradient is made in the forward pass, chunk by chunk."""

    @staticmethod
    def forward(ctx: Any, hidden_ND: torch.Tensor, head_VD: torch.Tensor, labels_N: torch.Tensor) -> torch.Tensor:
        train_head = head_VD.requires_grad
        grad_hidden_ND = torch.empty_like(hidden_ND)
        grad_head_VD = torch.zeros_like(head_VD, dtype=torch.float32) if train_head else None
        total = hidden_ND.new_zeros((), dtype=torch.float32)
        for start in range(0, len(labels_N), CHUNK):
            rows = slice(start, start + CHUNK)
            logits_CV = (hidden_ND[rows] @ head_VD.T).float()
            label_C1 = labels_N[rows, None]
            norm_C1 = logits_CV.logsumexp(-1, keepdim=True)
            total += (norm_C1 - logits_CV.gather(1, label_C1)).sum()
            grad_CV = logits_CV.sub_(norm_C1).exp_()
            grad_CV.scatter_add_(1, label_C1, torch.full_like(norm_C1, -1.0))
            grad_CV = grad_CV.to(hidden_ND.dtype)
            torch.mm(grad_CV, head_VD, out=grad_hidden_ND[rows])
            if grad_head_VD is not None:
                grad_head_VD += grad_CV.T @ hidden_ND[rows]
        ctx.save_for_backward(grad_hidden_ND, *([grad_head_VD.to(head_VD.dtype)] if grad_head_VD is not None else []))
        return total

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        saved = ctx.saved_tensors
        scaled = [grad * grads[0] for grad in saved]
        return scaled[0], (scaled[1] if len(scaled) > 1 else None), None


class SummedLoss(torch.nn.Module):
    """A causal model as a module whose forward is its loss: what Fabric wraps.

    Raises:
        ConfigError: the model scales or caps its logits after the head.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        scaled = [name for name in _SCALES if getattr(model.config, name, None) not in (None, 1, 1.0)]
        if scaled:
            raise ConfigError(
                f"model {model.config.model_type} changes its logits after the head ({scaled[0]}): not trained here"
            )
        self.model = model

    def forward(self, batch: Batch, embedding_noise: float = 0.0) -> torch.Tensor:
        """Sum over the labelled positions of -log p, in nats; divide by the step's label count.

        `embedding_noise` adds uniform noise of that many standard deviations of
        the embedded tokens (in the spirit of NEFTune, arXiv:2310.05914).
        """
        causal = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        embedded = causal.get_input_embeddings()(batch.ids_BT)
        if embedding_noise:
            noise = torch.empty_like(embedded).uniform_(-1, 1)
            embedded = embedded + noise * embedded.detach().std() * embedding_noise
        body = causal.get_decoder()
        hidden_BTD = body(inputs_embeds=embedded, attention_mask=batch.attention_BT, use_cache=False)[0]
        labels_BT = batch.labels_BT[:, 1:]
        labelled = labels_BT != IGNORE
        head = causal.get_output_embeddings()
        loss: torch.Tensor = _ChunkedLoss.apply(  # type: ignore[no-untyped-call]
            hidden_BTD[:, :-1][labelled], head.weight, labels_BT[labelled]
        )
        return loss
