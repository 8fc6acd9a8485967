"""Training of adapters on 4-bit weights: this project's loop beside TRL's, on the same documents, random weights.

Every arm is the real thing: `Loop` with settings of conf/trainer/qlora.yaml, or TRL's SFTTrainer with bitsandbytes and
peft. Tokens per second are of real tokens, no padding counted, from the steps after the first ones.

    python benchmarks/training.py 8b trinity             # one H200; trl 1.16, liger-kernel, bitsandbytes, datasets
    python benchmarks/training.py 8b --arms ours --profile
    python benchmarks/training.py 8b trinity --toy       # every arm on a CPU in a minute, at no size that says anything
"""

import argparse
import gc
import json
import math
import platform
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from lightning.fabric import Fabric
from shapes import build, documents
from training_profile import Profile
from training_trl import BATCH_1, BEST, BEST_SMALL, PACKED, SLOW, Peer, run_peer

from kernelraft.component import build as build_component
from kernelraft.composition import prepare_process
from kernelraft.model import Loaded
from kernelraft.model.lora.attach import freeze, packable
from kernelraft.model.lora.stored import Stored
from kernelraft.tracker import Metrics
from kernelraft.trainer import Job
from kernelraft.trainer.batches import Batches, Encoded
from kernelraft.trainer.fitness import layers_to_recompute
from kernelraft.trainer.loop import Loop
from kernelraft.trainer.memory import estimate
from kernelraft.trainer.preparing import prepare

GIB = 1 << 30
CONF = Path(__file__).resolve().parents[1] / "conf"
NAMES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class Own:
    """`overrides` of trainer=qlora; `aim`, in GiB, is what recompute=auto takes for the device's memory.

    `capped`: the process may not take more. The documents are repeated so often that an epoch is some 40 batches.
    """

    name: str
    overrides: tuple[str, ...]
    aim: float | None = None
    capped: bool = False
    repeated: int = 8


ARMS: dict[str, list[Own | Peer]] = {
    "8b": [
        Own("ours, 16k", ("tokens=16384", "recompute=false")),
        Own("ours, 4k, 16 GiB", ("tokens=4096", "accumulate=4", "optimizer=adamw_8bit", "recompute=10"), repeated=4),
        Own("dropout 0.05, 16k", ("tokens=16384", "recompute=false", "dropout=0.05")),
        BATCH_1, BEST, BEST_SMALL,
    ],
    "trinity": [
        Own("ours, 4k", ("tokens=4096", "optimizer=adamw_8bit", "recompute=true"), repeated=2),
        Own("ours, 38.5 GiB", ("tokens=8192", "recompute=auto"), aim=38.5, capped=True, repeated=4),
        Own("ours, 80 GB", ("tokens=20480", "recompute=auto"), aim=74, capped=True),
        PACKED, SLOW,
    ],
}  # fmt: skip


class EnoughError(Exception):
    """The steps that were to be measured are done."""


@dataclass
class Clock:
    """The loop's log: the rate of each step; ends the training after `steps`, and profiles one more."""

    steps: int
    profile: Profile | None
    rates: list[float]

    def __call__(self, metrics: Metrics, step: int) -> None:
        if len(self.rates) < self.steps:
            self.rates.append(metrics["train/tokens_per_s"])
        elif self.profile is not None and self.profile.running:
            self.profile.stop()
            raise EnoughError
        if len(self.rates) == self.steps:
            if self.profile is None:
                raise EnoughError
            self.profile.start()


def packed(module: Any) -> dict[str, Stored]:
    """What loading in 4 bits leaves: packed weights by their names, nothing in their places."""
    stored = {}
    for name in list(packable(module)):
        owner, _, last = name.rpartition(".")
        weight = getattr(module.get_submodule(owner), last)
        stored[name] = Stored.packed(weight, double=True)
        empty = torch.nn.Parameter(weight.new_empty([0] * weight.ndim), requires_grad=False)
        setattr(module.get_submodule(owner), last, empty)
    return stored


def run_own(arm: Own, model: str, asked: argparse.Namespace) -> dict[str, Any]:
    """A few steps of the loop; the first ones compile, capture and are not counted."""
    settings = build_component(
        compose("config", [
            "trainer=qlora", "trainer.epochs=null", "trainer.steps=1000", "trainer.log_every=1",
            "trainer.save_every=1000000", "trainer.dropout=0", *(f"trainer.{each}" for each in arm.overrides),
            *(["trainer.tokens=256", "trainer.max_length=128", "trainer.optimizer=adamw"] if asked.toy else []),
        ]).trainer
    )  # fmt: skip
    device = torch.device("cpu" if asked.toy else "cuda")
    module = build(model, toy=asked.toy)
    freeze(module, packed(module), settings.shape(NAMES))
    module.to(device).train()
    clean(asked)
    expected = estimate(module, settings, compiled=settings.compiles(device))
    recomputed = layers_to_recompute(settings, expected, int((arm.aim or 0) * GIB), device)
    encoded = [
        Encoded(ids, [place >= prompt for place in range(len(ids))])
        for ids, prompt in documents(asked.documents, module.config.vocab_size, toy=asked.toy) * arm.repeated
    ]
    frame, graphs = prepare(module, settings, recomputed, [len(e.ids) for e in encoded], device)
    if arm.aim and arm.capped and not asked.toy:
        torch.cuda.set_per_process_memory_fraction(arm.aim * GIB / torch.cuda.mem_get_info()[1])
    fabric = Fabric(accelerator=device.type, devices=1, precision=settings.precision)
    batches = Batches(encoded, settings.batch_size, settings.tokens, 0, 0, frame)  # as the loop makes them, seed 0
    steps = asked.steps or math.ceil(batches.count(1) / settings.accumulate)
    clock = Clock(asked.warm + steps, Profile() if asked.profile else None, [])
    loaded = Loaded(module=module, tokenizer=None)
    job = Job(
        model=None, checkpoint=None, examples=[], corpus=[], out=Path(), seed=0, log=clock, title="",  # type: ignore[arg-type]
    )  # fmt: skip
    began = time.perf_counter()
    with suppress(EnoughError):
        Loop(fabric, loaded, settings, job, Path("none"), frame, graphs=graphs).fit(encoded, [], 0)
    each, rates = settings.accumulate, clock.rates[asked.warm :]
    tokens = [
        sum(batches[n].tokens for n in range(step * each, step * each + each))
        for step in range(asked.warm, asked.warm + steps)
    ]
    return {
        "tokens_per_s": sum(tokens) / sum(count / rate for count, rate in zip(tokens, rates, strict=True)),
        "median": statistics.median(rates), "least": min(rates), "most": max(rates), "steps": steps, "graphs": graphs,
        "recomputed": recomputed, "expected_gib": expected.peak(recomputed) / GIB,
        "seconds": time.perf_counter() - began,
    }  # fmt: skip


def clean(asked: argparse.Namespace) -> None:
    """Nothing of the arm before is left."""
    gc.collect()
    if not asked.toy:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def results(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row an arm; one that fails says why."""
    for model in asked.models:
        for arm in ARMS[model]:
            if asked.arms and not any(arm.name.startswith(each) for each in asked.arms):
                continue
            torch._dynamo.reset()
            row: dict[str, Any] = {"model": model, "arm": arm.name}
            try:
                row |= run_own(arm, model, asked) if isinstance(arm, Own) else run_peer(arm, model, asked)
            except Exception as error:
                row["error"] = f"{type(error).__name__}: {str(error)[:300]}"
            if not asked.toy:
                row["peak_gib"] = torch.cuda.max_memory_allocated() / GIB
                row["reserved_gib"] = torch.cuda.max_memory_reserved() / GIB
            clean(asked)
            yield row


def _version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} missing"


def main() -> None:
    """Print one JSON line an arm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", choices=list(ARMS))
    parser.add_argument("--arms", nargs="+", help="only those whose names begin so")
    parser.add_argument("--documents", type=int, default=56)
    parser.add_argument("--steps", type=int, help="by default an epoch of the repeated documents; of TRL 5, or 2")
    parser.add_argument("--warm", type=int, default=2)
    parser.add_argument("--profile", action="store_true", help="of ours: one more step, by kind of kernel")
    parser.add_argument("--toy", action="store_true")
    asked = parser.parse_args()
    prepare_process()
    where = platform.machine() if asked.toy else torch.cuda.get_device_name()
    print(where, *map(_version, ("torch", "triton", "transformers", "trl", "peft", "bitsandbytes", "liger-kernel")))
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for row in results(asked):
            print(json.dumps({k: round(v, 2) if isinstance(v, float) else v for k, v in row.items()}), flush=True)


if __name__ == "__main__":
    main()
