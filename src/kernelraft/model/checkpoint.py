"""What a trainer leaves and everybody else loads: full weights, or an adapter and where its base is."""

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from kernelraft.errors import ModelUnavailable
from kernelraft.model import Loaded, Model, Weights
from kernelraft.model.card import CARD, base_of, look, origin_of, place
from kernelraft.model.lora import LoraShape
from kernelraft.model.pretrained import pretrained
from kernelraft.model.quantization import Quantization
from kernelraft.store import write_json


def load(
    weights: Weights, model: Model, device: Any, quantization: Quantization | None = None, lora: LoraShape | None = None
) -> Loaded:
    """Base weights on `device`, in 4 bits where a quantization is given, with new adapters where a shape is.

    Raises:
        ModelUnavailable: transformers cannot read what is there, or it has no layers of the names to adapt.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = pretrained(AutoTokenizer, weights)
    options: dict[str, Any] = {"dtype": getattr(torch, model.dtype), "attn_implementation": model.attention}
    if quantization is not None:
        from kernelraft.model.packed_loading import PackedConfig

        options |= {"quantization_config": PackedConfig(double=quantization.double), "device_map": {"": device}}
    module = pretrained(AutoModelForCausalLM, weights, **options)
    if quantization is not None or lora is not None:
        from kernelraft.model.lora.attach import freeze

        freeze(module, module.hf_quantizer.quantization_config.stored if quantization else {}, lora)
    module.to(device)
    return Loaded(module=module, tokenizer=_checked(tokenizer, weights.path))


def _checked(tokenizer: Any, path: str) -> Any:
    if tokenizer.chat_template is None:
        raise ModelUnavailable(f"{path}: its tokenizer has no chat template; use an instruct model")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def save(
    folder: Path, loaded: Loaded, base: Weights, lora: LoraShape | None, quantization: Quantization | None
) -> None:
    """Leave a checkpoint in `folder`; adapters in peft's own form, full weights in transformers'."""
    if lora is None:
        loaded.module.save_pretrained(folder)
    else:
        from kernelraft.model.lora import peft_form

        peft_form.save(loaded.module, folder, lora, base.path, base.revision)
    loaded.tokenizer.save_pretrained(folder)
    if lora is None:
        base = origin_of(base)
    elif Path(base.path).is_dir():
        base = replace(base, path=os.path.relpath(base.path, folder))
    made_here = lora is None and Path(base.path).parent == folder  # from scratch, and gone when the training is over
    write_json(folder / CARD, {
        "kind": "full" if lora is None else "adapter",
        "base": None if made_here else asdict(base),
        "quantization": quantization.model_dump() if quantization else None,
    })  # fmt: skip


def load_checkpoint(folder: Path, model: Model, device: Any) -> Loaded:
    """The model of a checkpoint, its adapters in place.

    Raises:
        ModelUnavailable: as `load`, as `look`, or the adapter's tensors are not those that the base takes.
    """
    weights, (_, quantization) = place(look(folder, model), model), base_of(folder)
    if weights.path == str(folder):  # full weights
        return load(weights, model, device)
    from kernelraft.model.lora import peft_form
    from kernelraft.model.misfit import refuse_misfit

    refuse_misfit(folder, weights)
    loaded = load(weights, model, device, quantization, peft_form.shape_of(folder))
    peft_form.restore(loaded.module, folder)
    return loaded
