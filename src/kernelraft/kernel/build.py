"""The judge's half of compiling: which launches a trace has, their code from a confined child, cubins from ptxas."""

import ast
import json
import mmap
import os
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kernelraft.kernel.child import Child, Deadline
from kernelraft.kernel.compiler import is_binary
from kernelraft.kernel.faults import FILE, Fault, tidy
from kernelraft.kernel.forkserver import Client
from kernelraft.kernel.lift import Place, constants, place
from kernelraft.kernel.memory import DTYPES, mapped, sealed
from kernelraft.kernel.trace import Event, picked
from kernelraft.records import Reason

_CODE_BYTES = 64 << 20  # of all launches and targets of a candidate together
_BINARY_BYTES = 1 << 26
MAX_LAUNCHES = 64  # distinct ones; each is compiled for every target
MAX_CONFIGS = 8  # of one @triton.autotune

Launch = list[Any]


@dataclass
class Built:
    """One launch for one target; `said` is "ok" or the compiler's first line."""

    said: str
    registers: int | None = None
    spills: int | None = None
    shared: int | None = None


class Forms:
    """Which launches of a source need code of their own: those that differ in more than addresses and numbers.

    `atomic` is whether its kernels may add in any order.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        nodes = ast.walk(ast.parse(source, FILE)) if "atomic_" in source else ()
        names = (getattr(node, "attr", None) or getattr(node, "id", "") for node in nodes)
        self.atomic = any(isinstance(name, str) and name.startswith("atomic_") for name in names)

    @cached_property
    def _constants(self) -> dict[Place, frozenset[str]]:
        return constants(ast.parse(self._source, FILE))

    def launch(self, event: Event) -> Launch:
        """What the compiler needs of a launch: no address, no size of the grid."""
        constant = self._constants.get(place(event[1]), frozenset())
        arguments = {name: _form(value, exact=name in constant) for name, value in event[2].items()}
        return [event[1], arguments, event[4]]

    def key(self, event: Event) -> str:
        """What tells a launch from others that need other code."""
        return json.dumps(self.launch(event))


def configurations(events: list[Event]) -> int:
    """How many configurations are tried: of the choice that has the most, MAX_CONFIGS at most."""
    return min(MAX_CONFIGS, max((len(event[1]) for event in events if event[0] == "choose"), default=1))


def launches(events: list[Event], forms: Forms, pick: int) -> list[Launch]:
    """The distinct launches, of each choice those of the alternative that is picked. Raises Fault for too many."""
    found = {forms.key(event): forms.launch(event) for event in picked(events, pick) if event[0] == "launch"}
    if len(found) > MAX_LAUNCHES:
        raise Fault(Reason.RUNTIME_ERROR, f"more than {MAX_LAUNCHES} distinct launches")
    return list(found.values())


def merged(before: dict[str, Built], now: dict[str, Built]) -> dict[str, Built]:
    """What is known of each target of two builds: the first that went wrong, else the most that is used."""
    if not before or any(built.said != "ok" for built in before.values()):
        return now
    return {target: _larger(before[target], built) if built.said == "ok" else built for target, built in now.items()}


def _larger(a: Built, b: Built) -> Built:
    return Built("ok", *(max(getattr(a, n) or 0, getattr(b, n) or 0) for n in ("registers", "spills", "shared")))


def _form(value: Any, *, exact: bool) -> Any:
    """An argument up to what its code depends on; of a number that is: 1, a multiple of 16, or neither."""
    match value:
        case ["tensor", [_, int(offset), _, _, str(dtype)]] if dtype in DTYPES:
            return ["pointer", dtype, offset * DTYPES[dtype].itemsize % 16]
        case ["tuple", *parts]:
            return ["tuple", *(_form(part, exact=exact) for part in parts)]
        case list():
            return [_form(part, exact=True) for part in value]
        case int() if not exact and not isinstance(value, bool) and value != 1:
            small = -(2**31) <= value < 2**31
            return (16 if value % 16 == 0 else 2) if small else 2**40 + (0 if value % 16 == 0 else 2)
        case float() if not exact:
            return 0.5
    return value


@dataclass(frozen=True)
class Binary:
    """A cubin and how it is started: [argument, place in its tuple, type] of each parameter, threads of a block."""

    cubin: bytes
    name: str
    shared: int
    params: list[Any]
    threads: int
    scratch: int = 0
    ctas: int = 1
    cooperative: bool = False


class Builder:
    """Compiles for `targets` with a zygote of the compile server; keeps the cubins of the target `device`."""

    def __init__(self, zygote: Client, targets: list[str], memory_mib: int, device: str = "") -> None:
        self._zygote, self._targets, self._memory_mib, self._device = zygote, targets, memory_mib, device
        self.binaries: dict[str, Binary] = {}  # by launch, see Forms.key

    def build(self, code: bytes, kernels: dict[str, Any], wanted: list[Launch], end: Deadline) -> dict[str, Built]:
        """For each target the first that went wrong, or the most that a launch uses. Raises Fault."""
        if not wanted:
            return {target: Built("ok", 0, 0, 0) for target in self._targets}
        inputs, outputs = self._inputs(code, kernels, wanted), sealed("code", _CODE_BYTES)
        try:
            request = {"op": "compile", "source": [0, len(code)], "launches": self._size, "count": len(wanted)}
            with Child(self._zygote, "compile", [inputs, outputs], self._memory_mib, end) as child:
                results = child.ask({**request, "targets": self._targets}).get("results")
            if not isinstance(results, list) or len(results) != len(wanted) * len(self._targets):
                raise Fault(Reason.COMPILE_ERROR, "its process sent a malformed answer")
            with mapped(outputs) as memory:
                return {t: self._target(t, n, results, wanted, memory, end) for n, t in enumerate(self._targets)}
        finally:
            os.close(inputs)
            os.close(outputs)

    def _inputs(self, code: bytes, kernels: dict[str, Any], wanted: list[Launch]) -> int:
        text = json.dumps([kernels, wanted]).encode()
        self._size = len(text)
        fd = sealed("source", len(code) + len(text))
        with mapped(fd) as memory:
            memory[: len(code) + len(text)] = code + text
        return fd

    def _target(
        self, target: str, at: int, results: list[Any], wanted: list[Launch], memory: mmap.mmap, end: Deadline
    ) -> Built:
        total = Built("ok", 0, 0, 0)
        for launch, result in zip(wanted, results[at :: len(self._targets)], strict=True):
            built = self._binary(target, result, memory, end, json.dumps(launch))
            if built.said != "ok":
                return built
            total = _larger(total, built)
        return total

    def _binary(self, target: str, result: Any, memory: mmap.mmap, end: Deadline, launch: str) -> Built:
        match result:
            case {"error": str(error)}:
                return Built(tidy(error))
            case {"at": int(at), "size": int(size), "name": str(name), "shared": int(shared)} if at >= 0 <= size:
                code = memory[at : at + size]
            case _:
                raise Fault(Reason.COMPILE_ERROR, "its process sent a malformed answer")
        if target.startswith("sm_"):
            built, cubin = self._assemble(target, code, name, shared, end)
            if target == self._device and cubin:
                self.binaries[launch] = _started(cubin, code.decode(), name, shared, result)
            return built
        said = "ok" if is_binary(code, name) else "no code object was made of this kernel"
        return Built(said, int(result.get("registers", 0)), int(result.get("spills", 0)), shared)

    def _assemble(self, target: str, ptx: bytes, name: str, shared: int, end: Deadline) -> tuple[Built, bytes]:
        source, binary = (os.memfd_create(kind, os.MFD_CLOEXEC) for kind in ("ptx", "cubin"))
        try:
            os.pwrite(source, ptx, 0)
            with Child(self._zygote, "ptxas", [source, binary], self._memory_mib, end, target=target) as child:
                status = child.finish()
                said = child.log(1 << 16)
            if status:
                lines = [line for line in said.splitlines() if line.strip()]
                errors = [line for line in lines if "error" in line or "fatal" in line]
                return Built(tidy((errors or lines[-1:] or [f"ptxas ended with status {status}"])[0])), b""
            cubin = os.pread(binary, _BINARY_BYTES, 0)
            if not is_binary(cubin, name):
                return Built("ptxas made no cubin of this kernel"), b""
            registers, spills = re.findall(r"Used (\d+) registers", said), re.findall(r"(\d+) bytes spill stores", said)
            built = Built("ok", max(map(int, registers), default=0), max(map(int, spills), default=0), shared)
            return built, cubin
        finally:
            os.close(source)
            os.close(binary)


def _started(cubin: bytes, ptx: str, name: str, shared: int, result: dict[str, Any]) -> Binary:
    """A cubin with what its PTX says of its start."""
    found = re.search(r"\.(?:req|max)ntid\s+(\d+)", ptx)
    return Binary(
        cubin, name, shared, list(result["params"]), int(found[1]) if found else 128,
        int(result.get("global_scratch_size", 0)), int(result.get("num_ctas", 1)),
        bool(result.get("launch_cooperative_grid", 0)),
    )  # fmt: skip
