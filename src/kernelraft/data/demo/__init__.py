"""data=demo: small PyTorch problems with right Triton answers, composed on the spot.

A model of half a million parameters learns to answer them, so the whole loop
runs for real on a CPU, with no download.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from random import Random
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from kernelraft.component import component
from kernelraft.data.demo.compose import Mixture, specs
from kernelraft.data.demo.kernel import answer_text
from kernelraft.data.demo.problem import problem_text
from kernelraft.data.demo.soundness import one_thread
from kernelraft.data.demo.spec import Kind, Spec
from kernelraft.errors import ConfigError, DataError
from kernelraft.records import Task, digest


@component
class Demo:
    """Problems of three splits: held out, to learn from, and to practise on. Each is a family of its own.

    Drawn in that order, so a larger pool leaves the other two as they are.
    """

    seed: int
    seed_tasks: NonNegativeInt
    pool_tasks: NonNegativeInt
    heldout_tasks: NonNegativeInt
    weights: dict[Kind, NonNegativeFloat]
    chain_steps: Annotated[int, Field(ge=2)]
    side_steps: NonNegativeInt

    def __post_init__(self) -> None:
        if not any(self.weights.values()):
            raise ConfigError("Demo.weights: expected at least one above 0, found none")

    def tasks(self) -> Iterator[Task]:
        """All problems, in the same order every time.

        Raises:
            DataError: so many different problems do not exist.
        """
        splits = {"heldout": self.heldout_tasks, "seed": self.seed_tasks, "pool": self.pool_tasks}
        wanted = [split for split, count in splits.items() for _ in range(count)]
        found = _specs(self.seed, len(wanted), tuple(sorted(self.weights.items())), self.chain_steps, self.side_steps)
        for split, spec in zip(wanted, found, strict=True):
            yield _task(spec, split)


@lru_cache(maxsize=2)
def _specs(
    seed: int, count: int, weights: tuple[tuple[Kind, float], ...], chain_steps: int, side_steps: int
) -> tuple[Spec, ...]:
    mixture = Mixture(dict(weights), chain_steps, side_steps)
    with one_thread():
        found = tuple(islice(specs(Random(seed), mixture), count))
    if len(found) < count:
        raise DataError(
            f"data=demo: expected {count} different problems, found {len(found)}: ask for fewer tasks, "
            "or raise data.chain_steps, data.side_steps or the weights of more kinds"
        )
    return found


def _task(spec: Spec, split: str) -> Task:
    text = problem_text(spec)
    return Task(
        id=digest(text),
        family=spec.family,
        language="triton",
        prompt=text,
        reference=text,
        answer=answer_text(spec),
        split=split,
    )
