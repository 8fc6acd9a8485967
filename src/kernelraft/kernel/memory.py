"""Tensors in shared memory that two processes map: the only way in which values cross to a candidate and back.

The memory's size is sealed: a candidate that could shrink it would kill the judge with SIGBUS.
"""

import fcntl
import math
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

GUARD = 1024  # bytes of 0xFF (NaN in every float type, -1 in integers) on both sides of every buffer
_ALIGN = 256
_SEAL_ADD, _SEALS = 1033, 1 | 2 | 4  # F_ADD_SEALS; no more seals, no shrinking, no growing (linux/fcntl.h)
_FLOATS = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
_INTEGERS = ("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool")
DTYPES = {name: getattr(torch, name) for name in (*_FLOATS, *_INTEGERS)}


class Unsupported(Exception):  # noqa: N818
    """This verifier cannot judge that: nobody's fault, no verdict."""


def dtype_name(dtype: torch.dtype) -> str:
    """The name "float32" of torch.float32."""
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True)
class Spec:
    """Where a tensor lies and how to look at it: `at` bytes from the start, `span` elements of its storage."""

    at: int
    shape: list[int]
    stride: list[int]
    dtype: str
    span: int

    @property
    def nbytes(self) -> int:
        return self.span * int(DTYPES[self.dtype].itemsize)

    def plain(self) -> dict[str, Any]:
        return {"at": self.at, "shape": self.shape, "stride": self.stride, "dtype": self.dtype, "span": self.span}


def span_of(shape: Sequence[int], stride: Sequence[int]) -> int:
    """Elements from the first to the last that a tensor looks at."""
    return 1 + sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) if math.prod(shape) else 0


class Layout:
    """Hands out places; `size` is what they need together."""

    def __init__(self, start: int = 0) -> None:
        self.size = start

    def place(self, tensor: torch.Tensor) -> Spec:
        """A guarded place for `tensor`, strides kept. Raises Unsupported for what is not plain and dense."""
        if tensor.layout is not torch.strided or dtype_name(tensor.dtype) not in DTYPES:
            raise Unsupported(f"a {tensor.dtype} tensor of layout {tensor.layout}")
        span = span_of(tensor.shape, tensor.stride())
        at = math.ceil((self.size + GUARD) / _ALIGN) * _ALIGN
        spec = Spec(at, list(tensor.shape), list(tensor.stride()), dtype_name(tensor.dtype), span)
        self.size = at + spec.nbytes + GUARD
        return spec

    def reserve(self, nbytes: int) -> int:
        """A place for something else than a tensor."""
        self.size += nbytes
        return self.size - nbytes


def sealed(name: str, size: int) -> int:
    """Descriptor of new anonymous memory of a fixed size."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, max(size, mmap.PAGESIZE))
    fcntl.fcntl(fd, _SEAL_ADD, _SEALS)
    return fd


def mapped(fd: int) -> mmap.mmap:
    """All of the memory behind `fd`, shared and writable."""
    return mmap.mmap(fd, os.fstat(fd).st_size)


def look(memory: mmap.mmap, spec: Spec) -> torch.Tensor:
    """The tensor itself, in place: its storage is exactly its span."""
    dtype = DTYPES[spec.dtype]
    if not spec.span:
        return torch.empty_strided(spec.shape, spec.stride, dtype=dtype)
    flat = torch.frombuffer(memory, dtype=dtype, count=spec.span, offset=spec.at)
    return flat.as_strided(spec.shape, spec.stride)


def span(tensor: torch.Tensor, spec: Spec) -> torch.Tensor:
    """The `spec.span` elements of `tensor`'s storage that it looks at, flat."""
    return tensor.detach().as_strided((spec.span,), (1,), tensor.storage_offset())


def put(memory: mmap.mmap, tensor: torch.Tensor, spec: Spec) -> None:
    """Copy `tensor` to its place."""
    if spec.span:
        torch.frombuffer(memory, dtype=DTYPES[spec.dtype], count=spec.span, offset=spec.at).copy_(span(tensor, spec))
