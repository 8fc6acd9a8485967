from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from kernelraft.trainer import Job
from kernelraft.trainer.loop import Loop
from tests.conftest import trainer


def job(model, examples, out, rows=None, **fields):
    out.mkdir(parents=True, exist_ok=True)
    corpus = [m.content for e in examples for m in e.messages]
    log = (lambda metrics, step: rows.append((step, metrics))) if rows is not None else (lambda metrics, step: None)
    known = {"model": model, "checkpoint": None, "examples": examples, "corpus": corpus, "out": out, "seed": 3}
    return Job(**(known | {"log": log, "title": "test"} | fields))


def weights(folder):
    return load_file(folder / "model.safetensors")


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def interrupt_after(monkeypatch, steps):
    """Raise in the middle of a step, as a kill would end it; saves of before are on disk."""
    real, count = Loop._step, [0]

    def step(self, *args):
        count[0] += 1
        if count[0] > steps:
            raise KeyboardInterrupt
        real(self, *args)

    monkeypatch.setattr(Loop, "_step", step)
    return lambda: monkeypatch.setattr(Loop, "_step", real)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("killed_at", [3, 7, 11])
def test_an_interrupted_training_ends_with_the_bits_of_an_uninterrupted_one(
    tmp_path, small_model, examples, monkeypatch, killed_at, optimizer
):
    recipe = trainer(optimizer=optimizer, accumulate=2)
    whole = recipe.fit(job(small_model, examples, tmp_path / "whole"))
    undo = interrupt_after(monkeypatch, killed_at)
    with pytest.raises(KeyboardInterrupt):
        recipe.fit(job(small_model, examples, tmp_path / "killed"))
    undo()
    torch.manual_seed(99)  # another process has another state
    resumed = recipe.fit(job(small_model, examples, tmp_path / "killed"))
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    assert whole == resumed


def test_training_lowers_the_loss_and_leaves_no_saves(tmp_path, small_model, examples):
    rows = []
    metrics = trainer(steps=60).fit(job(small_model, examples, tmp_path / "m", rows))
    assert rows[-1][1]["train/loss"] < 0.5 * rows[0][1]["train/loss"]
    assert metrics["train/steps"] == 60 == rows[-1][0]
    assert not (tmp_path / "m" / "saves").exists()


def test_accumulated_steps_equal_one_large_batch(tmp_path, small_model, examples):
    """Gradients are divided by the labels of the whole step, so short and long examples weigh by their tokens."""
    kinds = {"embedding_noise": 0.0, "optimizer": "adamw", "steps": 1}
    trainer(batch_size=20, accumulate=1, **kinds).fit(job(small_model, examples, tmp_path / "one"))
    trainer(batch_size=5, accumulate=4, **kinds).fit(job(small_model, examples, tmp_path / "four"))
    one, four = weights(tmp_path / "one"), weights(tmp_path / "four")
    assert all(torch.allclose(one[name], four[name], atol=1e-4) for name in one)


def test_early_stopping_keeps_the_best_weights(tmp_path, small_model, examples):
    rows = []
    recipe = trainer(steps=400, validation_share=0.3, evaluate_every=5, patience=2, lr=2e-2, embedding_noise=0.0)
    metrics = recipe.fit(job(small_model, examples, tmp_path / "m", rows))
    losses = [m["train/validation_loss"] for _, m in rows if "train/validation_loss" in m]
    assert metrics["train/steps"] < 400
    assert metrics["train/validation_loss"] == min(losses) < losses[-1]


def test_overlong_examples_are_left_out_and_counted(tmp_path, small_model, examples):
    first, last = examples[0].messages
    long = replace(examples[0], id="long", messages=(first, replace(last, content=last.content + " and so on" * 400)))
    corpus = [m.content for e in examples for m in e.messages]
    metrics = trainer(steps=1).fit(job(small_model, [*examples, long], tmp_path / "m", corpus=corpus))
    assert metrics["train/overlong"] == 1 and metrics["train/examples"] == len(examples)


def test_training_goes_on_from_a_checkpoint(tmp_path, small_model, examples):
    trainer(steps=40).fit(job(small_model, examples, tmp_path / "first"))
    rows = []
    trainer(steps=2).fit(job(small_model, examples, tmp_path / "second", rows, checkpoint=tmp_path / "first"))
    fresh = []
    trainer(steps=2).fit(job(small_model, examples, tmp_path / "third", fresh))
    assert rows[0][1]["train/loss"] < 0.6 * fresh[0][1]["train/loss"]
