"""One process a device: Fabric starts them, and what the first one logs reaches the process that holds the run.

Several machines: the same command on each, with MASTER_ADDR, MASTER_PORT and NODE_RANK as torch.distributed reads them.
"""

import logging
import multiprocessing
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies import DDPStrategy

from kernelraft.console import LogHandler
from kernelraft.errors import ConfigError, KernelraftError
from kernelraft.tracker import Metrics
from kernelraft.trainer import Job
from kernelraft.trainer.settings import LoopSettings


def launch(fit: Callable[..., Metrics], settings: LoopSettings, job: Job, method: Any) -> Metrics:
    """`fit(fabric, settings, job, method)` in this process, or in one for each device; returns what the first returns.

    Raises:
        ConfigError: the model is to be evaluated by what only this process has.
    """
    if settings.devices * settings.num_nodes == 1:
        fabric = Fabric(accelerator=settings.accelerator, devices=1, precision=settings.precision)
        return fit(fabric, settings, job, method)
    if job.evaluate is not None:
        raise ConfigError(
            "trainer.devices: a benchmark in training needs devices=1; give none, or benchmark afterwards"
        )
    # A process that has used CUDA cannot be copied; where there is none, all copies share one import of torch.
    start = "spawn" if torch.cuda.is_available() else "forkserver"
    multiprocessing.set_forkserver_preload(["kernelraft.trainer.fitting", "peft"])
    strategy = DDPStrategy(start_method=start, broadcast_buffers=False, gradient_as_bucket_view=True)
    fabric = Fabric(
        accelerator=settings.accelerator, devices=settings.devices, num_nodes=settings.num_nodes, strategy=strategy,
        precision=settings.precision,
    )  # fmt: skip
    rows = multiprocessing.get_context("spawn").Queue()
    reader = threading.Thread(target=_pass_on, args=(rows, job.log), daemon=True)
    reader.start()
    try:
        found: Metrics | KernelraftError = fabric.launch(_Child(fit, settings, replace(job, log=_Rows(rows)), method))
    finally:
        rows.put(None)
        reader.join()
    if isinstance(found, KernelraftError):
        raise found
    return found


class _Child:
    """What each process runs; a user's error is handed over as what it is."""

    def __init__(self, fit: Callable[..., Metrics], settings: LoopSettings, job: Job, method: Any) -> None:
        self._fit, self._settings, self._job, self._method = fit, settings, job, method

    def __call__(self, fabric: Fabric) -> Metrics | KernelraftError:
        warnings.filterwarnings("ignore", category=FutureWarning)  # of what Lightning calls in torch
        log = logging.getLogger("kernelraft")
        log.addHandler(LogHandler())
        log.setLevel(logging.INFO if fabric.is_global_zero else logging.ERROR)
        job = self._job if fabric.is_global_zero else replace(self._job, log=_nowhere)
        try:
            return self._fit(fabric, self._settings, job, self._method)
        except KernelraftError as error:
            return error


def _nowhere(metrics: Metrics, step: int) -> None:
    """The other processes' log."""


class _Rows:
    """A log that goes to another process."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def __call__(self, metrics: Metrics, step: int) -> None:
        self._rows.put((metrics, step))


def _pass_on(rows: Any, log: Callable[[Metrics, int], None]) -> None:
    while (row := rows.get()) is not None:
        log(*row)


def random_states(fabric: Fabric) -> dict[str, torch.Tensor]:
    """Of torch's generators, a row a process."""
    here = {"cpu": torch.get_rng_state()}
    if fabric.device.type == "cuda":
        here["cuda"] = torch.cuda.get_rng_state(fabric.device)
    return {kind: _rows_of_all(fabric, state) for kind, state in here.items()}


def _rows_of_all(fabric: Fabric, state: torch.Tensor) -> torch.Tensor:
    if fabric.world_size == 1:
        return state[None].cpu()
    gathered: Any = fabric.all_gather(state.to(fabric.device))
    found: torch.Tensor = gathered.cpu()
    return found


def set_random_states(fabric: Fabric, states: dict[str, torch.Tensor]) -> None:
    """Take this process's row, where there is one: a run may go on with more devices."""
    rank = fabric.global_rank
    if rank < len(states["cpu"]):
        torch.set_rng_state(states["cpu"][rank].cpu().clone())  # a view of a row ends torch with a segmentation fault
    if "cuda" in states and rank < len(states["cuda"]) and fabric.device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"][rank].cpu().clone(), fabric.device)
