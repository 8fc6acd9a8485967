"""A task that a program without work could pass is refused; one that it could not is kept."""

import pytest
import torch
from programs import RELU, reference

from kernelraft.kernel.compare import difference
from kernelraft.kernel.memory import Unsupported
from kernelraft.kernel.reference import Problem
from kernelraft.kernel.trials import Trial

TOLERANCES = {"float64": 1e-6, "float32": 1e-4, "float16": 5e-3, "bfloat16": 2e-2}


def problem(source: str, trials: int = 3) -> Problem:
    return Problem(source, trials, TOLERANCES, "00")


def trials_of(source: str) -> list[Trial]:
    return problem(source).case(loaded=True).trials


GOOD = {
    "relu": RELU,
    "softmax": reference("torch.softmax(x, dim=-1)"),
    "half": reference("torch.relu(x)", "torch.randn(7, 33).half()"),
    "bfloat16": reference("x * torch.sigmoid(x)", "torch.randn(7, 33).bfloat16()"),
    "one number": reference("x.sum()"),
    "indices": reference("x.argmax(dim=1)"),
    "mask": reference("x > 0"),
    "integers": reference("x + 1", "torch.randint(0, 99, (7, 33))"),
    "parameters": reference("self.linear(x)", init="self.linear = nn.Linear(33, 5)"),
    "two outputs": reference("(torch.relu(x), torch.exp(x / 1000))"),
    "one output as it is and one that is not": reference("(x + 0, torch.exp(x / 1000))"),
    "dictionary": reference("{'a': torch.relu(x), 'b': x.shape[0]}"),
    "in place": reference("x.clamp_(min=0)"),
    "identity with a scale of its own": reference("x * self.w", init="self.w = nn.Parameter(torch.ones(33))"),
}


@pytest.mark.parametrize("name", GOOD)
def test_problem_accepts_a_reference_that_tells_answers_apart(name: str) -> None:
    assert len(problem(GOOD[name]).case(loaded=True).trials) == 3


CONSTANT = {
    "a number": "torch.full((7, 33), 3.0)",
    "zeros": "torch.relu(x) * 0",
    "its parameters": "self.w * 2",
    "its shape": "torch.arange(x.numel())",
    "a softmax over one element": "torch.softmax(x.sum(dim=1, keepdim=True), dim=1)",
    "next to nothing of the input": "1000 + x * 1e-7",
    "both outputs": "(torch.ones(3), torch.zeros(3))",
}


@pytest.mark.parametrize("name", CONSTANT)
def test_problem_refuses_an_output_that_does_not_depend_on_the_inputs(name: str) -> None:
    with pytest.raises(Unsupported, match="a constant would pass"):
        problem(reference(CONSTANT[name], init="self.w = nn.Parameter(torch.randn(33))"))


# name of the answer -> forward, inputs
TRIVIAL = {
    "zeros": ("(x - x).sum()", "torch.randn(7, 33)"),
    "ones": ("x.abs().clamp(1, 1)", "torch.randn(7, 33)"),
    "the mean": ("x.mean().expand(7, 33)", "torch.randn(7, 33)"),
    "the first half": ("torch.cat([torch.exp(x / 1000), x * 0])", "torch.randn(7, 33)"),
    "input 0 as it is": ("torch.relu(x)", "torch.rand(7, 33)"),
    "input 1 as it is": ("torch.where(x > 1e9, x, y)", "torch.randn(7, 33), torch.randn(7, 33)"),
}


@pytest.mark.parametrize("name", TRIVIAL)
def test_problem_refuses_what_a_trivial_answer_passes(name: str) -> None:
    with pytest.raises(Unsupported, match=f"^{name} would pass"):
        problem(reference(*TRIVIAL[name]), trials=1)


@pytest.mark.parametrize("name", ["the mean", "the first half", "input 0 as it is", "input 1 as it is"])
def test_problem_refuses_what_a_trivial_answer_passes_on_every_trial(name: str) -> None:
    with pytest.raises(Unsupported, match=f"^{name} would pass"):
        problem(reference(*TRIVIAL[name]), trials=5)


def test_problem_accepts_what_a_trivial_answer_passes_on_one_trial_only() -> None:
    clipped = reference("x.clamp(-100, 100)")  # the inputs as they are, until they are a thousand times as large
    assert problem(clipped, trials=2)
    with pytest.raises(Unsupported, match="input 0 as it is"):
        problem(clipped, trials=1)


def test_problem_refuses_a_trivial_answer_beside_an_output_that_is_no_tensor() -> None:
    with pytest.raises(Unsupported, match="input 0 as it is"):
        problem(reference("(torch.relu(x), None)", "torch.rand(7, 33)"))
    with pytest.raises(Unsupported, match="input 0 as it is"):
        problem(reference("(x.shape[0], torch.relu(x))", "torch.rand(7, 33)"))


@pytest.mark.parametrize("forward", ["torch.rand_like(x)", "F.dropout(x, 0.5)", "x + torch.randn(33)"])
def test_problem_refuses_a_random_reference(forward: str) -> None:
    with pytest.raises(Unsupported):
        problem(reference(forward))


def test_problem_refuses_a_reference_that_answers_by_the_number_of_its_calls() -> None:
    source = RELU.replace("class Model", "calls = []\nclass Model").replace(
        "return torch.relu(x)", "calls.append(1)\n        return torch.relu(x) + len(calls)"
    )
    with pytest.raises(Unsupported):
        problem(source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "the reference has no nn.Module"),
        ("import no_such_module", "the reference fails: ModuleNotFoundError"),
        ("def f(:", "the reference fails: SyntaxError"),
        (reference("x @ x"), "the reference fails: RuntimeError"),
        ("raise SystemExit(3)", "the reference fails: SystemExit: 3"),
        ("raise KeyboardInterrupt", "the reference fails: KeyboardInterrupt"),
        (reference("None"), "the reference returns no tensor"),
        (reference("x.to_sparse()"), "the reference fails: NotImplementedError"),
    ],
)
def test_problem_refuses_a_reference_that_it_cannot_run(source: str, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        problem(source)


def test_parameters_that_a_constructor_left_at_one_value_are_changed() -> None:
    source = reference("F.layer_norm(x, (33,), self.w, self.b)", init="self.w = nn.Parameter(torch.ones(33))\n"
                       "self.b = nn.Parameter(torch.zeros(33))")  # fmt: skip
    found = problem(source)
    loaded, own = found.case(loaded=True).state, found.case(loaded=False).state
    assert len(loaded["w"].unique()) > 1 and len(loaded["b"].unique()) > 1
    assert own["w"].tolist() == [1.0] * 33 and own["b"].tolist() == [0.0] * 33


def test_trials_have_inputs_of_unlike_magnitudes() -> None:
    sizes = [float(trial.inputs[0].abs().mean()) for trial in problem(RELU, trials=5).case(loaded=True).trials]
    assert max(sizes) / min(sizes) > 1e5


# In the spirit of github.com/ScalingIntelligence/KernelBench/issues/165: with atol = 0.01, zeros passed these.
TINY = {
    "softmax over a long row": reference("torch.softmax(x, dim=1)", "torch.rand(4, 16384)"),
    "Frobenius norm": reference("x / torch.norm(x, p='fro')", "torch.rand(16, 64, 64)"),
    "minimum over a dimension": reference("torch.min(x, dim=1)[0]", "torch.rand(8, 4096, 8)"),
    "L2 norm": reference("x / torch.norm(x, p=2, dim=1, keepdim=True)", "torch.rand(4, 16384)"),
}


@pytest.mark.parametrize("name", TINY)
def test_zeros_and_the_input_fail_where_the_signal_is_tiny(name: str) -> None:
    trials = trials_of(TINY[name])
    first = trials[0].expected[0].value
    assert torch.allclose(torch.zeros_like(first), first, atol=0.02, rtol=0.02)
    for index, trial in enumerate(trials):
        (want,) = trial.expected
        assert difference(torch.zeros_like(want.value), want) is not None
        if index != 2:  # at a thousandth of its inputs, a softmax is its mean
            assert difference(torch.full_like(want.value, float(want.value.mean())), want) is not None
        assert difference(want.value * 1.01, want) is not None
        assert difference(want.exact.float(), want) is None
