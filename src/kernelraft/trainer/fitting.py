"""What surrounds the loop: load, encode, split, fit, leave a checkpoint. Imported when a training starts."""

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from lightning.fabric import Fabric

from kernelraft.console import show
from kernelraft.errors import ConfigError
from kernelraft.model import Loaded, Weights
from kernelraft.model.card import base_of, place, read_card
from kernelraft.model.checkpoint import load, load_checkpoint, save
from kernelraft.model.lora import LoraShape
from kernelraft.model.lora.linear import LoraLinear
from kernelraft.model.lora.peft_form import shape_of
from kernelraft.model.quantization import Quantization
from kernelraft.tracker import Metrics
from kernelraft.trainer import Job
from kernelraft.trainer.batches import Encoded, encode_all
from kernelraft.trainer.fitness import expect
from kernelraft.trainer.inventory import table, take
from kernelraft.trainer.launching import launch
from kernelraft.trainer.loop import Loop
from kernelraft.trainer.preparing import prepare
from kernelraft.trainer.settings import LoopSettings


class Method(Protocol):
    """Which weights move and how the others are stored."""

    @property
    def quantization(self) -> Quantization | None: ...
    def shape(self, targets: Sequence[str]) -> LoraShape | None: ...


def fit(settings: LoopSettings, job: Job, method: Method) -> Metrics:
    """Train as `job` says. `job.out` may hold the saves of a killed attempt; they are gone at the end."""
    return launch(_fit, settings, job, method)


def _fit(fabric: Fabric, settings: LoopSettings, job: Job, method: Method) -> Metrics:
    """One process of it."""
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.seed)
        start = _load(fabric, job, settings, method)
        loaded, base, lora = start.loaded, start.base, start.lora
        encoded, left_out = encode_all(loaded.tokenizer, job.examples, settings.max_length)
        train, held_back = _split(encoded, settings.validation_share, job.seed)
        frame, graphs = prepare(loaded.module, settings, start.recomputed, [len(e.ids) for e in train], fabric.device)
        if fabric.is_global_zero and not job.first_step:  # later cycles are as the first
            show(table(take(loaded.module)))
        loop = Loop(fabric, loaded, settings, job, job.out / "saves", frame, graphs=graphs)
        metrics = loop.fit(train, held_back, loaded.tokenizer.pad_token_id)
    if fabric.local_rank == 0:
        save(job.out, loaded, base, lora, method.quantization)
        shutil.rmtree(job.out / "saves", ignore_errors=not fabric.is_global_zero)
        if lora is None:
            shutil.rmtree(job.out / "base", ignore_errors=True)
    return metrics | {"train/examples": float(len(train))} | left_out


def _split(encoded: list[Encoded], share: float, seed: int) -> tuple[list[Encoded], list[Encoded]]:
    """Those to train on, those held back; both in their order."""
    order = list(range(len(encoded)))
    random.Random(seed).shuffle(order)
    held = order[: round(len(order) * share)]
    return [encoded[i] for i in sorted(order[len(held) :])], [encoded[i] for i in sorted(held)]


@dataclass(frozen=True, slots=True)
class _Start:
    """What the loop begins with: the model, what it was made from, its adapters, how many layers are run again."""

    loaded: Loaded
    base: Weights
    lora: LoraShape | None
    recomputed: int


def _load(fabric: Fabric, job: Job, settings: LoopSettings, method: Method) -> _Start:
    """Base weights or a checkpoint on the device, if the training fits there."""
    new = method.shape(job.model.lora_targets)
    if job.checkpoint is None:
        with fabric.rank_zero_first(local=True):
            base = job.model.weights(job.out / "base", job.corpus, job.seed)
    else:
        base, _ = base_of(job.checkpoint)
        _refuse_other_method(job.checkpoint, method, new)
        if base.path != str(job.checkpoint):
            return _go_on(fabric, job, settings, method, job.checkpoint, base, new)
    recomputed = expect(base, job.model, settings, method.quantization, new, fabric.device)
    return _Start(load(base, job.model, fabric.device, method.quantization, new), base, new, recomputed)


def _go_on(
    fabric: Fabric, job: Job, settings: LoopSettings, method: Method, adapter: Path, base: Weights,
    new: LoraShape | None,
) -> _Start:  # fmt: skip
    """The adapters that are there, of the shape that they have; only the dropout is the new one."""
    there = shape_of(adapter)
    under = place(adapter, job.model)
    recomputed = expect(under, job.model, settings, method.quantization, there, fabric.device)
    loaded = load_checkpoint(adapter, job.model, fabric.device)
    for part in loaded.module.modules():
        if isinstance(part, LoraLinear):
            part.dropout = new.dropout if new else 0.0
    return _Start(loaded, base, there, recomputed)


def _refuse_other_method(checkpoint: Path, method: Method, new: LoraShape | None) -> None:
    """An adapter goes on as the adapter that it is, on base weights stored as they were."""
    card = read_card(checkpoint)
    if card["kind"] == "full":
        return
    stored = method.quantization.model_dump() if method.quantization else None
    if new is None or card["quantization"] != stored:
        made_by = "qlora" if card["quantization"] else "lora"
        kind = (card["quantization"] or {}).get("kind", "full precision")
        raise ConfigError(
            f"{checkpoint} is an adapter on base weights in {kind}: go on with trainer={made_by} and its settings"
        )
