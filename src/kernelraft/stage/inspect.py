"""stage=inspect: what a training would see of its data, token by token, with no training."""

import logging
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from pydantic import NonNegativeInt, PositiveInt

from kernelraft.component import component
from kernelraft.console import progress, show
from kernelraft.data import Examples, Tasks
from kernelraft.errors import DataError
from kernelraft.model import Model
from kernelraft.records import Example
from kernelraft.report.trained import Looked, Sizes, page, passage, table
from kernelraft.runs import Run
from kernelraft.stage.sft import texts_of
from kernelraft.tracker import Metrics

log = logging.getLogger("kernelraft")


@component
class Inspect:
    """Leaves inspect.html: the first examples as they are encoded for training, what carries loss marked."""

    REPEATS: ClassVar[bool] = True

    data: Examples
    model: Model
    checkpoint: Path | None
    corpus: Tasks | None
    max_length: PositiveInt
    show: NonNegativeInt
    page: NonNegativeInt

    def execute(self, run: Run) -> Metrics:
        """Encode as a trainer does, count, print, write.

        Raises:
            DataError: no example is left by the data's filters, or fits the chat template.
            ModelUnavailable: there is no tokenizer.
        """
        left_out = Counter[str]()
        examples = list(self.data.examples(left_out))
        if not examples:
            raise DataError("there is no example to train on")
        with progress("loading the tokenizer"):
            tokenizer = self._tokenizer(run, examples)
        sizes = self._sizes(tokenizer, examples, left_out)
        looked = self._looked(tokenizer, examples)
        show(table(sizes))
        for one in looked[: self.show]:
            show(passage(one))
        path = page(run.dir, sizes, looked[: self.page])
        log.info("%d of %d examples, token by token: %s", min(self.page, len(looked)), len(examples), path)
        return sizes.metrics()

    def _tokenizer(self, run: Run, examples: list[Example]) -> Any:
        from kernelraft.model.tokenizer import tokenizer_of

        with TemporaryDirectory(dir=run.dir, prefix=".base-") as folder:
            corpus = texts_of(examples, self.corpus)
            return tokenizer_of(self.model, self.checkpoint, Path(folder) / "base", corpus, run.seed)

    def _sizes(self, tokenizer: Any, examples: list[Example], left_out: Counter[str]) -> Sizes:
        from kernelraft.trainer.batches import encode_all

        try:
            encoded, refused = encode_all(tokenizer, examples, None)
        except DataError:  # none fits the chat template
            encode_all(tokenizer, examples, self.max_length)  # says so as the training would
            raise
        return Sizes(
            examples=len(examples),
            left_out=dict(left_out.most_common()),
            unfit=int(refused["train/unfit"]),
            lengths=[len(e.ids) for e in encoded],
            trained=[sum(e.trained) for e in encoded],
            answers=Counter(sum(message.trained for message in example.messages) for example in examples),
            max_length=self.max_length,
        )

    def _looked(self, tokenizer: Any, examples: list[Example]) -> list[Looked]:
        """The first examples that fit the template, those that are too long among them."""
        from kernelraft.model.chat import encode_example
        from kernelraft.model.tokenizer import pieces

        found: list[Looked] = []
        with progress("tokens") as bar:
            for example in examples:
                if len(found) == max(self.show, self.page):
                    break
                try:
                    ids, trained = encode_example(tokenizer, example)
                except DataError:  # counted, and told by encode_all
                    continue
                overlong = len(ids) > self.max_length
                found.append(Looked(example=example, pieces=list(pieces(tokenizer, ids, trained)), overlong=overlong))
                bar.advance()
        return found
