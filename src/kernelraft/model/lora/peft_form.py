"""Adapters in peft's own files, which peft, transformers and vLLM load without this project."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from kernelraft.errors import ModelUnavailable
from kernelraft.model.lora import LoraShape
from kernelraft.model.lora.experts import NAMES, LoraExperts, is_experts
from kernelraft.model.lora.linear import LoraLinear

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
_PREFIX = "base_model.model."


def save(model: Any, folder: Path, lora: LoraShape, base: str, revision: str | None = None) -> None:
    """Leave the adapters of `model` in `folder`, in the dtype that they have."""
    from peft import LoraConfig
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: view.detach().cpu().reshape(shape).contiguous() for name, shape, view in _views(model)}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    modules, parameters, experts = _targets(model)
    other = experts if lora.expert_rank != lora.rank else []
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=0.0 if parameters or experts else lora.dropout,
        target_modules=modules, target_parameters=parameters + experts or None, task_type="CAUSAL_LM",
        base_model_name_or_path=base, revision=revision, inference_mode=True,
        rank_pattern=dict.fromkeys(other, lora.expert_rank),
        alpha_pattern=dict.fromkeys(other, lora.scale * (lora.expert_rank or 0)),
    )  # fmt: skip
    config.save_pretrained(folder)


def _targets(model: Any) -> tuple[list[str], list[str], list[str]]:
    """Linear layers by module, those by parameter, experts' stacks by parameter.

    In a mixture peft takes a module of these names for a fused expert (0.21, utils/transformers_weight_conversion.py),
    wherever it stands; by the name of its parameter it stays what it is.
    """
    modules, parameters, experts = [], [], []
    mixture = any(isinstance(module, LoraExperts) or is_experts(module) for module in model.modules())
    for name, module in model.named_modules():
        if isinstance(module, LoraLinear) and module.lora_A is not None:
            if mixture and name.endswith((".gate_proj", ".up_proj", ".down_proj")):
                parameters.append(f"{name}.weight")
            else:
                modules.append(name)
        elif isinstance(module, LoraExperts) and module.lora:
            experts += [f"{name}.{part}" for part in NAMES]
    return modules, parameters, experts


def _views(model: Any) -> Iterator[tuple[str, tuple[int, ...], torch.Tensor]]:
    """Every factor: its name and its shape in peft's file, and a view of the parameter in that file's order.

    Experts' factors lie side by side, gate_up_proj's inside down_proj's wrapper.
    """
    for name, module in model.named_modules():
        path = f"{_PREFIX}{name}"
        if isinstance(module, LoraLinear) and module.lora_A is not None and module.lora_B is not None:
            yield f"{path}.lora_A.weight", tuple(module.lora_A.shape), module.lora_A
            yield f"{path}.lora_B.weight", tuple(module.lora_B.shape), module.lora_B
        elif isinstance(module, LoraExperts) and module.lora:
            factors = list(module.lora)
            for wrapper, factor_A, factor_B in zip(_WRAPPERS, factors[::2], factors[1::2], strict=True):
                experts, rank, inputs = factor_A.shape
                side_by_side = experts * rank
                yield f"{path}.{wrapper}lora_A.weight", (side_by_side, inputs), factor_A
                yield f"{path}.{wrapper}lora_B.weight", (factor_B.shape[1], side_by_side), factor_B.permute(1, 2, 0)


_WRAPPERS = ("base_layer.", "")  # of gate_up_proj and of down_proj


def shape_of(folder: Path) -> LoraShape:
    """The shape of the adapters in a folder.

    Raises:
        ModelUnavailable: they are none that this project trains on.
    """
    try:
        config = json.loads((folder / CONFIG).read_text())
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{folder}: expected an adapter with its {CONFIG}, found none to read") from error
    odd = [key for key in ("use_dora", "use_rslora", "fan_in_fan_out", "modules_to_save") if config.get(key)]
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none" or odd:
        found = ", ".join(odd) or f"{config.get('peft_type')} with bias {config.get('bias')}"
        raise ModelUnavailable(f"{folder}: expected a LoRA adapter without further parts, found {found}")
    adapted = {name.partition(".lora_")[0].removesuffix(".base_layer") for name in _shapes(folder)}
    experts = {name for name in adapted if name.endswith(".experts")}
    ranks = {rank for name, rank in (config.get("rank_pattern") or {}).items() if "experts" in name}
    return LoraShape(
        rank=config["r"], alpha=config["lora_alpha"], dropout=config.get("lora_dropout", 0.0),
        targets=tuple(sorted({name.rpartition(".")[2] for name in adapted - experts})),
        expert_rank=max(ranks, default=config["r"]) if experts else None,
    )  # fmt: skip


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Of all tensors, out of the file's head."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / WEIGHTS, "pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (OSError, SafetensorError) as error:
        raise ModelUnavailable(f"{folder / WEIGHTS} cannot be read: {error}") from None


def misfit(model: Any, folder: Path) -> str:
    """Which tensor of the adapter in `folder` is not one that `model` with adapters has, "" where all are."""
    wanted = {name: shape for name, shape, _ in _views(model)}
    there = _shapes(folder)
    for name in sorted(wanted.keys() | there.keys()):
        if wanted.get(name) != there.get(name):
            return f"{name} is {_size(wanted.get(name))} in the model and {_size(there.get(name))} in the adapter"
    return ""


def _size(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else "x".join(map(str, shape))


def restore(model: Any, folder: Path) -> None:
    """Fill the adapters of `model`, which have the shapes of those in `folder`."""
    from safetensors.torch import load_file

    stored = load_file(folder / WEIGHTS)
    with torch.no_grad():
        for name, _, view in _views(model):
            view.copy_(stored[name].view_as(view))
