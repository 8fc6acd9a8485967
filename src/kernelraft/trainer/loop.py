"""The one training loop, on Lightning Fabric; exact about where it is, so that it can be killed at any moment.

State is saved every `save_every` steps under a new name and renamed: weights
that move, optimisers, random number generators, the step. Which examples a
step sees follows from the seed and its number. On a CPU an interrupted run
ends with the same bits as an uninterrupted one.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric

from kernelraft.console import Bar, progress
from kernelraft.tracker import Metrics
from kernelraft.trainer import Job
from kernelraft.trainer.batches import Batches, Encoded, collate
from kernelraft.trainer.loss import SummedLoss
from kernelraft.trainer.optim import lr_at, optimizers
from kernelraft.trainer.settings import LoopSettings

LAST, BEST = "last.ckpt", "best.ckpt"


@dataclass(slots=True)
class Progress:
    """What a save holds beside weights and optimisers."""

    step: int = 0
    tokens: int = 0
    loss: float = 0.0
    best: float = float("inf")
    stale: int = 0


class Loop:
    """Trains `module` in place; `folder` holds the saves."""

    def __init__(self, fabric: Fabric, module: Any, settings: LoopSettings, job: Job, folder: Path) -> None:
        self.fabric, self.settings, self.job, self.folder = fabric, settings, job, folder
        self.loss, *self.optimizers = fabric.setup(SummedLoss(module), *optimizers(module, settings))
        self.progress = Progress()
        folder.mkdir(parents=True, exist_ok=True)

    def fit(self, train: list[Encoded], held_back: list[Encoded], pad: int) -> Metrics:
        """Run all steps, or until `patience` evaluations brought nothing; leaves the best weights in the module."""
        s = self.settings
        batches = Batches(train, s.batch_size, pad, self.job.seed)
        total = s.steps or max(1, round((s.epochs or 0) * batches.per_epoch / s.accumulate))
        torch.manual_seed(self.job.seed)
        if (self.folder / LAST).exists():
            self._restore(LAST)
        self.loss.train()
        with progress(self.job.title, total) as bar:
            bar.advance(self.progress.step)
            while self.progress.step < total and not self._stopped():
                self._step(batches, total, bar)
                if held_back and self._due(s.evaluate_every, total):
                    self._evaluate(held_back, pad)
                if self._due(s.save_every, total):
                    self._save(LAST)
        if (self.folder / BEST).exists():
            self._restore(BEST)
        p = self.progress
        return {"train/loss": p.loss, "train/steps": float(p.step), "train/tokens": float(p.tokens)} | (
            {"train/validation_loss": p.best} if held_back else {}
        )

    def _due(self, every: int, total: int) -> bool:
        return self.progress.step % every == 0 or self.progress.step == total

    def _stopped(self) -> bool:
        return self.settings.patience is not None and self.progress.stale >= self.settings.patience

    def _step(self, batches: Batches, total: int, bar: Bar) -> None:
        s, p, began = self.settings, self.progress, time.perf_counter()
        micro = [batches[p.step * s.accumulate + i] for i in range(s.accumulate)]
        labels = sum(batch.label_count for batch in micro)
        loss = 0.0
        for batch in micro:
            summed = self.loss(self.fabric.to_device(batch), s.embedding_noise)
            self.fabric.backward(summed / labels)
            loss += float(summed.detach()) / labels
        norm = torch.nn.utils.clip_grad_norm_([q for q in self.loss.parameters() if q.requires_grad], s.clip)
        if not torch.isfinite(norm):
            raise FloatingPointError(f"the gradient of step {p.step} is not finite (loss {loss:.4g})")
        lr = lr_at(p.step, total, s)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        tokens = sum(int(batch.attention_BT.sum()) for batch in micro)
        p.step, p.tokens = p.step + 1, p.tokens + tokens
        p.loss = loss if p.step == 1 else 0.95 * p.loss + 0.05 * loss
        bar.advance(1, loss=f"{p.loss:.3f}")
        if p.step % s.log_every == 0 or p.step == total:
            seconds = time.perf_counter() - began
            self.job.log({
                "train/loss": loss, "train/lr": lr, "train/grad_norm": float(norm),
                "train/tokens_per_s": tokens / seconds,
            }, self.job.first_step + p.step)  # fmt: skip

    @torch.no_grad()
    def _evaluate(self, held_back: list[Encoded], pad: int) -> None:
        s, p = self.settings, self.progress
        self.loss.eval()
        total, labels = 0.0, 0
        for start in range(0, len(held_back), s.batch_size):
            batch = collate(held_back[start : start + s.batch_size], pad)
            total += float(self.loss(self.fabric.to_device(batch)))
            labels += batch.label_count
        self.loss.train()
        loss = total / max(1, labels)
        self.job.log({"train/validation_loss": loss}, self.job.first_step + p.step)
        p.stale = 0 if loss < p.best else p.stale + 1
        if loss < p.best:
            p.best = loss
            self._save(BEST)

    def _save(self, name: str) -> None:
        temporary = self.folder / f".{name}.tmp"
        state = {
            "weights": {n: q for n, q in self.loss.module.named_parameters() if q.requires_grad},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "progress": {field: getattr(self.progress, field) for field in Progress.__slots__},
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        torch.save(state, temporary)
        temporary.rename(self.folder / name)

    def _restore(self, name: str) -> None:
        state = torch.load(self.folder / name, map_location=self.fabric.device, weights_only=True)
        self.loss.module.load_state_dict(state["weights"], strict=False)
        if name == BEST:  # the end: only the weights go back, the counts stay
            return
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.progress = Progress(**state["progress"])
        torch.set_rng_state(state["rng"].cpu())
        if state["cuda_rng"]:
            torch.cuda.set_rng_state_all([rng.cpu() for rng in state["cuda_rng"]])
