import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from kernelraft.errors import ConfigError
from kernelraft.trainer.batches import IGNORE, Batch, Encoded, collate
from kernelraft.trainer.loss import CHUNK, SummedLoss, _ChunkedLoss
from tests.conftest import AFMOE, SIZES

ENCODED = [
    Encoded([5, 6, 7, 8, 9, 10], [False, False, True, True, True, True]),
    Encoded([5, 6, 9, 11], [False, False, False, True]),
]


@pytest.mark.parametrize(("architecture", "sizes"), [("llama", SIZES), ("afmoe", AFMOE)])
def test_loss_and_gradients_equal_the_models_own(architecture, sizes):
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, **sizes, vocab_size=50, pad_token_id=0, eos_token_id=1)
    model = AutoModelForCausalLM.from_config(config)
    batch = collate(ENCODED, pad=0)
    own = SummedLoss(model)(batch) / batch.label_count
    own.backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    theirs = model(input_ids=batch.ids_BT, attention_mask=batch.attention_BT, labels=batch.labels_BT).loss
    theirs.backward()
    assert torch.allclose(own, theirs, atol=1e-5)
    for name, p in model.named_parameters():
        if p.grad is not None:
            assert torch.allclose(grads[name], p.grad, atol=1e-5), name


def test_chunked_loss_equals_cross_entropy_over_many_chunks():
    torch.manual_seed(0)
    hidden = torch.randn(2 * CHUNK + 7, 8, requires_grad=True)
    head = torch.randn(30, 8, requires_grad=True)
    labels = torch.randint(0, 30, (len(hidden),))
    loss = _ChunkedLoss.apply(hidden, head, labels)
    grads = torch.autograd.grad(loss, (hidden, head))
    expected = torch.nn.functional.cross_entropy(hidden @ head.T, labels, reduction="sum")
    wanted = torch.autograd.grad(expected, (hidden, head))
    assert torch.allclose(loss, expected, rtol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(grads, wanted, strict=True))


def test_only_trained_tokens_carry_loss():
    batch = collate(ENCODED, pad=0)
    assert batch.labels_BT.tolist() == [[IGNORE, IGNORE, 7, 8, 9, 10], [IGNORE, IGNORE, IGNORE, 11, IGNORE, IGNORE]]
    assert batch.label_count == 5
    assert isinstance(batch, Batch) and batch.attention_BT.sum() == 10


def test_a_model_that_changes_its_logits_after_the_head_is_refused():
    config = AutoConfig.for_model("cohere", **SIZES, vocab_size=50, pad_token_id=0, eos_token_id=1, logit_scale=0.5)
    with pytest.raises(ConfigError, match=r"cohere changes its logits after the head \(logit_scale\)"):
        SummedLoss(AutoModelForCausalLM.from_config(config))
