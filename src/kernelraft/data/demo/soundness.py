"""Which problems are worth posing: well scaled, well conditioned, every step and constant noticed.

Measured by running the chain in fp32 on a few random draws of its tensors, as
the judge does: it accepts `o` for `r` where |o - r| <= 1e-4 * (rms(r) + |r|).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from types import CodeType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from kernelraft.data.demo.operations import PRODUCT, REDUCTION
from kernelraft.data.demo.spec import Spec, Step

if TYPE_CHECKING:
    from torch import Tensor

DRAWS = 3  # that are examined closely
MORE_DRAWS = 20  # that must stay in range: parameters that all rows share can drive every row out of it
TOLERANCE = 1e-4  # the judge's, relative to the rms and to the element
SMALLEST_RMS = 0.01  # of the output
LARGEST_INPUT = 60.0  # of a step: exp overflows at 88
LARGEST_OUTPUT = 1e3
TRIVIAL_DISTANCE = 0.03  # from zeros, ones, the mean, the inputs; relative to the rms of the output
NOTICED = 100.0  # the least error of a forgotten step or altered constant, in tolerances
ROUNDING = 1e-6  # relative error put on every step, several times that of any honest kernel
ROUNDING_FLOOR = 2e-7  # its absolute part: spellings such as exp(x) - 1 round at 1, not at their result
ROUNDING_SHARE = 0.5  # of the tolerance that these errors may use up in the output


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: for tensors this small, waking others takes ten times the work."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def well_posed(spec: Spec) -> bool:
    """Whether the problem has one output that only its own program computes."""
    if not all(_holds(spec, _Draw(spec, seed)) for seed in range(DRAWS)):
        return False
    return all(_values(spec, _Draw(spec, seed)) for seed in range(DRAWS, DRAWS + MORE_DRAWS))


class _Draw:
    """One random draw of a problem's tensors; no global random state is touched."""

    def __init__(self, spec: Spec, seed: int) -> None:
        import torch
        import torch.nn.functional as F

        self.generator = torch.Generator().manual_seed(seed)
        columns = spec.shape[-1]
        shapes: dict[str, tuple[int, ...]] = {"x": spec.input_shape, "other_x": spec.input_shape}
        shapes |= {"y": (spec.shape[0], columns), "w": (columns,), "b": (columns,), "m": spec.shape[1:]}
        tensors = {
            name: torch.randn(shape, generator=self.generator)
            for name, shape in shapes.items()
            if name in (*spec.operands, "x", "other_x")
        }
        self.x, self.other_x, self.y = tensors["x"], tensors["other_x"], tensors.get("y")
        self.names: dict[str, Any] = {"torch": torch, "F": F, "y": self.y, "self": SimpleNamespace(**tensors)}

    def after(self, step: Step, x: Tensor) -> Tensor:
        result: Tensor = eval(_compiled(step.torch), self.names, {"x": x})
        return result

    def run(self, steps: tuple[Step, ...], x: Tensor) -> Tensor:
        for step in steps:
            x = self.after(step, x)
        return x

    def rounded(self, x: Tensor) -> Tensor:
        """`x` as a kernel with other roundings might have it."""
        import torch

        size = ROUNDING * (_rms(x) + x.abs()) + ROUNDING_FLOOR
        return x + size * (2 * torch.rand(x.shape, generator=self.generator) - 1)


@cache
def _compiled(expression: str) -> CodeType:
    return compile(expression, expression, "eval")


def _rms(x: Tensor) -> float:
    return x.square().mean().sqrt().item()


def _error(got: Tensor, want: Tensor) -> float:
    """Find the largest error, in tolerances; infinite where the shapes differ."""
    if got.shape != want.shape:
        return float("inf")
    return ((got - want).abs() / (_rms(want) + want.abs())).max().item() / TOLERANCE


def _values(spec: Spec, draw: _Draw) -> list[Tensor]:
    """Compute `x` before the first and after every step; nothing where it leaves the range or is NaN."""
    values = [draw.x]
    for step in spec.steps:
        if not values[-1].abs().max() <= LARGEST_INPUT:
            return []
        values.append(draw.after(step, values[-1]))
    fits = values[-1].abs().max() <= LARGEST_OUTPUT and _rms(values[-1]) >= SMALLEST_RMS
    return values if fits else []


def _holds(spec: Spec, draw: _Draw) -> bool:
    values = _values(spec, draw)
    return (
        bool(values)
        and _far_from_trivial(spec, draw, values[-1])
        and _well_conditioned(spec, draw, values[-1])
        and _noticed(spec, draw, values)
    )


def _far_from_trivial(spec: Spec, draw: _Draw, want: Tensor) -> bool:
    guesses: list[Tensor | float] = [want.mean(), 1.0, draw.run(spec.steps, draw.other_x)]
    guesses += [guess for guess in (draw.x, draw.y) if guess is not None and guess.shape == want.shape]
    return all(_rms(want - guess) >= TRIVIAL_DISTANCE * _rms(want) for guess in guesses)


def _well_conditioned(spec: Spec, draw: _Draw, want: Tensor) -> bool:
    x = draw.x
    for step in spec.steps:
        x = draw.rounded(draw.after(step, x))
    return _error(x, want) <= ROUNDING_SHARE


def _noticed(spec: Spec, draw: _Draw, values: list[Tensor]) -> bool:
    """Whether every step and every constant makes a difference in the output."""
    for index, step in enumerate(spec.steps):
        rest = spec.steps[index + 1 :]
        others = [draw.after(altered, values[index]) for altered in _altered(step)]
        if step.name not in REDUCTION and step.name not in PRODUCT:
            others.append(values[index])
        if any(_error(draw.run(rest, other), values[-1]) < NOTICED for other in others):
            return False
    return True


def _altered(step: Step) -> list[Step]:
    """Copy the step once for each of its constants, with that constant larger by a tenth."""
    before = step.constants
    return [
        replace(step, constants=(*before[:i], f"{float(before[i]) + 0.1:.1f}", *before[i + 1 :]))
        for i in range(len(before))
    ]
