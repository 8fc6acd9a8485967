"""The device that a candidate sees: "cuda:0", whatever the machine has. Behind it are meta tensors."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes

from kernelraft.kernel.faults import line_now
from kernelraft.kernel.recorder.tape import Tape
from kernelraft.kernel.trace import NotReplayable

CUDA, CPU, META = torch.device("cuda", 0), torch.device("cpu"), torch.device("meta")
_VALUES = ("tolist", "numpy", "__array__", "__dlpack__", "storage", "share_memory_")
_READS = {getattr(torch.Tensor, name): name for name in _VALUES}
_GETTERS: dict[Any, Callable[[torch.Tensor, bool], Any]] = {
    torch.Tensor.device.__get__: lambda _, host: CPU if host else CUDA,
    torch.Tensor.is_cuda.__get__: lambda _, host: not host,  # type: ignore[attr-defined]
    torch.Tensor.is_cpu.__get__: lambda _, host: host,  # type: ignore[attr-defined]
    torch.Tensor.is_meta.__get__: lambda *_: False,  # type: ignore[attr-defined]
    torch.Tensor.get_device: lambda _, host: -1 if host else 0,
    torch.Tensor.data_ptr: lambda *_: 0,
    torch.Tensor.is_pinned: lambda *_: False,
}


_LITERALS = {torch.tensor, torch.as_tensor, torch.asarray, torch.Tensor.new_tensor}


class World(TorchFunctionMode):
    """Maps the device of every call."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        first = args[0] if args and isinstance(args[0], torch.Tensor) else None
        if first is not None and first.is_meta:
            if func in _GETTERS:
                return _GETTERS[func](first, self.tape.is_host(first))
            if func in _READS:
                raise self.tape.needs_values(f"Tensor.{_READS[func]}")
        if func in _LITERALS:
            return self._literal(func, args, kwargs)
        if first is not None and func in _MOVES:
            return self._move(first, *_MOVES[func](args[1:], kwargs))
        kwargs = {name: self._mapped(value) if name == "device" else value for name, value in kwargs.items()}
        return func(*args, **kwargs)

    def _literal(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A tensor of numbers that the program writes: made on the host, then moved."""
        device = kwargs.pop("device", None)
        if device is None and func is torch.Tensor.new_tensor and not self.tape.is_host(args[0]):
            device = CUDA
        if func is torch.Tensor.new_tensor:
            kwargs.setdefault("dtype", args[0].dtype)
            func, args = torch.tensor, args[1:]
        if args and isinstance(args[0], torch.Tensor) and args[0].is_meta:
            return args[0].to(**{name: value for name, value in kwargs.items() if name == "dtype"})
        with _disable_current_modes():
            made = func(*args, **kwargs)
            mapped = self._mapped(device)
            return self.tape.upload(made) if mapped is not None and mapped.type == "meta" else made

    def _mapped(self, device: Any) -> Any:
        """Where a tensor for `device` really lies."""
        if device is None or (isinstance(device, torch.device) and device.type == "meta"):
            return device
        device = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
        if device.type == "cuda" and device.index:
            raise RuntimeError(f"CUDA error: invalid device ordinal {device.index}: there is one device")
        return META if device.type == "cuda" else device

    def _move(self, tensor: torch.Tensor, device: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
        """`tensor.to(device, *args)`: a tensor of the device stays where it is, and says otherwise."""
        mapped = self._mapped(device)
        if not tensor.is_meta:
            return tensor.to(mapped, *args, **kwargs) if mapped is not None else tensor.to(*args, **kwargs)
        moved = tensor.to(*args, **kwargs) if args or kwargs else tensor
        if mapped is not None:
            if mapped.type == "meta":
                self.tape.to_device(moved)
            elif self.tape.building:
                self.tape.to_host(moved)
            else:
                raise self.tape.refuse(NotReplayable(f"{line_now()}: a tensor is moved to the host"))
        return moved


def _of_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """Device, and the other arguments of Tensor.to(device, dtype), to(dtype) or to(other)."""
    device, rest = kwargs.pop("device", None), list(args)
    if rest and isinstance(rest[0], torch.Tensor):
        rest[0:1] = [rest[0].dtype]
        device = CUDA
    elif rest and isinstance(rest[0], (str, int, torch.device)):
        device = rest.pop(0)
    if other := kwargs.pop("other", None):
        device, rest = CUDA, [other.dtype, *rest]
    return device, _without_flags(rest), {k: v for k, v in kwargs.items() if k in ("dtype", "memory_format")}


def _without_flags(rest: list[Any]) -> tuple[Any, ...]:
    """Without non_blocking and copy: a copy that nobody wrote to is as good as the original."""
    return tuple(value for value in rest if isinstance(value, (torch.dtype, torch.memory_format)))


def _of_cuda(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    device = args[0] if args else kwargs.get("device")
    return CUDA if device is None else device, (), {}


_MOVES: dict[Any, Callable[..., tuple[Any, tuple[Any, ...], dict[str, Any]]]] = {
    torch.Tensor.to: _of_to,
    torch.Tensor.cuda: _of_cuda,
    torch.Tensor.cpu: lambda args, kwargs: (CPU, (), {}),
    torch.Tensor.pin_memory: lambda args, kwargs: (None, (), {}),
}


class Stub:
    """Stands for a stream, an event or a context of CUDA: everything on one stream, nothing to wait for."""

    cuda_stream = 0

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> "Stub":
        return self

    def __exit__(self, *_: Any) -> None: ...

    def elapsed_time(self, _: Any) -> float:
        return 1.0

    def query(self) -> bool:
        return True

    def nothing(self, *_: Any, **__: Any) -> None: ...

    record = wait = synchronize = wait_stream = wait_event = record_event = nothing


def install(device: Mapping[str, Any]) -> None:
    """Let torch.cuda and Triton's driver speak of `device`: name, capability, multiprocessors, shared, memory."""
    major, minor = device["capability"]
    properties = SimpleNamespace(
        name=device["name"],
        major=major,
        minor=minor,
        multi_processor_count=device["multiprocessors"],
        total_memory=device["memory"],
        warp_size=32,
        shared_memory_per_block_optin=device["shared"],
        shared_memory_per_block=49_152,
        regs_per_multiprocessor=65_536,
        max_threads_per_multi_processor=2048,
        gcnArchName="",
    )
    answers: dict[str, Any] = {
        "is_available": True, "is_initialized": True, "device_count": 1, "current_device": 0, "synchronize": None,
        "empty_cache": None, "init": None, "_lazy_init": None, "set_device": None, "is_bf16_supported": major >= 8,
        "get_device_properties": properties, "get_device_capability": (major, minor),
        "get_device_name": device["name"], "memory_allocated": 0, "max_memory_allocated": 0,
        "reset_peak_memory_stats": None, "manual_seed": None, "manual_seed_all": None,
        "mem_get_info": (device["memory"], device["memory"]), "is_current_stream_capturing": False,
    }  # fmt: skip
    for name, answer in answers.items():
        setattr(torch.cuda, name, lambda *_, _answer=answer, **__: _answer)
    for name in ("Stream", "Event", "current_stream", "default_stream", "stream", "device", "device_of"):
        setattr(torch.cuda, name, Stub)
    _install_driver(device)


def install_initializers(tape: Tape) -> None:
    """Record as one operation what draws again until a value fits: how often depends on the values."""

    def trunc_normal_(
        tensor: torch.Tensor,
        mean: float = 0.0,
        std: float = 1.0,
        a: float = -2.0,
        b: float = 2.0,
        generator: Any = None,
    ) -> torch.Tensor:
        del generator
        with torch._C.DisableTorchFunction():
            view = tape.view(tensor)
        given = [["tensor", view], float(mean), float(std), float(a), float(b)]
        tape.add(["op", "init.trunc_normal_", given, {}, [view], line_now()])
        return tensor

    torch.nn.init.trunc_normal_ = trunc_normal_


def _install_driver(device: Mapping[str, Any]) -> None:
    from triton.backends.compiler import GPUTarget
    from triton.runtime.driver import driver

    major, minor = device["capability"]
    said = {
        "max_shared_mem": device["shared"], "multiprocessor_count": device["multiprocessors"],
        "max_num_regs": 65_536, "warpSize": 32, "sm_clock_rate": 1_700_000, "mem_clock_rate": 2_600_000,
        "mem_bus_width": 5120,
    }  # fmt: skip
    active = SimpleNamespace(
        get_current_device=lambda: 0,
        get_current_stream=lambda *_: 0,
        set_current_device=lambda *_: None,
        get_current_target=lambda: GPUTarget("cuda", 10 * major + minor, 32),
        get_active_torch_device=lambda: CUDA,
        get_device_interface=lambda: torch.cuda,
        get_device_capability=lambda *_: (major, minor),
        get_benchmarker=lambda: lambda *_, **__: [1.0, 1.0, 1.0],
        get_empty_cache_for_benchmark=lambda: None,
        clear_cache=lambda *_: None,
        utils=SimpleNamespace(get_device_properties=lambda *_: said),
        is_active=lambda: True,
    )
    driver.set_active(active)
