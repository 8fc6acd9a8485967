import torch

from kernelraft.model.sampling import Sampling, _draw


def draws(logits, how, count=4000):
    uniforms = torch.rand(count, generator=torch.Generator().manual_seed(0))
    picked = _draw(torch.tensor([logits]).expand(count, -1), uniforms, how)
    return torch.bincount(picked, minlength=len(logits)) / count


def how(**changes):
    return Sampling(**({"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 1} | changes))


def test_draws_follow_the_models_probabilities():
    logits = [0.0, 1.0, 2.0, -1.0]
    assert torch.allclose(draws(logits, how()), torch.tensor(logits).softmax(0), atol=0.03)


def test_temperature_sharpens_and_zero_is_greedy():
    logits = [0.0, 1.0, 2.0, -1.0]
    assert torch.allclose(draws(logits, how(temperature=0.5)), (torch.tensor(logits) * 2).softmax(0), atol=0.03)
    assert draws(logits, how(temperature=0)).tolist() == [0, 0, 1, 0]


def test_top_p_keeps_the_smallest_set_that_reaches_it():
    probabilities = torch.tensor([0.1, 0.5, 0.15, 0.25])
    shares = draws(probabilities.log().tolist(), how(top_p=0.7))
    assert torch.allclose(shares, torch.tensor([0.0, 0.5, 0.0, 0.25]) / 0.75, atol=0.03)
