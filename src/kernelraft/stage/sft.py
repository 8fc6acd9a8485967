"""Supervised fine-tuning: examples in, a checkpoint out."""

from pathlib import Path

from kernelraft.component import component
from kernelraft.data import Examples, Tasks
from kernelraft.errors import DataError
from kernelraft.model import Model
from kernelraft.model.card import look, name_base
from kernelraft.records import Example
from kernelraft.runs import Run
from kernelraft.stage.probe import Probe
from kernelraft.store import read_rows, write_json
from kernelraft.tracker import Metrics
from kernelraft.trainer import Job, Trainer


@component
class Sft:
    """Leaves `model/`, a checkpoint."""

    data: Examples
    model: Model
    trainer: Trainer
    checkpoint: Path | None
    corpus: Tasks | None
    probe: Probe | None = None

    def execute(self, run: Run) -> Metrics:
        result = run.dir / "training.json"
        with run.once("model") as out:
            if out is None:
                return dict(next(read_rows(result))[1])
            if self.checkpoint is None:
                self.model.check()
            checkpoint = look(self.checkpoint, self.model) if self.checkpoint else None
            examples = list(self.data.examples())
            if not examples:
                raise DataError("there is no example to train on")
            job = Job(
                model=self.model, checkpoint=checkpoint, examples=examples,
                corpus=texts_of(examples, self.corpus), out=out, seed=run.seed, log=run.log, title="sft",
                evaluate=self.probe.of(run) if self.probe else None,
            )  # fmt: skip
            metrics = self.trainer.fit(job)
            name_base(out, run.dir / "model")
            write_json(result, [metrics])
        return metrics


def texts_of(examples: list[Example], corpus: Tasks | None) -> list[str]:
    """What the tokenizer of a model from scratch is trained on."""
    texts = [message.content for example in examples for message in example.messages]
    return texts + [task.prompt for task in corpus.tasks()] if corpus else texts
