"""What a trainer leaves and everybody else loads: full weights, or an adapter and where its base is."""

import hashlib
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from kernelraft.errors import ModelUnavailable
from kernelraft.model import Loaded, Model, Weights
from kernelraft.model.quantization import Quantization, bitsandbytes_config, finish, quiet
from kernelraft.model.silence import silence
from kernelraft.records import digest
from kernelraft.store import write_json

CARD = "kernelraft.json"


def load(weights: Weights, model: Model, device: Any, quantization: Quantization | None = None) -> Loaded:
    """Base weights on `device`, in 4 bits where a quantization is given.

    Raises:
        ModelUnavailable: transformers cannot read what is there.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    silence()
    options: dict[str, Any] = {"revision": weights.revision} if weights.revision else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(weights.path, **options)
        if quantization is not None:
            quiet()
            options |= {"quantization_config": bitsandbytes_config(quantization), "device_map": {"": device}}
        module = AutoModelForCausalLM.from_pretrained(
            weights.path, dtype=getattr(torch, model.dtype), attn_implementation=model.attention, **options
        )
    except (OSError, ValueError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelUnavailable(f"{weights.path} cannot be loaded: {first}") from None
    if quantization is not None:
        finish(module, quantization)
    else:
        module.to(device)
    return Loaded(module=module, tokenizer=_checked(tokenizer, weights.path))


def _checked(tokenizer: Any, path: str) -> Any:
    if tokenizer.chat_template is None:
        raise ModelUnavailable(f"{path}: its tokenizer has no chat template; use an instruct model")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def save(folder: Path, loaded: Loaded, base: Weights, adapter: bool, quantization: Quantization | None) -> None:
    """Leave a checkpoint in `folder`; an adapter in peft's own form, full weights in transformers'."""
    loaded.module.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    if adapter and Path(base.path).is_dir():
        base = replace(base, path=os.path.relpath(base.path, folder))
    write_json(folder / CARD, {
        "kind": "adapter" if adapter else "full",
        "base": asdict(base) if adapter else None,
        "quantization": quantization.model_dump() if quantization else None,
    })  # fmt: skip


def read_card(folder: Path) -> dict[str, Any]:
    """Raises ModelUnavailable where `folder` is no checkpoint."""
    path = folder / CARD
    if not path.is_file():
        raise ModelUnavailable(f"{folder} holds no checkpoint: expected a folder like runs/<name>/model")
    card: dict[str, Any] = json.loads(path.read_text())
    return card


def base_of(folder: Path) -> tuple[Weights, Quantization | None]:
    """Where the base weights of a checkpoint are (the checkpoint itself, if it is full), and how they are stored."""
    card = read_card(folder)
    if card["kind"] == "full":
        return Weights(path=str(folder)), None
    base = Weights(**card["base"])
    beside = (folder / base.path).resolve()
    quantization = Quantization(**card["quantization"]) if card["quantization"] else None
    return (replace(base, path=str(beside)) if beside.is_dir() else base), quantization


def load_checkpoint(folder: Path, model: Model, device: Any, *, trainable: bool = False) -> Loaded:
    """The model of a checkpoint, its adapter in place (trainable on request)."""
    weights, quantization = base_of(folder)
    loaded = load(weights, model, device, quantization)
    if read_card(folder)["kind"] == "full":
        return loaded
    from peft import PeftModel

    module = PeftModel.from_pretrained(loaded.module, str(folder), is_trainable=trainable)
    return Loaded(module=module, tokenizer=loaded.tokenizer)


def fingerprint(folder: Path) -> str:
    """Hash of a checkpoint's weights: what a sample's id is made of, so that another model's samples are not reused."""
    read_card(folder)
    return digest(*(_hash_of(path) for path in sorted(folder.glob("*.safetensors"))))


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
