"""The one training loop, on Lightning Fabric; exact about where it is, so that it can be killed at any moment.

A save holds the weights that move, optimisers, random number generators, the step. Which examples a step sees
follows from the seed and its number. On a CPU an interrupted run ends with the same bits as an uninterrupted one.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric

from kernelraft.console import Bar, progress
from kernelraft.errors import ConfigError
from kernelraft.model import Loaded
from kernelraft.model.lora.dropout import SEEDS
from kernelraft.model.lora.linear import seeds
from kernelraft.tracker import Metrics
from kernelraft.trainer import Job
from kernelraft.trainer.batches import Batches, Encoded, Frame
from kernelraft.trainer.feed import Feed
from kernelraft.trainer.launching import random_states, set_random_states
from kernelraft.trainer.loss import SummedLoss
from kernelraft.trainer.optim import lr_at, optimizers
from kernelraft.trainer.saves import Saves
from kernelraft.trainer.settings import LoopSettings
from kernelraft.trainer.stopping import Stopping


@dataclass(slots=True)
class Progress:
    """What a save holds beside weights and optimisers; `best` maps steps to their scores."""

    step: int = 0
    tokens: int = 0
    loss: float = 0.0
    stale: int = 0
    best: dict[int, float] = field(default_factory=dict)


class Loop:
    """Trains a model in place; `folder` holds the saves; batches are of one shape where a `frame` is given.

    `graphs`: the layers run as CUDA graphs, for which the batches must have a frame.
    """

    def __init__(
        self, fabric: Fabric, loaded: Loaded, settings: LoopSettings, job: Job, folder: Path,
        frame: Frame | None = None, *, graphs: bool = False,
    ) -> None:  # fmt: skip
        self.fabric, self.loaded, self.settings, self.job, self.frame = fabric, loaded, settings, job, frame
        module = loaded.module
        self.loss, *self.optimizers = fabric.setup(SummedLoss(module, graphs=graphs), *optimizers(module, settings))
        self.graphs, self.seeds = graphs, seeds(module, fabric.device)
        self.trained = [p for p in self.loss.parameters() if p.requires_grad]
        self.progress, self.saves = Progress(), Saves(folder, settings.keep_last)

    def fit(self, train: list[Encoded], held_back: list[Encoded], pad: int) -> Metrics:
        """Run all steps, or until `patience` evaluations brought nothing; leaves the best weights in the module.

        Raises:
            Stopped: a signal or `max_hours` ended it; what was done is saved.
        """
        s = self.settings
        batches = Batches(train, s.batch_size, s.tokens, pad, self.job.seed, self.frame)
        feed = Feed(self.fabric, batches, s.accumulate)
        each = s.accumulate * self.fabric.world_size
        total = s.steps or max(1, round(batches.count(s.epochs or 0) / each))
        torch.manual_seed(self.job.seed + self.fabric.global_rank)
        self._restore()
        self.loss.train()
        with progress(self.job.title, total) as bar, Stopping(s.max_hours) as stopping:
            bar.advance(self.progress.step)
            while self.progress.step < total and not self._exhausted():
                self._step(feed, total, bar)
                if held_back and self._due(s.evaluate_every, total):
                    self._evaluate(Batches(held_back, s.batch_size, s.tokens, pad, self.job.seed, self.frame))
                stop = self._over_all(bool(stopping))[0] > 0
                if self._due(s.save_every, total) or stop:
                    self._save()
                if stop:
                    stopping.end(self.job.title, self.progress.step, total)
        self._take_best()
        p = self.progress
        return {"train/loss": p.loss, "train/steps": float(p.step), "train/tokens": float(p.tokens)} | (
            {s.metric: p.best[min(p.best, key=self._place)]} if p.best else {}
        )

    def _due(self, every: int, total: int) -> bool:
        return self.progress.step % every == 0 or self.progress.step == total

    def _exhausted(self) -> bool:
        return self.settings.patience is not None and self.progress.stale >= self.settings.patience

    def _step(self, feed: Feed, total: int, bar: Bar) -> None:
        s, p, began, ranks = self.settings, self.progress, time.perf_counter(), self.fabric.world_size
        micro = feed.at(p.step)
        labels, tokens = self._over_all(sum(b.label_count for b in micro), sum(b.tokens for b in micro))
        loss = torch.zeros((), device=self.fabric.device)
        for place, batch in enumerate(micro):
            if self.seeds is not None:
                self.seeds.copy_(torch.randint(SEEDS, self.seeds.shape))
            with self.fabric.no_backward_sync(self.loss, enabled=ranks > 1 and place < len(micro) - 1):
                summed = self.loss(batch, s.embedding_noise)
                self.fabric.backward(summed * (ranks / max(1, labels)))  # Fabric takes the mean over the ranks
            loss += summed.detach()
        norm = torch.nn.utils.clip_grad_norm_(self.trained, s.clip)
        lr = lr_at(p.step, total, s)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()
            optimizer.zero_grad(set_to_none=not self.graphs)  # graphs add to gradients where these lie
        if p.step + 1 < total:
            feed.prepare(p.step + 1)
        mean = self._over_all(float(loss))[0] / max(1, labels)  # waits for the device once a step
        if not torch.isfinite(norm) or not math.isfinite(mean):
            raise FloatingPointError(f"the gradient of step {p.step} is not finite (loss {mean:.4g})")
        p.step, p.tokens = p.step + 1, p.tokens + int(tokens)
        p.loss = mean if p.step == 1 else 0.95 * p.loss + 0.05 * mean
        bar.advance(1, loss=f"{p.loss:.3f}")
        if p.step % s.log_every == 0 or p.step == total:
            self.job.log({
                "train/loss": mean, "train/lr": lr, "train/grad_norm": float(norm),
                "train/tokens_per_s": tokens / (time.perf_counter() - began),
            }, self.job.first_step + p.step)  # fmt: skip

    def _over_all(self, *counts: float) -> Sequence[float]:
        """Sums over the ranks."""
        if self.fabric.world_size == 1:
            return counts
        summed: Any = self.fabric.all_reduce(torch.tensor(counts, dtype=torch.float64), reduce_op="sum")
        return [float(count) for count in summed]

    @torch.no_grad()
    def _evaluate(self, held_back: Batches) -> None:
        """Score the weights; one of the best is saved."""
        s, p = self.settings, self.progress
        self.loss.eval()
        total, labels = 0.0, 0
        for n in range(self.fabric.global_rank, round(held_back.count(1)), self.fabric.world_size):
            batch = held_back[n]
            total += float(self.loss(self.fabric.to_device(batch)))
            labels += batch.label_count
        total, count = self._over_all(total, labels)
        scores: Metrics = {"train/validation_loss": total / max(1, count)}
        if self.job.evaluate is not None:
            scores |= self.job.evaluate(self.loaded, self.job.first_step + p.step)
        self.loss.train()
        self.job.log(scores, self.job.first_step + p.step)
        if s.metric not in scores:
            raise ConfigError(f"trainer.metric={s.metric}: expected one of {', '.join(scores)}")
        self._rank(scores[s.metric])

    def _rank(self, score: float) -> None:
        s, p = self.settings, self.progress
        sign = 1 if s.mode == "min" else -1
        known = min((sign * value for value in p.best.values()), default=math.inf)
        p.stale = 0 if sign * score < known - s.threshold else p.stale + 1
        p.best[p.step] = score
        for step in sorted(p.best, key=self._place)[s.keep_best :]:
            del p.best[step]
        if p.step in p.best:
            self._save()

    def _place(self, step: int) -> tuple[float, int]:
        """Where the score of a step stands among the best; of equal ones the later is better."""
        score = self.progress.best[step]
        return score if self.settings.mode == "min" else -score, -step

    def _save(self) -> None:
        rng = random_states(self.fabric)
        if self.fabric.is_global_zero:
            state = {
                "weights": {n: q for n, q in self.loss.module.named_parameters() if q.requires_grad},
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "progress": asdict(self.progress),
                "rng": rng,
            }
            self.saves.write(self.progress.step, state, list(self.progress.best))
        self.fabric.barrier()

    def _restore(self) -> None:
        state = self._read(self.saves.last)
        if state is None:
            return
        self.loss.module.load_state_dict(state["weights"], strict=False)
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.progress = Progress(**state["progress"])
        set_random_states(self.fabric, state["rng"])

    def _take_best(self) -> None:
        if self.progress.best:
            best = min(self.progress.best, key=self._place)
            state = self._read(partial(self.saves.at, best))
            assert state is not None
            self.loss.module.load_state_dict(state["weights"], strict=False)

    def _read(self, read: Callable[[Any], dict[str, Any] | None]) -> dict[str, Any] | None:
        """What the first process reads; the saves are on its machine alone."""
        state = read(self.fabric.device) if self.fabric.is_global_zero else None
        return self.fabric.broadcast(state) if self.fabric.world_size > 1 else state
