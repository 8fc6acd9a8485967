"""Samples specs until there are as many well-posed problems of different families as asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from kernelraft.data.demo.operations import ELEMENTWISE, NORMALISATION, OPERATIONS, REDUCTION, SECOND_INPUT
from kernelraft.data.demo.soundness import well_posed
from kernelraft.data.demo.spec import Kind, Spec, Step

ATTEMPTS = 300  # in a row without a new problem: then the space counts as used up

#: Fewest and most rows. A reduction has one number a row: with few, its rms swings from draw to draw.
ROWS: dict[Kind, tuple[int, int]] = {"ew": (2, 8), "ew2": (2, 8), "affine": (2, 6), "red": (4, 8), "norm": (2, 6)}


@dataclass(frozen=True, slots=True)
class Mixture:
    """What problems are like: how often each kind comes, how many elementwise steps they have at most."""

    weights: Mapping[Kind, float]
    chain_steps: int
    side_steps: int


def specs(random: Random, mixture: Mixture) -> Iterator[Spec]:
    """Yield well-posed problems, no two of one family; end when no new one is found any more."""
    seen: set[str] = set()
    misses = 0
    kinds, weights = list(mixture.weights), list(mixture.weights.values())
    kind = random.choices(kinds, weights)[0]
    while misses < ATTEMPTS:
        spec = _sample(random, kind, mixture)
        if spec.family in seen or not well_posed(spec):
            misses += 1
            continue
        misses = 0
        seen.add(spec.family)
        yield spec
        kind = random.choices(kinds, weights)[0]


def _sample(random: Random, kind: Kind, mixture: Mixture) -> Spec:
    steps = tuple(_step(random, name) for name in _names(random, kind, mixture))
    return Spec(kind, steps, _shape(random, kind))


def _names(random: Random, kind: Kind, mixture: Mixture) -> list[str]:
    if kind == "ew":
        return _elementwise(random, random.randint(2, mixture.chain_steps))
    core = _core(random, kind)
    before = 0 if kind == "mm" else random.randint(0, mixture.side_steps)
    after = random.randint(0, min(1, mixture.side_steps) if kind in ("red", "norm") else mixture.side_steps)
    if before + len(core) + after < 2:
        before, after = (1, 0) if kind in ("red", "norm") else (0, 1)
    return [*_elementwise(random, before), *core, *_elementwise(random, after)]


def _core(random: Random, kind: Kind) -> list[str]:
    """Draw the names of the steps that make the kind what it is."""
    second = [random.choice(list(SECOND_INPUT))]
    match kind:
        case "ew2":
            return second
        case "affine":
            return random.choice([["scale"], ["bias"], ["scale", "bias"]])
        case "red":
            first = random.choice([[], [], ["scale"], ["bias"], second])
            return [*first, random.choice(list(REDUCTION))]
        case "norm":
            then = random.choice([[], ["scale"], ["bias"], ["scale", "bias"], second])
            return [random.choice(list(NORMALISATION)), *then]
        case _:
            return ["matmul", *random.choice([[], ["bias"], ["scale"], second])]


def _elementwise(random: Random, count: int) -> list[str]:
    return random.choices(list(ELEMENTWISE), k=count)


def _step(random: Random, name: str) -> Step:
    operation = OPERATIONS[name]
    drawn = (f"{random.randint(0, int(operation.largest))}.{random.randint(1, 9)}" for _ in range(operation.constants))
    return Step(name, tuple(drawn), spelling=random.randint(0, 1))


def _shape(random: Random, kind: Kind) -> tuple[int, ...]:
    if kind == "mm":
        outer = (8, 12, 16, 20, 24)
        return random.choice(outer), random.choice((8, 16, 24, 32)), random.choice(outer)
    least, most = ROWS[kind]
    return random.randint(least, most), random.randint(17, 96)
