"""Packed = alone, for every family: documents side by side give what each gives by itself."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from kernelraft.model.attention import by_document, documents, op, use_documents
from tests.conftest import FAMILIES
from tests.interpreted import interpreted

LENGTHS = (5, 17, 1, 30, 12)


def model(family, dtype=torch.float32):
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **FAMILIES[family], vocab_size=50, pad_token_id=0, eos_token_id=1)
    module = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="eager").eval()
    for name, parameter in module.named_parameters():
        if "router" in name or "sinks" in name:
            torch.nn.init.normal_(parameter)
    return module


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_documents_give_what_each_gives_alone(family):
    module = model(family)
    texts = [torch.randint(2, 50, (1, length)) for length in LENGTHS]
    alone = torch.cat([module(input_ids=text).logits[0] for text in texts])
    use_documents(module)
    ends = torch.tensor([0, *LENGTHS]).cumsum(0).int()
    positions = torch.cat([torch.arange(length) for length in LENGTHS])[None]
    given = {"position_ids": positions} | documents(ends, max(LENGTHS), sum(LENGTHS))
    packed = module(input_ids=torch.cat(texts, 1), **given).logits[0]
    assert torch.allclose(packed, alone, atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_token_sees_another_document_or_what_follows_it(family):
    module = model(family)
    use_documents(module)
    ends = torch.tensor([0, *LENGTHS]).cumsum(0).int()
    positions = torch.cat([torch.arange(length) for length in LENGTHS])[None]
    embedded = torch.randn(1, int(ends[-1]), module.config.hidden_size, requires_grad=True)
    hidden = module.get_decoder()(
        inputs_embeds=embedded, position_ids=positions, use_cache=False, **documents(ends, max(LENGTHS), sum(LENGTHS))
    )[0]
    place = int(ends[3]) + 9  # within the fourth document
    hidden[0, place].sum().backward()
    seen = embedded.grad[0].abs().sum(-1) > 0
    assert seen[place] and seen[ends[3] : place + 1].any()
    assert not seen[: ends[3]].any() and not seen[place + 1 :].any()


@pytest.mark.parametrize(("window", "sinks"), [(None, False), (4, False), (None, True), (4, True)])
def test_attention_by_document_is_softmax_over_what_may_be_seen(window, sinks):
    torch.manual_seed(1)
    query, key, value = torch.randn(9, 4, 8), torch.randn(9, 2, 8), torch.randn(9, 2, 8)
    ends, scale = torch.tensor([0, 3, 9, 9, 9], dtype=torch.int32), 0.3
    sink = torch.randn(4) if sinks else None
    found = by_document(query, key, value, ends, scale, window, sink)
    for position in range(9):
        start = max(0 if position < 3 else 3, position - (window or 9) + 1)
        for head in range(4):
            scores = key[start : position + 1, head // 2] @ query[position, head] * scale
            share = torch.cat([scores, sink[head, None]]).softmax(0)[:-1] if sinks else scores.softmax(0)
            assert torch.allclose(found[position, head], share @ value[start : position + 1, head // 2], atol=1e-6)


def test_the_kernels_attend_as_plain_operators_do_and_so_do_their_gradients():
    assert interpreted("attend") < 1e-5


def test_bounds_are_where_each_positions_document_begins_and_ends():
    ends = torch.tensor([0, 3, 4, 9, 9], dtype=torch.int32)
    assert op.bounds(ends, 9).tolist() == [[0, 0, 0, 3, 4, 4, 4, 4, 4], [3, 3, 3, 4, 9, 9, 9, 9, 9]]
