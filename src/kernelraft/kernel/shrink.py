"""Makes a problem small enough to be interpreted: sizes at the top of its module, halved while it still works."""

import ast
import time
import types
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from kernelraft.kernel import plain
from kernelraft.kernel.lift import literals
from kernelraft.kernel.memory import Unsupported

MAX_ELEMENTS, MAX_FLOPS = 1 << 18, 1 << 28  # of inputs and outputs; of products: a second of the interpreter
_LEAST = 4
_RATIO = 4
_PATIENCE_S = 5.0  # for one search; a model that is slow without values is slow with them


@dataclass(frozen=True)
class Shrunk:
    """A source and which of its sizes were changed, from what to what; `whole`: blocks still divide them."""

    source: str
    changed: dict[str, tuple[int, int]]
    whole: bool = True

    def __str__(self) -> str:
        return ", ".join(f"{name}={new} for {old}" for name, (old, new) in self.changed.items())


def granularity(tree: ast.Module) -> int:
    """The largest power of two up to 4096 that a candidate writes: its blocks may rely on sizes that it divides."""
    return max((n for n in literals(tree) if 16 <= n <= 4096 and n & (n - 1) == 0), default=16)


def shrink(source: str, candidate: ast.Module) -> Shrunk:
    """The source itself where it is small, else with sizes that are multiples of the candidate's granularity still.

    Raises Unsupported where it cannot be made small.
    """
    return Shrunk(source, {}) if _fits(source) else _shrunk(source, granularity(candidate))


@lru_cache(256)
def _shrunk(source: str, grain: int) -> Shrunk:
    for whole, least in ((True, grain), (False, _LEAST)):
        found = _halve(source, least)
        if found:
            return Shrunk(*found, whole)
    raise Unsupported("too large for the interpreter, and it has no sizes at the top that can be made smaller")


def _halve(source: str, least: int) -> tuple[str, dict[str, tuple[int, int]]] | None:
    tree = ast.parse(source)
    sizes = _sizes(tree)
    before = {name: constant.value for name, constant in sizes.items()}
    left = set(sizes)
    end = time.monotonic() + _PATIENCE_S
    while not _fits(text := ast.unparse(tree)):
        if not left or time.monotonic() > end:
            return None
        name = max(left, key=lambda n: (not _crowds(n, before, sizes, least), sizes[n].value, n))
        old = sizes[name].value
        sizes[name].value = _half(old, least)
        if sizes[name].value == old or _size(ast.unparse(tree)) is None:  # the reference does not work with it
            sizes[name].value = old
            left.remove(name)
    return text, {n: (old, sizes[n].value) for n, old in before.items() if sizes[n].value != old}


def _crowds(name: str, before: dict[str, int], sizes: dict[str, Any], least: int) -> bool:
    """Whether half of this size is less than 4 times another that divided it 4 times or more, as groups do channels.

    One channel a group is another problem: its normalisation answers zeros.
    """
    new = _half(sizes[name].value, least)
    return any(
        before[name] % size == 0 and before[name] >= _RATIO * size and new < _RATIO * sizes[other].value
        for other, size in before.items()
        if other != name
    )


def _half(size: int, least: int) -> int:
    """Half of it: a multiple of `least` where it was one, odd where it was odd."""
    if size % least == 0:
        return max(least, size // 2 // least * least)
    return max(_LEAST | size % 2, size // 2 | size % 2)


def _sizes(tree: ast.Module) -> dict[str, Any]:
    """The whole numbers that the module's own assignments write, products of them included, by name."""
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            node.value = _folded(node.value)
            parts = node.value.elts if isinstance(node.value, (ast.Tuple, ast.List)) else [node.value]
            name = ast.unparse(node.targets[0])
            for number, part in enumerate(parts):
                if isinstance(part, ast.Constant) and type(part.value) is int and part.value >= 2 * _LEAST:
                    found[f"{name}[{number}]" if len(parts) > 1 else name] = part
    return found


def _folded(node: ast.expr) -> ast.expr:
    """A product of numbers as one number."""
    if isinstance(node, ast.BinOp):
        node.left, node.right = _folded(node.left), _folded(node.right)
    match node:
        case ast.BinOp(left=ast.Constant(value=int() as left), op=ast.Mult(), right=ast.Constant(value=int() as right)):
            return ast.Constant(left * right)
        case ast.Tuple() | ast.List():
            node.elts = [_folded(part) for part in node.elts]
    return node


@lru_cache(2048)  # the same reference for every candidate
def _fits(source: str) -> bool:
    size = _size(source)
    return size is None or (size[0] <= MAX_ELEMENTS and size[1] <= MAX_FLOPS)


def _size(source: str) -> tuple[int, int] | None:
    """Elements of inputs and outputs, and floating-point operations; None where it does not run without values."""
    scope: dict[str, Any] = types.ModuleType("reference").__dict__
    try:
        with torch.device("meta"), torch.no_grad():
            exec(compile(source, "reference.py", "exec"), scope)
            init, inputs = scope["get_init_inputs"](), scope["get_inputs"]()
            args, kwargs = init if _is_pair(init) else (init, {})
            modules = [v for v in scope.values() if isinstance(v, type) and issubclass(v, torch.nn.Module)]
            own = [v for v in modules if v.__module__ == "reference"] or modules
            model = scope.get("Model", own[-1])(*args, **kwargs)
            with FlopCounterMode(display=False) as counter:
                outputs = model(*inputs)
    except BaseException:  # whatever it is, sys.exit() too: the real run will say it
        return None
    leaves = plain.leaves([inputs, outputs])
    return sum(t.numel() for t in leaves if isinstance(t, torch.Tensor)), counter.get_total_flops()


def _is_pair(init: Any) -> bool:
    return isinstance(init, list) and len(init) == 2 and isinstance(init[0], list) and isinstance(init[1], dict)
