"""From a recorded launch to a cubin, with no GPU. Two processes: the candidate's makes PTX, `ptxas` makes the cubin.

The candidate's code runs where the PTX is made and may start nothing, so the cubin
comes from NVIDIA's assembler itself: it cannot be forged, only its source can be bad.
"""

import mmap
import os
import re
import socket
from typing import Any

import triton.language as tl
from triton._C.libtriton import ir
from triton.backends.compiler import GPUTarget, Language
from triton.backends.nvidia.compiler import get_ptxas
from triton.compiler import ASTSource, make_backend
from triton.runtime.jit import JITFunction

from kernelraft.kernel import channel
from kernelraft.kernel.faults import FILE, classify, tidy
from kernelraft.kernel.memory import mapped
from kernelraft.kernel.runner import load_source

# Bytes of shared memory that one block may use (CUDA C++ Programming Guide, table of compute capabilities).
_SHARED = {75: 65_536, 80: 166_912, 86: 101_376, 87: 166_912, 89: 101_376, 90: 232_448, 100: 232_448, 103: 232_448}
_SHARED_ELSE = 101_376
_DTYPES = {value.name: value for value in vars(tl).values() if isinstance(value, tl.dtype)}
made: list[Any] = []  # every JITFunction of the candidate


def capability(target: str) -> int:
    """90 of "sm_90"."""
    return int(target.removeprefix("sm_"))


def architecture(target: str) -> str:
    """What ptxas calls the target, as Triton's sm_arch_from_capability has it."""
    return f"{target}a" if capability(target) >= 90 else target


def install() -> None:
    """Keep a list of the kernels that a candidate defines, however it names and wraps them."""
    real = JITFunction.__init__

    def init(self: Any, fn: Any, *args: Any, **kwargs: Any) -> None:
        real(self, fn, *args, **kwargs)
        if fn.__code__.co_filename == FILE:
            made.append(self)

    JITFunction.__init__ = init


def to_ptx(kernel: Any, launch: dict[str, Any], target: str) -> tuple[str, str, int]:
    """PTX of one launch, the kernel's name in it, the shared memory that it needs in bytes.

    Triton's own stages (triton/compiler/compiler.py, `compile`) up to the PTX, without its cache on disk.
    """
    backend = make_backend(GPUTarget("cuda", capability(target), 32))
    constants = {(kernel.arg_names.index(k),): _value(v) for k, v in launch["constants"].items()}
    divisible = {(kernel.arg_names.index(name),): [["tt.divisibility", 16]] for name in launch["aligned"]}
    source = ASTSource(kernel, launch["signature"], constants, divisible)
    options = backend.parse_options(dict(launch["options"]))
    metadata: dict[str, Any] = {"hash": "", "target": backend.target, **options.__dict__}
    stages: dict[str, Any] = {}
    backend.add_stages(stages, options, Language.TRITON)
    context = ir.context()
    ir.load_dialects(context)
    backend.load_dialects(context)
    functions, modules = backend.get_codegen_implementation(options), backend.get_module_map()
    module = source.make_ir(backend.target, options, functions, modules, context)
    for stage in ("ttir", "ttgir", "llir", "ptx"):
        module = stages[stage](module, metadata)
    return str(module), str(metadata["name"]), int(metadata.get("shared") or 0)


def _value(plain: Any) -> Any:
    if not isinstance(plain, dict):
        return plain
    return _DTYPES[plain["dtype"]] if "dtype" in plain else find(plain)


def find(launch: dict[str, Any]) -> Any:
    """The kernel of a recorded launch. Raises ValueError where loading the file does not define it."""
    for kernel in made:
        if (kernel.fn.__name__, kernel.fn.__code__.co_firstlineno) == (launch["kernel"], launch["line"]):
            return kernel
    raise ValueError(f"kernel {launch['kernel']} is not defined at the top of the file")


def compile_child(fds: list[int], _args: dict[str, Any]) -> None:
    """Answer one request on fds [control, inputs, outputs]: PTX of every launch for every target. Already confined."""
    sock, inputs, outputs = socket.socket(fileno=fds[0]), mapped(fds[1]), mapped(fds[2])
    request, _ = channel.receive(sock)
    at, size = request["source"]
    results: list[dict[str, Any]] = []
    end = 0
    try:
        load_source(inputs[at : at + size].decode())
        for launch in request["launches"]:
            for target in request["targets"]:
                results.append(_attempt(launch, target, outputs, end))
                end += results[-1].get("size", 0)
    except BaseException as error:
        results = [{"error": classify(error)[1]}] * (len(request["launches"]) * len(request["targets"]))
    channel.send(sock, {"results": results})


def _attempt(launch: dict[str, Any], target: str, outputs: mmap.mmap, at: int) -> dict[str, Any]:
    try:
        ptx, name, shared = to_ptx(find(launch), launch, target)
    except Exception as error:
        return {"error": tidy(f"{launch['kernel']}: {_first_line(error)}")}
    limit = _SHARED.get(capability(target), _SHARED_ELSE)
    if shared > limit:
        what = f"{launch['kernel']}: needs {shared} bytes of shared memory, {target} has {limit}"
        return {"error": what}
    data = ptx.encode()
    if at + len(data) > len(outputs):
        return {"error": f"{launch['kernel']}: more than {len(outputs) >> 20} MiB of PTX"}
    outputs[at : at + len(data)] = data
    return {"at": at, "size": len(data), "name": name}


def _first_line(error: BaseException) -> str:
    """The innermost cause of a CompilationError with the line that it points at, else the first line."""
    place = ""
    while True:
        node, source = getattr(error, "node", None), getattr(error, "src", None)
        if node is not None and source:
            lines = str(source).split("\n")
            place = f" (kernel line {node.lineno}: {lines[min(node.lineno, len(lines)) - 1].strip()})"
        if error.__cause__ is None:
            break
        error = error.__cause__
    message = getattr(error, "error_message", None) or str(error)
    lines = [line for line in str(message).strip().split("\n") if line and not re.match(r"at \d+:\d+:", line)]
    return f"{type(error).__name__}: {lines[-1 if place and len(lines) > 3 else 0] if lines else ''}{place}"


def ptxas_child(fds: list[int], args: dict[str, Any]) -> None:
    """Become ptxas for `args["target"]`, on fds [control, PTX, cubin]. Already confined."""
    for fd in fds[1:]:
        os.set_inheritable(fd, True)
    source, binary = (f"/proc/self/fd/{fd}" for fd in fds[1:])
    path = get_ptxas(capability(args["target"])).path
    os.execv(path, [path, f"--gpu-name={architecture(args['target'])}", source, "-o", binary])


def is_cubin(data: bytes, kernel: str) -> bool:
    """Whether `data` is an ELF file for CUDA (e_machine 190) with the kernel's code in it."""
    return (
        data[:4] == b"\x7fELF" and int.from_bytes(data[18:20], "little") == 190 and f".text.{kernel}".encode() in data
    )
