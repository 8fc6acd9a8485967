"""Cross-entropy on the labelled positions alone, in chunks: the logits of all tokens are never held at once.

N labelled positions, D hidden width, V vocabulary, C positions of a chunk.
"""

from typing import Any

import torch

from kernelraft.errors import ConfigError
from kernelraft.model.attention import documents
from kernelraft.trainer import loss_kernel
from kernelraft.trainer.batches import Batch
from kernelraft.trainer.graphs import Body, Graphed

CHUNK = 1024
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
            loss, grad_CV = loss_kernel.cross_entropy(hidden_ND[rows] @ head_VD.T, labels_N[rows])
            total += loss
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
    """A causal model that attends by document, as a module whose forward is its loss: what Fabric wraps.

    Raises:
        ConfigError: the model scales or caps its logits after the head.
    """

    def __init__(self, model: Any, *, graphs: bool = False) -> None:
        super().__init__()
        scaled = [name for name in _SCALES if getattr(model.config, name, None) not in (None, 1, 1.0)]
        if scaled:
            raise ConfigError(
                f"model {model.config.model_type} changes its logits after the head ({scaled[0]}): not trained here"
            )
        self.model = model
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.body: Body = Graphed(self._hidden, trained) if graphs else self._hidden

    def _hidden(
        self, embedded_1TD: torch.Tensor, positions_1T: torch.Tensor, ends: torch.Tensor, *, longest: int
    ) -> torch.Tensor:
        """Of the decoder's last layer, (1, T, D)."""
        out: torch.Tensor = self.model.get_decoder()(
            inputs_embeds=embedded_1TD,
            position_ids=positions_1T,
            use_cache=False,
            **documents(ends, longest, embedded_1TD.shape[1]),
        )[0]
        return out

    def forward(self, batch: Batch, embedding_noise: float = 0.0) -> torch.Tensor:
        """Sum over the labelled positions of -log p, in nats; divide by the step's label count.

        `embedding_noise` adds uniform noise of that many standard deviations of
        the embedded tokens (in the spirit of NEFTune, arXiv:2310.05914).
        """
        embedded = self.model.get_input_embeddings()(batch.ids_1T)
        if embedding_noise:
            noise = torch.empty_like(embedded).uniform_(-1, 1)
            embedded = embedded + noise * embedded.detach().std() * embedding_noise
        hidden_1TD = self.body(embedded, batch.positions_1T, batch.ends, longest=batch.longest)
        head = self.model.get_output_embeddings().weight
        hidden_ND = hidden_1TD[0].index_select(0, batch.before_M).to(head.dtype)
        loss: torch.Tensor = _ChunkedLoss.apply(hidden_ND, head, batch.labels_M)  # type: ignore[no-untyped-call]
        return loss
