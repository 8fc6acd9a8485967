import pytest
import torch

from kernelraft.errors import ModelUnavailable
from kernelraft.model.checkpoint import fingerprint, load_checkpoint
from tests.conftest import trainer
from tests.trainer.test_loop import job

CPU = torch.device("cpu")


def test_a_checkpoint_loads_as_it_was_left_and_in_plain_transformers(tmp_path, small_model, examples):
    from transformers import AutoModelForCausalLM

    trainer(steps=2).fit(job(small_model, examples, tmp_path / "m"))
    ours = load_checkpoint(tmp_path / "m", small_model, CPU)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "m")
    ids = torch.tensor([[5, 6, 7]])
    assert torch.equal(ours.module(ids).logits, theirs(ids).logits)


def test_fingerprints_tell_checkpoints_apart(tmp_path, small_model, examples):
    for steps in (1, 2):
        trainer(steps=steps).fit(job(small_model, examples, tmp_path / str(steps)))
    assert fingerprint(tmp_path / "1") != fingerprint(tmp_path / "2")


def test_a_folder_without_a_checkpoint_is_refused_in_one_line(tmp_path, small_model):
    with pytest.raises(ModelUnavailable, match="holds no checkpoint"):
        load_checkpoint(tmp_path, small_model, CPU)


def test_a_model_from_scratch_without_texts_says_to_train_it_first(tmp_path, small_model):
    with pytest.raises(ModelUnavailable, match="stage=sft"):
        small_model.weights(tmp_path / "base", (), 0)


def test_routers_of_a_mixture_from_scratch_are_awake(tmp_path, small_afmoe):
    from safetensors.torch import load_file

    small_afmoe.weights(tmp_path, ["some text to learn from"] * 3, 0)
    routers = {n: w for n, w in load_file(tmp_path / "model.safetensors").items() if "router.gate" in n}
    assert routers and all(w.any() for w in routers.values())
