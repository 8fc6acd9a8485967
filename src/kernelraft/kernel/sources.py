"""A candidate's source as a module, in the processes that may run it."""

import inspect
import linecache
import sys
import types
from typing import Any

from kernelraft.kernel.faults import FILE, Fault
from kernelraft.records import Reason

_MODULE = "candidate"


def show_lines(source: str) -> None:
    """Let tracebacks, `inspect` and Triton read the lines of a file that is not there."""
    linecache.cache[FILE] = (len(source), None, [line + "\n" for line in source.split("\n")], FILE)


def load_source(source: str) -> types.ModuleType:
    """Execute the file as a module."""
    show_lines(source)
    module = types.ModuleType(_MODULE)
    module.__file__ = FILE
    sys.modules[_MODULE] = module
    exec(compile(source, FILE, "exec"), module.__dict__)
    return module


def entry(module: types.ModuleType, names: list[str]) -> Any:
    """The class or function that the task asks for. Raises Fault where none of the names is defined."""
    found = [getattr(module, name) for name in names if hasattr(module, name)]
    if not found:
        raise Fault(Reason.RUNTIME_ERROR, f"{names[0]} is not defined")
    return found[0]


def wrapped(function: Any, inputs: int, state: dict[str, Any]) -> Any:
    """A function in place of a module: what it takes beyond the inputs are parameters, in the reference's order."""
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wanted = [p for p in inspect.signature(function).parameters.values() if p.kind in places]
    more = list(state.values())[: max(0, len(wanted) - inputs)]
    return lambda *args: function(*args, *more)
