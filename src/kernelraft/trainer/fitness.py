"""Whether a training fits into memory: said before its weights are loaded, with what would fit."""

import logging
from dataclasses import replace
from typing import Any

import torch

from kernelraft.errors import ModelUnavailable
from kernelraft.model import Model, Weights
from kernelraft.model.lora import LoraShape
from kernelraft.model.lora.attach import freeze, packable
from kernelraft.model.lora.stored import Stored
from kernelraft.model.memory import free_bytes, size
from kernelraft.model.misfit import skeleton
from kernelraft.model.quantization import Quantization
from kernelraft.trainer.memory import Estimate, estimate
from kernelraft.trainer.settings import LoopSettings

log = logging.getLogger("kernelraft")
SHARE = 0.94  # of what the weights leave: fragments take the rest


def expect(
    base: Weights, model: Model, settings: LoopSettings, quantization: Quantization | None, lora: LoraShape | None,
    device: Any,
) -> int:  # fmt: skip
    """Say what the training will take on `device`; returns how many layers are to be run again.

    Raises:
        ModelUnavailable: it is more than is free there.
    """
    module = _bare(base, getattr(torch, model.dtype), quantization, lora)
    compiled = settings.compiles(device)
    found, free = estimate(module, settings, compiled=compiled), free_bytes(device)
    log.info("the training takes about %s; free on %s: %s", found, device, size(free))
    count = layers_to_recompute(settings, found, free, device)
    if (least := found.peak(count)) > free:
        fits = _what_fits(module, settings, free, compiled) or _smaller(quantization)
        raise ModelUnavailable(
            f"training {model.name} takes about {size(least)} and {size(free)} are free on {device}: {fits}"
        )
    return count


def _bare(base: Weights, dtype: torch.dtype, quantization: Quantization | None, lora: LoraShape | None) -> Any:
    """The model as it will be trained, without memory for a weight."""
    module = skeleton(base).to(dtype)
    if quantization is None and lora is None:
        return module
    names = packable(module) if quantization else ()
    double = quantization.double if quantization else True
    freeze(module, {name: Stored.packed(module.get_parameter(name), double=double) for name in names}, lora)
    return module


def layers_to_recompute(settings: LoopSettings, found: Estimate, free: int, device: Any) -> int:
    """How many layers are run again: by the settings, or as few as a GPU's memory allows."""
    if settings.recompute == "auto":
        if device.type != "cuda":
            return 0
        fewest = found.least_recomputed(found.weights + int(SHARE * (free - found.weights)))
        return found.count if fewest is None else fewest
    return found.count if settings.recompute is True else min(found.count, int(settings.recompute))


def _what_fits(module: Any, settings: LoopSettings, free: int, compiled: bool) -> str:
    """The first of some smaller settings that fits, "" where none does."""
    for tokens in (settings.tokens, settings.max_length):
        for optimizer in (settings.optimizer, "adamw_8bit"):
            changes: dict[str, Any] = {"tokens": tokens, "optimizer": optimizer, "recompute": True}
            found = estimate(module, replace(settings, **changes), compiled=compiled)
            if found.peak(found.count) <= free:
                now = {name: value for name, value in changes.items() if value != getattr(settings, name)}
                said = " ".join(f"trainer.{name}={value}".lower() for name, value in now.items())
                return f"{said} takes about {size(found.peak(found.count))}"
    return ""


def _smaller(quantization: Quantization | None) -> str:
    return "trainer=qlora takes less" if quantization is None else "take a smaller model, or a larger card"
