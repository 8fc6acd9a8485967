"""The trusted side's copy of a task: the reference module, secret inputs and what it answers for them."""

import hashlib
import itertools
import types
from dataclasses import dataclass
from typing import Any

import torch

from kernelraft.kernel import plain
from kernelraft.kernel.compare import same
from kernelraft.kernel.memory import Unsupported

_NOISE = (0.05, 0.55)  # added to constant parameters: positive, so that scales and variances stay so


@dataclass(frozen=True)
class Trial:
    """One set of inputs and the reference's outputs for them, flat."""

    inputs: list[Any]
    expected: list[Any]


@dataclass(frozen=True)
class Case:
    """Parameters of the reference and its trials with them; `state` is empty where a candidate builds its own."""

    state: dict[str, torch.Tensor]
    trials: list[Trial]


class Problem:
    """A reference, executed. Kept between candidates of one task: they cannot pass on what they see.

    All that is random follows from `secret` and the source.

    Raises:
        Unsupported: the reference cannot be run or cannot tell a right answer from a constant.
    """

    def __init__(self, source: str, trials: int, tolerances: dict[str, float], secret: str) -> None:
        self._key = hashlib.blake2b(source.encode(), key=bytes.fromhex(secret), digest_size=32).digest()
        self._trials, self._tolerances = trials, tolerances
        self._cases: dict[bool, Case] = {}
        self._calls = itertools.count()
        self._module = types.ModuleType("reference")
        try:
            exec(compile(source, "reference.py", "exec"), self._module.__dict__)
            self._model, self.entries = self._entry()
            torch.manual_seed(self.seed("init"))
            self.init = _arguments(self._module.get_init_inputs())
            self.case(loaded=True)
        except Unsupported:
            raise
        except Exception as error:
            raise Unsupported(f"the reference fails: {type(error).__name__}: {error}") from error

    def seed(self, tag: str) -> int:
        digest = hashlib.blake2b(tag.encode(), key=self._key, digest_size=6).digest()
        return int.from_bytes(digest, "big")

    def _entry(self) -> tuple[Any, list[str]]:
        names = [
            name
            for name, value in vars(self._module).items()
            if isinstance(value, type) and issubclass(value, torch.nn.Module) and value.__module__ == "reference"
        ]
        if "Model" in names:
            return self._module.Model, ["ModelNew"]
        if not names:
            raise Unsupported("the reference has no nn.Module")
        return getattr(self._module, names[-1]), [f"{names[-1]}New", "ModelNew"]

    def case(self, *, loaded: bool) -> Case:
        """Trials with parameters that the candidate is given (`loaded`) or with the constructor's own."""
        if loaded not in self._cases:
            made = self._make(loaded)
            self._cases |= {loaded: made} if made.state else {True: made, False: made}
        return self._cases[loaded]

    def _make(self, loaded: bool) -> Case:
        args, kwargs = self.init
        torch.manual_seed(self.seed("model"))
        model = self._model(*args, **kwargs)
        if loaded:
            self._perturb(model)
        state = {name: value.detach().clone() for name, value in model.state_dict().items()}
        with torch.no_grad():
            trials = [self._trial(model, index) for index in range(self._trials)]
            again = self._trial(model, 0)
        if any(not _equal(a, b, self._tolerances) for a, b in zip(again.expected, trials[0].expected, strict=True)):
            raise Unsupported("the reference answers the same inputs differently")
        if len(trials) > 1 and all(
            _equal(a, b, self._tolerances) for a, b in zip(trials[0].expected, trials[1].expected, strict=True)
        ):
            raise Unsupported("a constant would pass: the reference's output does not depend on its inputs")
        return Case(state, trials)

    def _trial(self, model: Any, index: int) -> Trial:
        torch.manual_seed(self.seed(f"trial {index}"))
        inputs = list(self._module.get_inputs())
        torch.manual_seed(self.seed(f"call {next(self._calls)}"))  # so that a random reference shows
        copies = [value.clone() if isinstance(value, torch.Tensor) else value for value in inputs]
        outputs = [
            value.detach().clone() if isinstance(value, torch.Tensor) else value
            for value in plain.leaves(model(*copies))
        ]
        if not any(isinstance(value, torch.Tensor) for value in outputs):
            raise Unsupported("the reference returns no tensor")
        return Trial(inputs, outputs)

    def _perturb(self, model: Any) -> None:
        """Parameters that a constructor left at one value, as biases are, would let a candidate ignore them."""
        generator = torch.Generator().manual_seed(self.seed("noise"))
        with torch.no_grad():
            for value in model.parameters():
                if value.is_floating_point() and value.numel() and bool((value == value.flatten()[0]).all()):
                    value += torch.empty(value.shape).uniform_(*_NOISE, generator=generator).to(value.dtype)


def _arguments(given: Any) -> tuple[list[Any], dict[str, Any]]:
    """get_init_inputs is a flat list (KernelBench) or [[args], {kwargs}] (KernelBook)."""
    match given:
        case [list() as args, dict() as kwargs]:
            return args, kwargs
    return list(given), {}


def _equal(a: Any, b: Any, tolerances: dict[str, float]) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return same(a, b, tolerances) is None
    return bool(a == b)
