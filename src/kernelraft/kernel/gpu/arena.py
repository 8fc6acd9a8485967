"""The GPU memory of one problem, from the judge's side: all trials' inputs, and room for the outputs of one."""

from dataclasses import dataclass
from typing import Any

import torch

from kernelraft.kernel import plain
from kernelraft.kernel.arena import described, fitting
from kernelraft.kernel.faults import Fault
from kernelraft.kernel.gpu.cuda import Memory
from kernelraft.kernel.memory import DTYPES, Layout, Spec
from kernelraft.kernel.reference import Case, Trial
from kernelraft.records import Reason


@dataclass(frozen=True)
class Placed:
    """One trial's inputs: encoded with their places, and these."""

    encoded: Any
    specs: list[Spec]


class GpuArena:
    """Parameters, and the inputs of every trial, each between guards of NaN; opened by one replayer after another."""

    def __init__(self, init: Any, case: Case) -> None:
        layout = Layout()
        held: list[tuple[torch.Tensor, Spec]] = []

        def keep(tensor: torch.Tensor) -> dict[str, Any]:
            held.append((tensor, layout.place(tensor)))
            return held[-1][1].plain()

        self.init = plain.encode(list(init), keep)
        self.state = {name: keep(value) for name, value in case.state.items()}
        self.trials: list[Placed] = []
        out = [4096]
        for trial in case.trials:
            first = len(held)
            encoded = plain.encode(trial.inputs, keep)
            self.trials.append(Placed(encoded, [spec for _, spec in held[first:]]))
            answer = Layout()
            for part in trial.expected:
                if isinstance(part.value, torch.Tensor):
                    answer.place(part.value.contiguous())
            out.append(answer.size + 4096)
        self.inputs, self.outputs = Memory(layout.size), Memory(max(out))
        self.inputs.bytes.fill_(0xFF)
        for tensor, spec in held:
            look(self.inputs.bytes, spec).copy_(tensor)
        self._pristine = self.inputs.bytes.clone()
        torch.cuda.synchronize()

    def close(self) -> None:
        self.inputs.close()
        self.outputs.close()

    def clear(self) -> None:
        """Before a run: whatever is not written now, shows."""
        self.outputs.bytes.fill_(0xFF)
        torch.cuda.synchronize()

    def check_inputs(self) -> None:
        """Raises Fault where an input or a guard is not as it was; mends it."""
        if torch.equal(self.inputs.bytes, self._pristine):
            return
        changed = [spec for placed in self.trials for spec in placed.specs if not self._intact(spec)]
        self.inputs.bytes.copy_(self._pristine)
        torch.cuda.synchronize()
        if changed:
            raise Fault(Reason.MUTATES_INPUT, "an input was changed: write to a new tensor")
        raise Fault(Reason.OUT_OF_BOUNDS, "memory before or after an input was written: mask the store")

    def _intact(self, spec: Spec) -> bool:
        part = slice(spec.at, spec.at + spec.nbytes)
        return torch.equal(self.inputs.bytes[part], self._pristine[part])

    def read(self, reply: dict[str, Any], trial: Trial) -> list[Any]:
        """Copies of the outputs that the replayer says to have written. Raises Fault."""
        return described(reply, trial.expected, self._copy)

    def _copy(self, at: int, shape: list[int], dtype: torch.dtype, expected: Any) -> torch.Tensor:
        count = fitting(at, shape, dtype, expected, self.outputs.nbytes)
        if count is None:
            return torch.zeros(1, dtype=dtype).expand(shape)
        flat = self.outputs.bytes[at : at + count * dtype.itemsize].clone()
        return flat.view(dtype).view(shape) if count else torch.empty(shape, dtype=dtype, device="cuda")


def look(memory: torch.Tensor, spec: Spec) -> torch.Tensor:
    """The tensor that lies there."""
    flat = memory[spec.at : spec.at + spec.nbytes].view(DTYPES[spec.dtype])
    return flat.as_strided(spec.shape, spec.stride, flat.storage_offset())
