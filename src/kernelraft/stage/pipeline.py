"""Stages in order, each in a folder of its own inside the run; a finished one is not run again."""

import logging

from kernelraft.component import component
from kernelraft.runs import Run, in_step
from kernelraft.stage import Stage
from kernelraft.tracker import Metrics

log = logging.getLogger("kernelraft")


@component
class Pipeline:
    """Leaves one folder a step. A step may read what earlier ones left, by path (${dir}/<step>/...)."""

    steps: dict[str, Stage]

    def execute(self, run: Run) -> Metrics:
        totals: Metrics = {}
        kernels = seconds = 0.0
        for number, (name, stage) in enumerate(self.steps.items(), 1):
            with run.step(name, stage) as step:
                metrics = step.finished
                if metrics is None:
                    log.info("[%d/%d] %s", number, len(self.steps), name)
                    metrics = step.finish(stage.execute(step))
                    log.info("[%d/%d] %s took %.0f s", number, len(self.steps), name, metrics["wall_s"])
            totals |= {in_step(key, name): value for key, value in metrics.items()}
            kernels += metrics.get("verify/kernels", 0.0)
            seconds += metrics.get("verify/s", 0.0)
        return totals | ({"verify/kernels_per_s": kernels / seconds} if seconds else {})
