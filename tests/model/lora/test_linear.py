import pytest
import torch

from kernelraft.model.lora import LoraShape
from kernelraft.model.lora.linear import LoraLinear
from kernelraft.model.lora.stored import Stored, dense

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


def test_its_input_and_what_is_of_the_adapters_rank_are_kept_for_the_backward_pass_alone():
    module, kept = layer(bias=False), []
    x = torch.randn(1000, 64, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        module(x)
    known = {p.data_ptr() for p in (x, module.lora_A, module.lora_B, *module.weight.parts)}
    assert [tensor.shape for tensor in kept if tensor.data_ptr() not in known] == [(1000, len(module.lora_A))]
