import shutil
from pathlib import Path

import torch

from kernelraft.model.checkpoint import load_checkpoint
from kernelraft.stage.sft import Sft
from kernelraft.trainer.lora import Lora
from tests.conftest import LOOP, example, execute, scratch

ADAPTER = {"rank": 4, "alpha": 8, "dropout": 0.0, "expert_rank": None, "steps": 2, "lr": 5e-2, "optimizer": "adamw"}


class Given:
    """A data set of some examples."""

    def examples(self, left_out=None):
        return iter([example(n) for n in range(4)])


def sft(checkpoint=None):
    recipe = Lora(**LOOP | ADAPTER)
    return Sft(data=Given(), model=scratch(), trainer=recipe, checkpoint=checkpoint, corpus=None)


def test_plain_peft_and_transformers_find_the_base_of_an_adapter_where_the_run_left_it(tmp_path):
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM

    execute(sft(), tmp_path / "first")
    execute(sft(tmp_path / "first"), tmp_path / "second")
    ids = torch.tensor([[5, 6, 7]])
    for name in ("first", "second"):
        folder = tmp_path / name / "model"
        ours = load_checkpoint(folder, scratch(), torch.device("cpu")).module.eval()(ids).logits
        for reader in (AutoPeftModelForCausalLM, AutoModelForCausalLM):
            theirs = reader.from_pretrained(str(folder)).eval()(input_ids=ids).logits
            assert (ours - theirs).norm() < 1e-5 * ours.norm()


def test_an_adapter_of_a_relative_run_names_its_base_from_where_the_command_was_given(tmp_path, monkeypatch):
    from peft import PeftConfig

    monkeypatch.chdir(tmp_path)
    execute(sft(), Path("runs/first"))
    assert PeftConfig.from_pretrained("runs/first/model").base_model_name_or_path == "runs/first/model/base"
    shutil.move("runs", "elsewhere")
    load_checkpoint(Path("elsewhere/first/model"), scratch(), torch.device("cpu"))  # ours is relative to itself
