"""A problem before it is text: a chain of steps, a shape, and what follows from them."""

from dataclasses import dataclass
from typing import Literal

from kernelraft.data.demo.operations import OPERATIONS, REDUCTION, Operation

Kind = Literal["ew", "ew2", "affine", "red", "norm", "mm"]

#: How the kernel of a kind walks over its output.
LAYOUT: dict[Kind, str] = {
    "ew": "flat",
    "ew2": "flat",
    "affine": "row",
    "red": "row",
    "norm": "row",
    "mm": "tile",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a chain; `spelling` picks its PyTorch form, constants are decimal text."""

    name: str
    constants: tuple[str, ...] = ()
    spelling: int = 0

    @property
    def operation(self) -> Operation:
        return OPERATIONS[self.name]

    @property
    def torch(self) -> str:
        """The PyTorch expression of `x`."""
        forms = self.operation.torch
        return forms[self.spelling % len(forms)].format(*self.constants)


@dataclass(frozen=True, slots=True)
class Spec:
    """One problem. `shape` is (rows, columns), for a matrix product (rows, inner, columns)."""

    kind: Kind
    steps: tuple[Step, ...]
    shape: tuple[int, ...]

    @property
    def family(self) -> str:
        """What the problem is, but for constants, spellings and shape: the unit of splitting."""
        return f"{self.kind}/{'>'.join(step.name for step in self.steps)}"

    @property
    def layout(self) -> str:
        return LAYOUT[self.kind]

    @property
    def operands(self) -> tuple[str, ...]:
        """Names of the tensors beside `x`, in the order that kernels take them: m, y, w, b."""
        used = {step.operation.operand for step in self.steps}
        return tuple(name for name in "mywb" if name in used)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The operands that are parameters of the module: all but `y`."""
        return tuple(name for name in self.operands if name != "y")

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.shape[:2]

    @property
    def sizes(self) -> tuple[int, ...]:
        """What the module's constructor takes: nothing, (columns), or (inner, columns)."""
        return self.shape[1:] if self.parameters else ()

    @property
    def reduces(self) -> bool:
        return any(step.name in REDUCTION for step in self.steps)
