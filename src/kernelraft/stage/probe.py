"""pass@k of the model in training, on a few tasks that it does not learn: what a falling loss does not say."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from kernelraft.component import component
from kernelraft.data import Tasks
from kernelraft.errors import DataError
from kernelraft.generator.local import Local
from kernelraft.model import Loaded
from kernelraft.runs import Run
from kernelraft.stage.attempts import Attempts
from kernelraft.stage.benchmark import refuse_too_few, scores
from kernelraft.tracker import Metrics
from kernelraft.verifier import Verifier

Count = Annotated[int, Field(ge=1)]


@component
class Probe:
    """Samples the module in training as it is, without a copy, each time that its loss is evaluated."""

    data: Tasks
    generator: Local
    verifier: Verifier
    split: str | None
    tasks: Count
    samples_per_task: Count
    k: list[Count]
    max_abstain: Annotated[float, Field(ge=0, le=1)]

    def __post_init__(self) -> None:
        refuse_too_few(self.samples_per_task, self.k, "probe")

    def of(self, run: Run) -> "Probing":
        """Look at the tasks and start the verifier.

        Raises:
            DataError: there is no task of the split.
            VerifierUnavailable: it does not start.
        """
        tasks = [task for task in self.data.tasks() if self.split in (None, task.split)][: self.tasks]
        if not tasks:
            raise DataError(f"probe: there is no task of split {self.split}; stage.probe.split=null takes all")
        return Probing(self, tasks, run)


class Probing:
    """The trainer's `evaluate`: samples and verdicts of step n lie in the run's probe/step-n."""

    def __init__(self, recipe: Probe, tasks: list[Any], run: Run) -> None:
        self._recipe, self._tasks, self._run = recipe, tasks, run
        self._judge = run.opened(recipe.verifier)

    def __call__(self, loaded: Loaded, step: int) -> Metrics:
        """probe/pass@k, and probe/kind/<kind>."""
        r, folder = self._recipe, self._folder(step)
        with Attempts.open(folder, self._judge, r.max_abstain) as attempts:
            device = next(loaded.module.parameters()).device
            writer = r.generator.writer(loaded, device, f"{folder.name} of a training")
            made = attempts.run(self._tasks, writer, range(r.samples_per_task), self._run.seed, folder.name)
        found = scores(made, r.k)
        return {f"probe/{name.removeprefix('benchmark/')}": value for name, value in found.items()}

    def _folder(self, step: int) -> Path:
        return self._run.dir / "probe" / f"step-{step:08d}"
