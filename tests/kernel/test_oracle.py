"""Expected outputs are exact to float64, and an answer may be four times as inexact as PyTorch itself."""

from typing import Any

import pytest
import torch
from torch import nn

from kernelraft.kernel.compare import difference
from kernelraft.kernel.memory import Unsupported
from kernelraft.kernel.oracle import answers

FLOORS = {"float64": 1e-6, "float32": 1e-4, "float16": 5e-3, "bfloat16": 2e-2}


class Calls(nn.Module):
    """A reference that does what a function says."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Any) -> Any:
        return self.function(*inputs)


def of(function: Any, *inputs: Any, floors: dict[str, float] = FLOORS) -> list[Any]:
    model = function if isinstance(function, nn.Module) else Calls(function)
    with torch.no_grad():
        return answers(model, list(inputs), floors)[0]


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_answers_hold_the_value_in_its_own_type_and_the_exact_one() -> None:
    x = randn(64, 33)
    (found,) = of(torch.exp, x)
    assert found.value.dtype is torch.float32 and found.value.equal(x.exp())
    assert found.exact.dtype is torch.float64 and found.exact.equal(x.double().exp())


def test_answers_use_parameters_in_float64() -> None:
    linear = nn.Linear(33, 8)
    before = {name: value.clone() for name, value in linear.state_dict().items()}
    x = randn(4, 33)
    (found,) = of(linear, x)
    want = x.double() @ linear.weight.double().t() + linear.bias.double()
    assert torch.allclose(found.exact, want, rtol=1e-14, atol=1e-14)
    assert all(value.equal(before[name]) for name, value in linear.state_dict().items())
    assert linear.weight.dtype is torch.float32


def test_answers_leave_torch_as_it_was() -> None:
    of(torch.exp, randn(3))
    assert torch.get_default_dtype() is torch.float32
    of(lambda x: _fails_in_double(x), randn(3))
    assert torch.get_default_dtype() is torch.float32


def test_tensors_that_a_forward_makes_are_float64_in_the_oracle() -> None:
    (found,) = of(lambda x: x / torch.full((3,), 3.0).sqrt(), randn(2, 3))
    assert found.exact.equal(randn(2, 3).double() / torch.tensor(3.0, dtype=torch.float64).sqrt())


def test_limit_is_the_floor_when_the_reference_is_exact() -> None:
    (found,) = of(torch.relu, randn(7, 33))
    assert found.limit == FLOORS["float32"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_limit_has_a_floor_for_every_dtype(dtype: torch.dtype) -> None:
    (found,) = of(torch.relu, randn(7, 33).to(dtype))
    assert found.limit == FLOORS[str(dtype).removeprefix("torch.")]


def test_limit_is_four_times_the_error_of_the_reference_when_that_is_more() -> None:
    (found,) = of(lambda x: x * (1.0 if x.dtype is torch.float64 else 1.001), torch.ones(9))
    assert found.limit == pytest.approx(4 * 0.001 / 2, rel=1e-3)
    assert difference(torch.full((9,), 0.9985), found) is None
    assert difference(torch.full((9,), 0.99), found) is not None


def test_answers_refuse_a_reference_that_is_too_inexact() -> None:
    with pytest.raises(Unsupported, match="the reference in float32 is off by"):
        of(lambda x: x * (1.0 if x.dtype is torch.float64 else 1.5), torch.ones(9))


def test_answers_refuse_a_random_reference() -> None:
    with pytest.raises(Unsupported, match="off by"):
        of(torch.rand_like, torch.ones(99))


def test_indices_and_bools_are_wanted_exactly() -> None:
    x = randn(5, 9)
    values, indices, mask = of(lambda x: (*x.max(dim=1), x > 0), x)
    assert values.exact is not None and indices.exact is None and mask.exact is None
    assert indices.value.equal(x.argmax(dim=1)) and mask.value.equal(x > 0)
    assert difference(x.argmax(dim=1), indices) is None


def test_integer_inputs_stay_integers() -> None:
    embedding = nn.Embedding(10, 4)
    rows = torch.tensor([1, 3, 3, 7])
    (found,) = of(embedding, rows)
    assert found.exact.equal(embedding.weight.double()[rows])


def test_outputs_are_flat_in_the_order_of_containers() -> None:
    found = of(lambda x: {"a": (x, [x + 1]), "b": 3}, torch.ones(2))
    assert [one.value if isinstance(one.value, int) else one.value.tolist() for one in found] == [[1, 1], [2, 2], 3]


def test_a_list_of_inputs_is_converted_too() -> None:
    (found,) = of(lambda parts: torch.cat(parts) / 3, [torch.ones(2), torch.ones(3)])
    assert found.exact.equal(torch.ones(5, dtype=torch.float64) / 3)


def _fails_in_double(x: torch.Tensor) -> torch.Tensor:
    if x.dtype is torch.float64:
        raise NotImplementedError("no such kernel for Double")
    return x.exp()


def test_a_reference_that_cannot_run_in_float64_is_believed_as_it_is() -> None:
    (found,) = of(_fails_in_double, randn(9))
    assert found.exact.equal(randn(9).exp().double())
    assert found.limit == FLOORS["float32"]


def test_a_reference_of_another_form_in_float64_is_believed_as_it_is() -> None:
    (found,) = of(lambda x: x[:2] if x.dtype is torch.float64 else x + 1, randn(9))
    assert found.exact.equal((randn(9) + 1).double())


def test_a_reference_that_fails_in_its_own_type_raises() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        of(nn.Linear(4, 4), torch.ones(2, 5))


def test_inputs_are_not_changed_by_a_reference_that_works_in_place() -> None:
    x, parts = torch.full((5,), 2.0), [torch.ones(3)]
    (found, _) = of(lambda x, parts: (x.mul_(3), parts[0].zero_()), x, parts)
    assert found.value.tolist() == [6.0] * 5 and found.exact.tolist() == [6.0] * 5
    assert x.tolist() == [2.0] * 5 and parts[0].tolist() == [1.0] * 3


def test_a_module_that_keeps_state_answers_the_same_again() -> None:
    norm = nn.BatchNorm1d(4)
    x = randn(16, 4) + 5
    first, second = of(norm, x), of(norm, x)
    assert first[0].value.equal(second[0].value)
    assert norm.running_mean is not None and norm.running_mean.tolist() == [0.0] * 4


def test_outputs_do_not_share_memory_with_each_other_or_the_inputs() -> None:
    x = torch.ones(3)
    first, second = of(lambda x: (x, x), x)
    first.value.zero_()
    assert second.value.tolist() == x.tolist() == [1.0] * 3


def test_what_overflows_in_its_own_type_does_not_widen_the_limit() -> None:
    (found,) = of(lambda x: x * 1000, torch.tensor([1.0, 100.0], dtype=torch.float16))
    assert found.value.tolist() == [1000.0, float("inf")] and found.exact.tolist() == [1000.0, 100_000.0]
    assert found.limit == FLOORS["float16"]


@pytest.mark.parametrize("value", [None, 3, "text", (1, 2.0)])
def test_answers_refuse_a_reference_without_a_tensor(value: Any) -> None:
    with pytest.raises(Unsupported, match="returns no tensor"):
        of(lambda x: value, torch.ones(3))


def test_answers_refuse_a_dtype_without_a_tolerance() -> None:
    with pytest.raises(Unsupported, match="float16: there is no tolerance"):
        of(torch.relu, torch.ones(3, dtype=torch.float16), floors={"float32": 1e-4})
    with pytest.raises(Unsupported, match="float8_e5m2"):
        of(lambda x: x.to(torch.float8_e5m2), torch.ones(3))


def test_answers_accept_an_output_of_no_elements() -> None:
    (found,) = of(torch.relu, torch.empty(0, 3))
    assert difference(torch.empty(0, 3), found) is None
