"""The judge's half of compiling: asks a confined child for PTX, lets ptxas make cubins of it, looks at them."""

import mmap
import os
from typing import Any

from kernelraft.kernel.child import Child, Deadline
from kernelraft.kernel.compiler import is_cubin
from kernelraft.kernel.faults import Fault, tidy
from kernelraft.kernel.forkserver import Client
from kernelraft.kernel.memory import mapped, sealed
from kernelraft.records import Reason

_PTX_BYTES = 8 << 20  # of all launches and targets of a candidate together
_CUBIN_BYTES = 1 << 26


def build(
    zygote: Client, code: bytes, launches: list[Any], targets: list[str], memory_mib: int, end: Deadline
) -> dict[str, str]:
    """For each target "ok" or the first thing that went wrong. Raises Fault where the child breaks its protocol."""
    inputs, outputs = sealed("source", len(code)), sealed("ptx", _PTX_BYTES)
    try:
        with mapped(inputs) as memory:
            memory[: len(code)] = code
        request = {"op": "compile", "source": [0, len(code)], "launches": launches, "targets": targets}
        with Child(zygote, "compile", [inputs, outputs], memory_mib, end) as child:
            results = child.ask(request).get("results")
        if not isinstance(results, list) or len(results) != len(launches) * len(targets) or not results:
            raise Fault(Reason.COMPILE_ERROR, "its process sent a malformed answer")
        said = dict.fromkeys(targets, "ok")
        with mapped(outputs) as memory:
            for index, result in enumerate(results):
                target = targets[index % len(targets)]
                if said[target] == "ok":
                    said[target] = _assemble(zygote, target, result, memory, memory_mib, end)
        return said
    finally:
        os.close(inputs)
        os.close(outputs)


def _assemble(zygote: Client, target: str, result: Any, memory: mmap.mmap, memory_mib: int, end: Deadline) -> str:
    """Either "ok" or what the child or ptxas said of one launch for one target."""
    match result:
        case {"error": str(error)}:
            return tidy(error)
        case {"at": int(at), "size": int(size), "name": str(name)} if at >= 0 and size >= 0:
            ptx = memory[at : at + size]
        case _:
            raise Fault(Reason.COMPILE_ERROR, "its process sent a malformed answer")
    source, binary = (os.memfd_create(kind, os.MFD_CLOEXEC) for kind in ("ptx", "cubin"))
    try:
        os.pwrite(source, ptx, 0)
        with Child(zygote, "ptxas", [source, binary], memory_mib, end, target=target) as child:
            status = child.finish()
            lines = [line for line in child.log().splitlines() if line.strip()]
        if status:
            errors = [line for line in lines if "error" in line or "fatal" in line]
            return tidy((errors or lines[-1:] or [f"ptxas ended with status {status}"])[0])
        return "ok" if is_cubin(os.pread(binary, _CUBIN_BYTES, 0), name) else "ptxas made no cubin of this kernel"
    finally:
        os.close(source)
        os.close(binary)
