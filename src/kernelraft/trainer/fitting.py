"""What surrounds the loop: load, encode, split, fit, leave a checkpoint. Imported when a training starts."""

import logging
import random
import shutil
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning.fabric import Fabric

from kernelraft.errors import ConfigError
from kernelraft.model import Loaded, Weights
from kernelraft.model.checkpoint import base_of, load, load_checkpoint, read_card, save
from kernelraft.model.quantization import Quantization
from kernelraft.tracker import Metrics
from kernelraft.trainer import Job
from kernelraft.trainer.batches import encode_all
from kernelraft.trainer.loop import Loop
from kernelraft.trainer.settings import LoopSettings

log = logging.getLogger("kernelraft")


class Method(Protocol):
    """Which weights move and how the others are stored."""

    @property
    def quantization(self) -> Quantization | None: ...
    @property
    def adapter(self) -> bool: ...
    def trainable(self, loaded: Loaded, targets: list[str], checkpoint: Path | None) -> Any: ...


def fit(settings: LoopSettings, job: Job, method: Method) -> Metrics:
    """Train as `job` says. `job.out` may hold the saves of a killed attempt; they are gone at the end."""
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    fabric = Fabric(accelerator=settings.accelerator, devices=settings.devices, precision=settings.precision)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.seed)
        loaded, base = _load(fabric, job, method)
        module = method.trainable(loaded, job.model.lora_targets, job.checkpoint)
        _recompute(module, settings.recompute)
        _report(module, method)
        encoded, left_out = encode_all(loaded.tokenizer, job.examples, settings.max_length)
        order = list(range(len(encoded)))
        random.Random(job.seed).shuffle(order)
        held = order[: round(len(order) * settings.validation_share)]
        held_back = [encoded[i] for i in sorted(held)]
        train = [encoded[i] for i in sorted(order[len(held) :])]
        loop = Loop(fabric, module, settings, job, job.out / "saves")
        metrics = loop.fit(train, held_back, loaded.tokenizer.pad_token_id)
    save(job.out, Loaded(module=module, tokenizer=loaded.tokenizer), base, method.adapter, method.quantization)
    shutil.rmtree(job.out / "saves")
    if not method.adapter:
        shutil.rmtree(job.out / "base", ignore_errors=True)
    return metrics | {"train/examples": float(len(train))} | left_out


def _load(fabric: Fabric, job: Job, method: Method) -> tuple[Loaded, Weights]:
    if job.checkpoint is None:
        base = job.model.weights(job.out / "base", job.corpus, job.seed)
        return load(base, job.model, fabric.device, method.quantization), base
    base, _ = base_of(job.checkpoint)
    _refuse_other_method(job.checkpoint, method)
    if base.path == str(job.checkpoint):  # full weights
        return load(base, job.model, fabric.device, method.quantization), base
    return load_checkpoint(job.checkpoint, job.model, fabric.device, trainable=True), base


def _refuse_other_method(checkpoint: Path, method: Method) -> None:
    """An adapter goes on as the adapter that it is, on base weights stored as they were."""
    card = read_card(checkpoint)
    if card["kind"] == "full":
        return
    stored = method.quantization.model_dump() if method.quantization else None
    if not method.adapter or card["quantization"] != stored:
        made_by = "qlora" if card["quantization"] else "lora"
        kind = (card["quantization"] or {}).get("kind", "full precision")
        raise ConfigError(
            f"{checkpoint} is an adapter on base weights in {kind}: go on with trainer={made_by} and its settings"
        )


def _recompute(module: Any, recompute: bool) -> None:
    if recompute:
        module.enable_input_require_grads()
        # transformers 5.23 renamed it; 5.17 knows the old name only
        name = "activation" if hasattr(module, "activation_checkpointing_enable") else "gradient"
        enable = getattr(module, f"{name}_checkpointing_enable")
        enable(**{f"{name}_checkpointing_kwargs": {"use_reentrant": False}})


def _report(module: Any, method: Method) -> None:
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    stored = sum(p.numel() * p.element_size() for p in module.parameters())
    log.info(
        "trains %.3g M parameters; weights take %.3g MiB%s", trained / 1e6, stored / 2**20,
        f", base in {method.quantization.kind}" if method.quantization else "",
    )  # fmt: skip
