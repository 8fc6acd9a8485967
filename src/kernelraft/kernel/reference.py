"""The trusted side's copy of a task: the reference module, secret inputs and what it answers for them."""

import hashlib
import itertools
import json
import types
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch

from kernelraft.kernel import draws, gate, plain
from kernelraft.kernel.compare import Expected, difference
from kernelraft.kernel.faults import Fault
from kernelraft.kernel.memory import Unsupported, dtype_name, span_of
from kernelraft.kernel.oracle import answers, outputs, published
from kernelraft.kernel.parameters import perturb
from kernelraft.kernel.trials import Case, Trial, Trials

_FUNCTION = "triton_kernel_wrapper"  # in place of a module, see sources.wrapped
_KEPT_BYTES = {"cpu": 1 << 40, "cuda": 8 << 30}  # of trials; each can be made again
_SCALES = (1.0, 1000.0, 0.001, 1.0, 1.0)  # of the inputs of each trial
_EASE = 10.0  # of the limits at other magnitudes than the task's own


class Problem:
    """A reference, executed. Kept between candidates of one task: they cannot pass on what they see.

    All that is random follows from `secret` and the source. With the protocol "kernelbench" `published` is true:
    the parameters are the constructor's, inputs come as they are, and no task is refused for what would pass on it.

    Raises:
        Unsupported: the reference cannot be run or cannot tell a right answer from a constant.
    """

    def __init__(
        self,
        source: str,
        trials: int,
        tolerances: dict[str, float],
        secret: str,
        device: str = "cpu",
        protocol: str = "strict",
    ) -> None:
        self.source, self._device, self.published = source, device, protocol == "kernelbench"
        if device == "cuda":
            torch.cuda.init()  # type: ignore[no-untyped-call]
        self._key = hashlib.blake2b(source.encode(), key=bytes.fromhex(secret), digest_size=32).digest()
        self._trials, self._tolerances = trials, tolerances
        self._cases: dict[bool, Case] = {}
        self._calls = itertools.count()
        self.constants: list[str] = []  # parameters and buffers that the constructor leaves at one value
        self._module = types.ModuleType("reference")
        try:
            exec(compile(source, "reference.py", "exec"), self._module.__dict__)
            self._model, self.entries = self._entry()
            self.entry = self._model.__name__
            draws.seed(self.seed("init"))
            with self._place():
                self.init = _arguments(self._module.get_init_inputs())
            self.case(loaded=True)
        except (Unsupported, Fault):
            raise
        except BaseException as error:  # sys.exit() too: the judge is to live on
            raise Unsupported(f"the reference fails: {type(error).__name__}: {error}") from error

    def _place(self) -> AbstractContextManager[Any]:
        """Where new tensors lie; to name the default would slow every operator down."""
        return nullcontext() if self._device == "cpu" else torch.device(self._device)

    def seed(self, tag: str) -> int:
        digest = hashlib.blake2b(tag.encode(), key=self._key, digest_size=6).digest()
        return int.from_bytes(digest, "big")

    def _entry(self) -> tuple[Any, list[str]]:
        names = [
            name
            for name, value in vars(self._module).items()
            if isinstance(value, type) and issubclass(value, torch.nn.Module) and value.__module__ == "reference"
        ]
        if not names:
            raise Unsupported("the reference has no nn.Module")
        found = getattr(self._module, "Model" if "Model" in names else names[-1])
        return found, list(dict.fromkeys([f"{found.__name__}New", "ModelNew", _FUNCTION]))

    @property
    def init_form(self) -> Any:
        """The constructor's arguments without the values of tensors."""
        return plain.encode(list(self.init), _form)

    @property
    def state_form(self) -> dict[str, Any]:
        """Parameters and buffers by name, without values."""
        return {name: ["tensor", _form(value)] for name, value in self.case(loaded=True).state.items()}

    @property
    def structure(self) -> str:
        """Of what it returns, see plain.structure."""
        return self.case(loaded=True).structure

    def forms(self) -> dict[str, list[int]]:
        """The trials by the form of their inputs: shapes, types, and everything that is no tensor."""
        found: dict[str, list[int]] = {}
        for index, trial in enumerate(self.case(loaded=True).trials):
            found.setdefault(json.dumps(plain.encode(trial.inputs, _form)), []).append(index)
        return found

    @property
    def nbytes(self) -> int:
        """Memory that its trials hold."""
        return sum(case.trials.nbytes for case in self._cases.values())

    def forget(self) -> None:
        """Give the memory of all trials back."""
        for case in self._cases.values():
            case.trials.forget()

    def case(self, *, loaded: bool) -> Case:
        """Trials with parameters that the candidate is given (`loaded`) or with the constructor's own."""
        if loaded not in self._cases:
            made = self._make(loaded)
            self._cases |= {loaded: made} if made.state and not self.published else {True: made, False: made}
        return self._cases[loaded]

    def _make(self, loaded: bool) -> Case:
        args, kwargs = self.init
        draws.seed(self.seed("model"))
        with self._place():
            model = self._model(*args, **kwargs)
        if loaded and not self.published:
            self.constants += perturb(model, self.seed("noise"))
        state = {name: value.detach().clone() for name, value in model.state_dict().items()}
        trials = Trials(partial(self._trial, model), self._trials, _KEPT_BYTES[self._device])
        structure = trials[0].structure  # now: a large trial is given back, and made again where it is asked for
        if self.published:
            for _ in trials:  # what a reference cannot do shows here
                pass
        else:
            self._gate(model, trials)
        return Case(model, state, trials, structure)

    def _gate(self, model: Any, trials: Trials) -> None:
        """Raises Unsupported where the task cannot tell a right answer from none."""
        with torch.no_grad(), self._place():
            self._seed_call()
            again, _ = outputs(model, trials[0].inputs)
            if any(difference(a, b) for a, b in zip(again, trials[0].expected, strict=True)):
                raise Unsupported("the reference answers the same inputs differently")
            del again  # some GiB, of a large problem
        gate.check((trial.inputs, trial.expected) for trial in trials)
        with torch.no_grad(), self._place():
            gate.check_work(model, trials[0].inputs)

    def _trial(self, model: Any, index: int) -> Trial:
        with torch.no_grad(), self._place():
            return self._make_trial(model, index)

    def _make_trial(self, model: Any, index: int) -> Trial:
        draws.seed(self.seed(f"trial {index}"))
        inputs = [_on(value, self._device) for value in self._module.get_inputs()]
        scale = 1.0 if self.published else _SCALES[index % len(_SCALES)]
        if scale != 1.0:
            scaled = [_scaled(value, scale) for value in inputs]
            try:
                expected, structure = self._answers(model, scaled, _EASE)
                if all(_finite(part) for part in expected):
                    return Trial(scaled, expected, structure)
            except Unsupported:  # such magnitudes are not this task's
                pass
        return Trial(inputs, *self._answers(model, inputs))

    def _answers(self, model: Any, inputs: list[Any], ease: float = 1.0) -> tuple[list[Expected], str]:
        self._seed_call()
        if self.published:
            return published(model, inputs, self._tolerances)
        return answers(model, inputs, self._tolerances, ease)

    def _seed_call(self) -> None:
        """Another seed for every call, so that a random reference shows."""
        draws.seed(self.seed(f"call {next(self._calls)}"))


def _form(tensor: torch.Tensor) -> dict[str, Any]:
    return {"shape": list(tensor.shape), "stride": list(tensor.stride()), "dtype": dtype_name(tensor.dtype)}


def _arguments(given: Any) -> tuple[list[Any], dict[str, Any]]:
    """get_init_inputs is a flat list (KernelBench) or [[args], {kwargs}] (KernelBook)."""
    match given:
        case [list() as args, dict() as kwargs]:
            return args, kwargs
    return list(given), {}


def _on(value: Any, device: str) -> Any:
    return value.to(device) if isinstance(value, torch.Tensor) else value


def _scaled(value: Any, scale: float) -> Any:
    """A tensor of numbers times `scale`, in the same layout."""
    if not isinstance(value, torch.Tensor) or not value.is_floating_point() or not value.numel():
        return value
    held = value.as_strided((span_of(value.shape, value.stride()),), (1,), value.storage_offset()) * scale
    return held.as_strided(value.shape, value.stride())


def _finite(expected: Expected) -> bool:
    value = expected.value
    return not isinstance(value, torch.Tensor) or bool(torch.isfinite(value).all())
