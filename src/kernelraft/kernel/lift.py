"""Takes the @triton.jit functions out of a source, without its host code: a clean module of kernels alone.

A kernel's text is restricted to the language of kernels, names and attributes included, so that neither
Triton's interpreter, to which a kernel is plain Python, nor its compiler runs anything else.
"""

import ast
import copy
import importlib
import math
import types
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from kernelraft.kernel.faults import FILE, Fault
from kernelraft.records import Reason

LIBRARIES = (
    "triton", "triton.language", "triton.language.math", "triton.language.extra", "triton.language.extra.libdevice",
    "triton.language.extra.cuda", "triton.language.extra.cuda.libdevice", "math",
)  # fmt: skip
BUILTINS = frozenset(
    {"range", "min", "max", "int", "float", "bool", "abs", "len", "print", "tuple", "isinstance", "slice", "str"}
)
_STATEMENTS = (
    ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Try, ast.TryStar, ast.Lambda, ast.ClassDef, ast.Yield,
    ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith, ast.AsyncFunctionDef, ast.Delete, ast.Raise,
    ast.NamedExpr, ast.Match, ast.Starred,
)  # fmt: skip
_HIDDEN = {"handle", "data", "core", "semantic", "standard", "random", "runtime", "compiler", "backends", "target_info"}

Place = tuple[str, int]  # a function's name and the first line of its decorators


def functions(tree: ast.Module) -> dict[Place, ast.FunctionDef]:
    """Every function of a file by its place, as code objects have it."""
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {(n.name, min([n.lineno, *(d.lineno for d in n.decorator_list)])): n for n in found}


def free_names(node: ast.FunctionDef) -> set[str]:
    """Names that a function uses and does not define: its globals, its closure and builtins."""
    used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    decorators = {n.id for d in node.decorator_list for n in ast.walk(d) if isinstance(n, ast.Name)}
    body = {n.id for part in (*node.body, node.args) for n in ast.walk(part) if isinstance(n, ast.Name)}
    own = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    every = node.args
    arguments = {a.arg for a in (*every.posonlyargs, *every.args, *every.kwonlyargs, every.vararg) if a is not None}
    return used - own - arguments - (decorators - body)


@cache
def _attributes() -> frozenset[str]:
    """Names that may follow a dot: those of Triton's language, of its tensors, types and constants."""
    import triton.language as tl
    from triton.language.extra import libdevice

    owners = (tl, tl.math, tl.tensor, tl.dtype, tl.constexpr, tl.block_type, tl.pointer_type, tl.range, libdevice)
    names = {name for owner in owners for name in dir(owner)} | {"extra", "libdevice", "cuda", "language", "math"}
    names |= {name for kind in ("tensor_descriptor", "tuple") for name in dir(getattr(tl, kind, None))}
    names |= {"constexpr", "element_ty", "is_block", "next_power_of_2", "cdiv", *dir(math)}
    names |= {"shape", "type", "dtype", "value", "numel", "primitive_bitwidth", "itemsize", "strides", "block_shape"}
    return frozenset(name for name in names if not name.startswith("_")) - _HIDDEN


@cache
def triton_types() -> dict[str, Any]:
    """Triton's scalar types by name, "fp32" and its like."""
    import triton.language as tl

    return {value.name: value for value in vars(tl).values() if isinstance(value, tl.dtype)}


def check(node: ast.FunctionDef) -> None:
    """Raises Fault (COMPILE_ERROR) where the function is no kernel's: Triton would refuse it too."""
    inside = [*node.body, *node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
    for part in (n for root in inside for n in ast.walk(root)):
        unwanted = None
        if isinstance(part, _STATEMENTS):
            unwanted = type(part).__name__.lower()
        elif isinstance(part, ast.Attribute) and part.attr not in _attributes():
            unwanted = f".{part.attr}"
        elif isinstance(part, ast.Name) and part.id.startswith("__"):
            unwanted = part.id
        elif isinstance(part, (ast.FunctionDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            unwanted = "a function or comprehension"
        if unwanted:
            line = getattr(part, "lineno", node.lineno)
            raise Fault(Reason.COMPILE_ERROR, f"line {line}: {unwanted} in kernel {node.name} is not Triton's language")


def constants(tree: ast.Module) -> dict[Place, frozenset[str]]:
    """The arguments of each function that Triton takes for constants: their values are in its code."""
    found = {}
    for where, node in functions(tree).items():
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        marked = (a.arg for a in arguments if a.annotation is not None and "constexpr" in ast.unparse(a.annotation))
        found[where] = frozenset(marked)
    return found


def place(kernel: str) -> Place:
    """Name and line of the id "add:12"."""
    name, _, line = kernel.rpartition(":")
    return name, int(line) if line.isdecimal() else -1


def _annotations(node: ast.FunctionDef) -> set[str]:
    """Names that only annotations use."""
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    inside = {n.id for a in arguments if a.annotation for n in ast.walk(a.annotation) if isinstance(n, ast.Name)}
    return inside - {n.id for part in node.body for n in ast.walk(part) if isinstance(n, ast.Name)}


def _is_unknown(bound: Any) -> bool:
    return bound is None or (isinstance(bound, list) and bound[:1] == ["unknown"])


def _inert(node: ast.FunctionDef) -> types.ModuleType:
    """Stands for a module that only annotations name: what is in it says nothing to Triton."""
    module = types.ModuleType("inert")
    for name in (n.attr for n in ast.walk(node.args) if isinstance(n, ast.Attribute) and not n.attr.startswith("_")):
        setattr(module, name, None)
    return module


class Module:
    """The kernels of one source, made when first asked for. `kernels` are their bindings, see recorder/names.py.

    Raises:
        Fault: a kernel is not in the source, or not a kernel.
    """

    def __init__(self, source: str, kernels: Mapping[str, Mapping[str, Any]]) -> None:
        self._functions = functions(ast.parse(source, FILE))
        self._kernels = kernels
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Any:
        import triton

        node = self._functions.get(place(name))
        if node is None or name not in self._kernels:
            raise Fault(Reason.NOT_TRITON, f"kernel {place(name)[0]} is not written in the file")
        check(node)
        bindings = self._kernels[name]
        scope: dict[str, Any] = {"__name__": "lifted", "__builtins__": _builtins()}
        bare = copy.copy(node)
        bare.decorator_list, bare.returns = [], None
        for free in free_names(node):
            if free in _annotations(node) and _is_unknown(bindings.get(free)):
                scope[free] = _inert(node)  # as in `x_ptr: torch.Tensor`, which says nothing to Triton
            elif free in bindings:
                scope[free] = self.value(bindings[free])
        exec(compile(ast.Module(body=[bare], type_ignores=[]), FILE, "exec"), scope)
        return triton.jit(scope[node.name])

    def value(self, bound: Any) -> Any:
        """The object that a binding stands for. Raises Fault for one that no recorder writes."""
        import torch
        import triton.language as tl

        match bound:
            case None | bool() | int() | float() | str():
                return bound
            case ["module", str(name)] if name in LIBRARIES:
                return importlib.import_module(name)
            case ["member", str(module), str(name)] if module in LIBRARIES and not name.startswith("_"):
                return getattr(importlib.import_module(module), name)
            case ["kernel", str(name)]:
                return self[name]
            case ["tl.dtype", str(name)] if name in triton_types():
                return triton_types()[name]
            case ["dtype", str(name)] if isinstance(getattr(torch, name, None), torch.dtype):
                return getattr(torch, name)
            case ["constexpr", value]:
                return tl.constexpr(self.value(value))
            case ["tuple", *parts]:
                return tuple(self.value(part) for part in parts)
            case ["number", "inf" | "-inf" | "nan" as text]:
                return float(text)
        raise Fault(Reason.COMPILE_ERROR, "a name in a kernel stands for nothing that Triton's language has")


def _builtins() -> dict[str, Any]:
    import builtins

    return {name: getattr(builtins, name) for name in BUILTINS} | {"True": True, "False": False, "None": None}


def literals(tree: ast.Module) -> Iterator[int]:
    """All whole numbers that a source writes out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) is int:
            yield node.value
