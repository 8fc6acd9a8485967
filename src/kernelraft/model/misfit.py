"""Whether an adapter's tensors are those that a model takes, without a byte of the model's weights."""

from pathlib import Path
from typing import Any

from kernelraft.errors import ModelUnavailable
from kernelraft.model import Weights
from kernelraft.model.pretrained import pretrained


def refuse_misfit(folder: Path, base: Weights) -> None:
    """Compare the adapter in `folder` with a model of `base`'s sizes that holds no weights.

    peft itself leaves out, without an error, tensors of layers that the model does not have.

    Raises:
        ModelUnavailable: a tensor has another shape, is missing, or has no place.
    """
    from kernelraft.model.lora import peft_form
    from kernelraft.model.lora.attach import freeze

    module = skeleton(base)
    try:
        freeze(module, {}, peft_form.shape_of(folder))
        why = peft_form.misfit(module, folder)
    except ModelUnavailable as error:
        why = str(error)
    if why:
        raise ModelUnavailable(f"{folder} is an adapter for another model than {base.path}: {why}")


def skeleton(base: Weights) -> Any:
    """The module of `base` on torch's meta device: names, shapes and dtypes, no memory."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = pretrained(AutoConfig, base)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)
