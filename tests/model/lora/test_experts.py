"""Experts in 4 bits with adapters against the family's own experts on the unpacked weights: outputs and gradients."""

import copy
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoConfig
from transformers.models.afmoe.modeling_afmoe import AfmoeExperts
from transformers.models.gpt_oss.modeling_gpt_oss import GptOssExperts
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeExperts

from kernelraft.model.lora import LoraShape, mixture
from kernelraft.model.lora.experts import LoraExperts
from kernelraft.model.lora.stored import Stored, dense
from tests.conftest import FAMILIES
from tests.interpreted import interpreted

KINDS = {"afmoe": AfmoeExperts, "qwen3_moe": Qwen3MoeExperts, "gpt_oss": GptOssExperts}
SHAPE = LoraShape(rank=16, alpha=16, dropout=0.0, targets=(), expert_rank=8)


def experts(family):
    config = AutoConfig.for_model(family, **FAMILIES[family])
    config._experts_implementation = "eager"
    module = KINDS[family](config)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2 if parameter.ndim == 3 else 1.0)
    return module


def with_delta(theirs, ours):
    """The family's module on the weights that ours stand for; the adapters' factors as leaves."""
    factors = [factor.detach().clone().requires_grad_() for factor in ours.lora]
    plain = copy.deepcopy(theirs)
    for name, stored, pair in (
        ("gate_up_proj", ours.gate_up_proj, factors[:2]), ("down_proj", ours.down_proj, factors[2:])
    ):  # fmt: skip
        delta = ours.scale * pair[1] @ pair[0]
        delattr(plain, name)
        setattr(
            plain, name, dense(stored.parts, stored.shape, torch.float32) + (delta.mT if ours.transposed else delta)
        )
    return plain, factors


@pytest.mark.parametrize("double", [True, False])
def test_weights_unpacked_in_pieces_give_what_whole_ones_give(double, monkeypatch):
    torch.manual_seed(0)
    stacks = torch.randn(4, 512, 256) / 16, torch.randn(4, 256, 256) / 16
    ours = LoraExperts(SimpleNamespace(), *(Stored.packed(stack, double=double) for stack in stacks))
    index, unpacked, runs = torch.stack([torch.randperm(4)[:2] for _ in range(20)]), [], []
    plain = mixture.dense
    monkeypatch.setattr(
        mixture, "dense", lambda p, shape, *rest: unpacked.append(tuple(shape)) or plain(p, shape, *rest)
    )
    for ours.pieces in (1, 4):
        x = torch.randn(20, 256, generator=torch.Generator().manual_seed(1)).requires_grad_()
        out = ours(x, index, torch.full((20, 2), 0.5))
        out.backward(torch.ones_like(out))
        runs.append([out, x.grad])
    assert unpacked[:2] == [(4, 512, 256), (4, 256, 256)] and set(unpacked[4:]) == {(4, 128, 256), (4, 64, 256)}
    for found, wanted in zip(*runs, strict=True):
        assert (found - wanted).norm() <= 1e-5 * wanted.norm()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("family", KINDS)
def test_outputs_and_gradients_are_those_of_the_familys_own_experts(family, packed):
    torch.manual_seed(0)
    theirs = experts(family)
    stacks = [getattr(theirs, name).data for name in ("gate_up_proj", "down_proj")]
    ours = LoraExperts(theirs, *(Stored.packed(s, double=True) if packed else Stored.dense(s) for s in stacks))
    ours.adapt(SHAPE)
    for factor in ours.lora:
        torch.nn.init.normal_(factor, std=0.1)
    plain, factors = with_delta(theirs, ours)
    index = torch.stack([torch.randperm(3)[:2] for _ in range(20)])  # the fourth expert gets nobody
    runs = []
    for module, leaves in ((ours, list(ours.lora)), (plain, factors)):
        x, weights = (
            torch.randn(20, 64, generator=torch.Generator().manual_seed(1)),
            torch.linspace(0.1, 1, 40).view(20, 2),
        )
        x.requires_grad_(), weights.requires_grad_()
        out = module(x, index, weights)
        out.backward(torch.randn(out.shape, generator=torch.Generator().manual_seed(2)))
        runs.append([out, x.grad, weights.grad, *(leaf.grad for leaf in leaves)])
    for found, wanted in zip(*runs, strict=True):
        assert (found - wanted).norm() <= 1e-5 * wanted.norm()


def test_experts_without_adapters_train_what_is_before_them():
    torch.manual_seed(0)
    theirs = experts("afmoe")
    ours = LoraExperts(theirs, Stored.dense(theirs.gate_up_proj.data), Stored.dense(theirs.down_proj.data))
    x = torch.randn(6, 64, requires_grad=True)
    ours(x, torch.randint(0, 4, (6, 2)), torch.rand(6, 2)).sum().backward()
    assert x.grad.abs().sum() > 0 and not list(ours.parameters())


@pytest.mark.parametrize("name", ["spread", "gate", "gate_backward", "combine"])
def test_the_kernels_compute_as_torch_does(name):
    assert interpreted(name) < 1e-5
