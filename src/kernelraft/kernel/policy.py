"""Reads a candidate's source and runs nothing: refuses what no honest kernel writes, before a process is spent on it.

Advice, not the proof: the proof is that nothing secret is in the candidate's process and that
what it computed is measured outside. So this refuses little, by name, and says what.
"""

import ast

from kernelraft.kernel.faults import FILE, Fault, tidy
from kernelraft.records import Reason

MAX_BYTES, MAX_DEPTH, MAX_CHAIN = 128 << 10, 80, 400
_MODULES = {
    "__future__", "abc", "collections", "contextlib", "copy", "dataclasses", "enum", "functools", "itertools",
    "logging", "math", "numbers", "operator", "torch", "triton", "typing", "typing_extensions", "warnings",
}  # fmt: skip
_NAMES = {
    "exec", "eval", "compile", "open", "__import__", "__builtins__", "__loader__", "__spec__", "globals",
    "locals", "vars", "input", "breakpoint", "memoryview",
}  # fmt: skip
_ATTRIBUTES = {
    "f_back", "f_globals", "f_locals", "f_builtins", "gi_frame", "cr_frame", "ag_frame", "tb_frame", "tb_next",
    "untyped_storage", "storage", "tolist", "numpy", "cpp_extension", "load_inline", "from_numpy", "frombuffer",
    "from_file",
}  # fmt: skip
_DUNDERS = {
    "__init__", "__name__", "__class__", "__version__", "__doc__", "__post_init__", "__call__", "__len__",
    "__repr__", "__all__",
}  # fmt: skip


def check_syntax(code: str, *, allow_torch: bool = False) -> ast.Module:
    """The source, parsed. Raises Fault (SYNTAX or NOT_TRITON) for one that needs not be run."""
    if not code.strip():
        raise Fault(Reason.SYNTAX, "no code found in the answer, or none that is UTF-8")
    tree = _parse(code)
    if not allow_torch and not any(
        _names_jit(d) for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) for d in n.decorator_list
    ):
        raise Fault(Reason.NOT_TRITON, "there is no @triton.jit kernel")
    return tree


def check(code: str) -> None:
    """Raises Fault (NOT_TRITON) for a source that has more in it than the host code of kernels needs."""
    for node in ast.walk(check_syntax(code)):
        found = _unwanted(node)
        if found:
            raise Fault(
                Reason.NOT_TRITON, f"line {getattr(node, 'lineno', 0)}: {found} has no place in a kernel's program"
            )


def _names_jit(decorator: ast.expr) -> bool:
    names = (getattr(n, "id", None) or getattr(n, "attr", None) for n in ast.walk(decorator))
    return any("jit" in name for name in names if isinstance(name, str))


def _parse(code: str) -> ast.Module:
    if len(code.encode("utf-8", "replace")) > MAX_BYTES:
        raise Fault(Reason.SYNTAX, f"more than {MAX_BYTES} bytes of source")
    _scan(code)
    try:
        code.encode()
        return ast.parse(code, FILE)
    except SyntaxError as error:
        raise Fault(Reason.SYNTAX, tidy(f"line {error.lineno}: {error.msg}: {(error.text or '').strip()}")) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Fault(Reason.SYNTAX, tidy(f"{type(error).__name__}: {error}")) from None


def _scan(code: str) -> None:
    """Bounds on nesting: the parser runs in the judge and shall not meet what exhausts its stack."""
    depth = chain = dots = 0
    for char in code:
        dots = dots + (char == ".") if char.isalnum() or char in "_. \t\n\\" else 0
        depth += (char in "([{") - (char in ")]}")
        chain = chain + 1 if char in "-+~.:!" else chain if char in " \t\\" else 0
        if depth > MAX_DEPTH or chain > MAX_CHAIN or dots > MAX_CHAIN:
            raise Fault(Reason.SYNTAX, "nested too deeply")


def _unwanted(node: ast.AST) -> str | None:
    match node:
        case ast.Import(names=names):
            return next((f"import {n.name}" for n in names if _closed(n.name)), None)
        case ast.ImportFrom(module=module, names=names, level=level):
            if level or module is None or _closed(module):
                return f"import from {module}"
            return next((f"import of {n.name}" for n in names if n.name in _ATTRIBUTES or n.name.startswith("_")), None)
        case ast.Name(id=name) if name in _NAMES:
            return name
        case ast.Attribute(value=value, attr=attr) if attr in _ATTRIBUTES or _private(value, attr):
            return f".{attr}"
        case ast.Call(func=ast.Name(id="getattr" | "setattr" | "delattr" as name), args=[first, *_]):
            own = isinstance(first, ast.Name) and first.id in ("self", "tl", "module")
            return None if own else f"{name}() on something else than self"
    return None


def _closed(module: str) -> bool:
    head, *rest = module.split(".")
    return head not in _MODULES or any(part.startswith("_") or part in _ATTRIBUTES for part in rest)


def _private(value: ast.expr, attr: str) -> bool:
    own = isinstance(value, ast.Name) and value.id in ("self", "cls")
    return (attr.startswith("__") and attr not in _DUNDERS) or (
        attr.startswith("_") and not attr.startswith("__") and not own
    )
