import dataclasses

import pytest
import torch

from kernelraft.model.lora import LoraShape
from kernelraft.model.lora.dropout import drop
from kernelraft.model.lora.linear import LoraLinear, seeds
from kernelraft.model.lora.stored import Stored, dense
from tests.interpreted import interpreted

SHAPE = LoraShape(rank=8, alpha=12, dropout=0.0, targets=("x",))


def layer(packed=True, bias=True, shape=SHAPE):
    torch.manual_seed(0)
    weight = torch.randn(48, 64)
    module = LoraLinear(
        Stored.packed(weight, double=True) if packed else Stored.dense(weight), torch.randn(48) if bias else None
    )
    module.adapt(shape)
    torch.nn.init.normal_(module.lora_B)
    return module


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_output_and_gradients_are_those_of_the_merged_weight(packed, bias):
    module = layer(packed, bias)
    a, b = (factor.detach().clone().requires_grad_() for factor in (module.lora_A, module.lora_B))
    x, y = (torch.randn(3, 5, 64, generator=torch.Generator().manual_seed(1)).requires_grad_() for _ in range(2))
    weight = dense(module.weight.parts, module.weight.shape, torch.float32) + 1.5 * b @ a
    found, wanted = module(x), torch.nn.functional.linear(y, weight, module.bias)
    grad = torch.randn_like(found)
    found.backward(grad), wanted.backward(grad)
    for one, other in ((found, wanted), (x.grad, y.grad), (module.lora_A.grad, a.grad), (module.lora_B.grad, b.grad)):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_a_new_adapter_changes_nothing():
    module = layer()
    torch.nn.init.zeros_(module.lora_B)
    x = torch.randn(4, 64)
    weight = dense(module.weight.parts, module.weight.shape, torch.float32)
    assert torch.equal(module(x), torch.nn.functional.linear(x, weight, module.bias))


def test_dropout_is_of_the_adapters_input_in_training_alone():
    module = layer(shape=LoraShape(rank=8, alpha=12, dropout=0.5, targets=("x",)))
    x = torch.randn(2000, 64)
    base = torch.nn.functional.linear(x, dense(module.weight.parts, module.weight.shape, x.dtype), module.bias)
    whole = module.eval()(x) - base
    dropped = module.train()(x) - base
    assert torch.equal(module.eval()(x), module.eval()(x)) and not torch.allclose(dropped, whole)
    assert torch.allclose((dropped * whole).sum() / whole.square().sum(), torch.tensor(1.0), atol=0.05)
    module.train()(x).sum().backward()
    assert module.lora_A.grad.abs().sum() > 0


@pytest.mark.parametrize(("packed", "dropout"), [(True, 0.0), (True, 0.5), (False, 0.0)])
def test_its_input_alone_is_kept_and_what_is_of_the_adapters_rank_where_that_is_a_product_of_its_own(packed, dropout):
    module, kept = layer(packed, bias=False, shape=dataclasses.replace(SHAPE, dropout=dropout)).train(), []
    seeds(module, torch.device("cpu"))
    x = torch.randn(1000, 64, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        module(x)
    known = {p.data_ptr() for p in (x, module.lora_A, module.lora_B, *module.weight.parts)}
    inner = [] if packed and not dropout else [(1000, len(module.lora_A))]
    assert [tensor.shape for tensor in kept if tensor.data_ptr() not in known and tensor.numel() > 1] == inner


def test_dropout_follows_from_the_seed():
    x = torch.rand(100, 1000) + 1
    first, again, other = (drop(x, torch.tensor(seed), 0.25) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert float((first == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert torch.allclose(first[first != 0], x[first != 0] / 0.75)
    assert float(((other == 0) & (first == 0)).float().mean()) == pytest.approx(0.0625, abs=0.01)


def test_the_dropout_kernel_drops_its_share_by_the_seed():
    assert interpreted("dropped") < 0.02


def test_layers_drop_apart_and_one_that_is_run_again_drops_the_same():
    shape = LoraShape(rank=8, alpha=12, dropout=0.5, targets=("x",))
    layers = torch.nn.ModuleList([layer(shape=shape), layer(shape=shape)]).train()
    layers[1].load_state_dict(layers[0].state_dict())
    given = seeds(layers, torch.device("cpu"))
    given.copy_(torch.tensor([7, 8]))
    x = torch.randn(50, 64, requires_grad=True)
    plain = [torch.autograd.grad(part(x).square().sum(), [x, part.lora_A, part.lora_B]) for part in layers]
    again = torch.utils.checkpoint.checkpoint(layers[0], x, use_reentrant=False, preserve_rng_state=False)
    rerun = torch.autograd.grad(again.square().sum(), [x, layers[0].lora_A, layers[0].lora_B])
    assert all(torch.equal(a, b) for a, b in zip(plain[0], rerun, strict=True))
    assert not torch.equal(plain[0][0], plain[1][0])
    given.fill_(9)
    assert not torch.equal(layers[0](x), again)


def test_gradients_are_those_of_what_is_dropped():
    module = layer(shape=LoraShape(rank=8, alpha=12, dropout=0.5, targets=("x",))).train()
    seeds(module, torch.device("cpu")).fill_(3)
    x = torch.randn(20, 64, requires_grad=True)
    weight = dense(module.weight.parts, module.weight.shape, torch.float32)
    mask = drop(torch.ones(20, 64), module.seed, 0.5)
    plain = x @ weight.T + module.scale * (x * mask) @ module.lora_A.T @ module.lora_B.T
    if module.bias is not None:
        plain = plain + module.bias
    given = [x, module.lora_A, module.lora_B]
    for a, b in zip(
        torch.autograd.grad(module(x).square().sum(), given),
        torch.autograd.grad(plain.square().sum(), given),
        strict=True,
    ):
        assert (a - b).norm() <= 1e-5 * b.norm()
