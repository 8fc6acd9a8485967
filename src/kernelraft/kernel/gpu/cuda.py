"""CUDA's driver interface, as much of it as a judge and a replayer need: shared memory, modules, launches.

Source: CUDA Driver API, sections Memory Management, Module Management, Execution Control.
"""

import ctypes
from ctypes import byref, c_char, c_int, c_size_t, c_ubyte, c_uint, c_uint64, c_void_p
from functools import cache
from typing import Any

import torch

_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_CLUSTER, _COOPERATIVE = 4, 2  # of CUlaunchAttributeID
_PEER_LAZY = 1  # CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS
_MAP_ALIGNMENT = 64
_PROMOTION_128B = 2  # CU_TENSOR_MAP_L2_PROMOTION_L2_128B
_OF_DEVICE = {8: 10, 9: 8, 10: 9}  # element types that PTX (tensormap.replace) and the driver number differently


class CudaError(Exception):
    """A call of the driver failed: a fault of the kernel that ran, or of the machine."""


class IpcHandle(ctypes.Structure):
    """What another process opens a piece of memory with."""

    _fields_ = [("reserved", c_char * 64)]


class TensorMap(ctypes.Structure):
    """What the unit for bulk copies knows of a tensor: 128 bytes, a parameter of a kernel as they are."""

    _fields_ = [("words", c_uint * 32)]


class _Attribute(ctypes.Structure):
    _fields_ = [("id", c_uint), ("pad", c_char * 4), ("value", c_uint * 16)]


class _Config(ctypes.Structure):
    _fields_ = [
        *((name, c_uint) for name in ("gx", "gy", "gz", "bx", "by", "bz", "shared")),
        ("stream", c_void_p), ("attributes", ctypes.POINTER(_Attribute)), ("count", c_uint),
    ]  # fmt: skip


@cache
def _library() -> Any:
    return ctypes.CDLL("libcuda.so.1")


def call(name: str, *args: Any) -> None:
    """One call of the driver. Raises CudaError with its name for what went wrong."""
    result = getattr(_library(), name)(*args)
    if result:
        text = ctypes.c_char_p()
        _library().cuGetErrorName(result, byref(text))
        raise CudaError(f"{name}: {(text.value or b'unknown error').decode()}")


def attribute(number: int) -> int:
    """One figure of this process's GPU; `number` is of CUdevice_attribute."""
    value = c_int()
    call("cuDeviceGetAttribute", byref(value), c_int(number), c_int(torch.cuda.current_device()))
    return value.value


class Memory:
    """A piece of the GPU's memory that another process may open."""

    def __init__(self, nbytes: int) -> None:
        self._pointer = c_void_p()
        self.nbytes = max(nbytes, 1 << 21)
        call("cuMemAlloc_v2", byref(self._pointer), c_size_t(self.nbytes))
        self.bytes = _tensor(self._pointer.value or 0, self.nbytes)

    def handle(self) -> str:
        """What to open it with, in hexadecimal."""
        handle = IpcHandle()
        call("cuIpcGetMemHandle", byref(handle), self._pointer)
        return bytes(handle).hex()

    def close(self) -> None:
        call("cuMemFree_v2", self._pointer)


def fill(address: int, nbytes: int) -> None:
    """Set every byte there to 0xFF, NaN in every type of floats, in the order of torch's current stream."""
    if nbytes:
        stream = c_void_p(torch.cuda.current_stream().cuda_stream)
        call("cuMemsetD8Async", c_uint64(address), c_ubyte(0xFF), c_size_t(nbytes), stream)


def opened(handle: str, nbytes: int) -> torch.Tensor:
    """The memory of another process, as bytes."""
    pointer = c_void_p()
    there = IpcHandle.from_buffer_copy(bytes.fromhex(handle))
    call("cuIpcOpenMemHandle_v2", byref(pointer), there, c_uint(_PEER_LAZY))
    return _tensor(pointer.value or 0, nbytes)


class _Array:
    def __init__(self, pointer: int, nbytes: int) -> None:
        self.__cuda_array_interface__ = {
            "data": (pointer, False), "shape": (nbytes,), "strides": None, "typestr": "|u1", "version": 3,
        }  # fmt: skip


def _tensor(pointer: int, nbytes: int) -> torch.Tensor:
    return torch.as_tensor(_Array(pointer, nbytes), device="cuda")


def tensor_map(address: int, layout: dict[str, Any], shape: list[int], strides: list[int], *, nan: bool) -> TensorMap:
    """Descriptor of a tensor at `address`: `shape` and `strides` in elements, outermost dimension first.

    `layout` is the compiler's: block_size, elem_size, elem_type, swizzle, fp4_padded. What lies outside of the
    tensor is read as NaN where `nan`, else as 0.

    Source: CUDA Driver API, Tensor Map Object Management, cuTensorMapEncodeTiled.
    """
    rank = len(shape)
    inner = 2 if layout["fp4_padded"] else 1
    dims = (c_uint64 * rank)(*reversed([*shape[:-1], inner * shape[-1]]))
    steps = (c_uint64 * max(1, rank - 1))(*(layout["elem_size"] * stride for stride in reversed(strides[:-1])))
    box = (c_uint * rank)(*reversed(layout["block_size"]))
    ones = (c_uint * rank)(*([1] * rank))
    memory = bytearray(ctypes.sizeof(TensorMap) + _MAP_ALIGNMENT)
    start = ctypes.addressof(c_char.from_buffer(memory))
    made = TensorMap.from_buffer(memory, -start % _MAP_ALIGNMENT)
    kind = _OF_DEVICE.get(layout["elem_type"], layout["elem_type"])
    call(
        "cuTensorMapEncodeTiled", byref(made), c_int(kind), c_uint(rank), c_void_p(address), dims, steps, box, ones,
        c_int(0), c_int(layout["swizzle"]), c_int(_PROMOTION_128B), c_int(nan),
    )  # fmt: skip
    return made


class Function:
    """One kernel of a cubin, ready to be launched."""

    def __init__(self, cubin: bytes, name: str, shared: int) -> None:
        module, self._function = c_void_p(), c_void_p()
        call("cuModuleLoadData", byref(module), cubin)
        call("cuModuleGetFunction", byref(self._function), module, name.encode())
        self.shared = shared
        if shared > 49_152:
            call("cuFuncSetAttribute", self._function, c_int(_DYNAMIC_SHARED), c_int(shared))

    def launch(
        self, grid: list[int], threads: int, values: list[Any], *, ctas: int = 1, cooperative: bool = False
    ) -> None:
        """Start it on torch's current stream; `values` are ctypes in the order of the kernel's parameters."""
        pointers = (c_void_p * len(values))(*(ctypes.cast(byref(value), c_void_p) for value in values))
        x, y, z = (*grid, 1, 1)[:3]
        attributes = (_Attribute * 2)()
        count = 0
        if ctas > 1:
            attributes[count].id, attributes[count].value[0:3] = _CLUSTER, [ctas, 1, 1]
            count += 1
        if cooperative:
            attributes[count].id, attributes[count].value[0] = _COOPERATIVE, 1
            count += 1
        stream = torch.cuda.current_stream().cuda_stream
        config = _Config(x * ctas, y, z, threads, 1, 1, self.shared, stream, attributes, count)
        call("cuLaunchKernelEx", byref(config), self._function, pointers, None)
