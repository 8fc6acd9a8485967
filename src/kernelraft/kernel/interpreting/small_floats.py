"""bf16 and fp8 in Triton's interpreter, which holds them as raw bits and computes with these as integers.

Here they are held as float32 numbers that the small type has, and rounded to one, to nearest even, after each
operation: what a GPU does that computes in float32 and stores the small type.

Source: github.com/triton-lang/triton issues 4972 and 11584.
"""

from typing import Any

import numpy as np
import torch
import triton.language as tl
from triton.runtime import interpreter as it

_TORCH = {tl.bfloat16: torch.bfloat16, tl.float8e5: torch.float8_e5m2, tl.float8e4nv: torch.float8_e4m3fn}
_RAW: dict[Any, Any] = {
    tl.bfloat16: np.dtype(np.uint16),
    tl.float8e5: np.dtype(np.uint8),
    tl.float8e4nv: np.dtype(np.uint8),
}
_LARGEST = {tl.float8e5: 57344.0, tl.float8e4nv: 448.0}  # a conversion to fp8 saturates (PTX ISA, cvt.satfinite)


def is_small(dtype: Any) -> bool:
    """Whether values of this type or block are held as float32."""
    return not isinstance(dtype.scalar, tl.pointer_type) and dtype.scalar in _TORCH


def install() -> None:
    """Patch the interpreter of this process and its children."""
    real_dtype, real_init = it._get_np_dtype, it.TensorHandle.__post_init__

    def np_dtype(dtype: Any) -> Any:
        return np.dtype(np.float32) if is_small(dtype) else real_dtype(dtype)

    def init(self: Any) -> None:
        if not is_small(self.dtype):
            real_init(self)
        elif self.data.dtype != np.bool_:  # the interpreter gives comparisons the type of what is compared
            self.data = _rounded(self.data, self.dtype.scalar)

    it._get_np_dtype, it.TensorHandle.__post_init__ = np_dtype, init
    builder = it.InterpreterBuilder
    builder.create_masked_load, builder.create_masked_store = _load(builder), _store(builder)
    builder.cast_impl = _cast
    builder.create_fp_to_fp = _convert(builder)
    builder.create_bitcast = _bitcast(builder)
    builder.create_fabs = _abs(builder)
    builder.create_atomic_rmw = _atomic(builder)
    builder.create_dot = _dot


def _rounded(data: Any, dtype: Any) -> Any:
    return _decoded(_encoded(data, dtype), dtype)


def _encoded(data: Any, dtype: Any) -> Any:
    """The raw bits of the nearest number of the type."""
    numbers = np.ascontiguousarray(data, dtype=np.float32)
    if dtype in _LARGEST:
        inside = np.clip(numbers, -_LARGEST[dtype], _LARGEST[dtype])
        numbers = np.where(np.isinf(numbers), numbers, inside) if dtype is tl.float8e5 else inside
    integer = torch.int16 if _RAW[dtype].itemsize == 2 else torch.uint8
    bits = torch.from_numpy(numbers.reshape(-1)).to(_TORCH[dtype]).view(integer).numpy()
    return bits.view(_RAW[dtype]).reshape(np.shape(data))


def _decoded(bits: Any, dtype: Any) -> Any:
    integer = np.int16 if _RAW[dtype].itemsize == 2 else np.uint8
    flat = torch.from_numpy(np.ascontiguousarray(bits).reshape(-1).view(integer))
    return flat.view(_TORCH[dtype]).to(torch.float32).numpy().reshape(np.shape(bits))


def _load(builder: Any) -> Any:
    real = builder.create_masked_load

    def load(self: Any, ptrs: Any, mask: Any, other: Any, *rest: Any, **more: Any) -> Any:
        dtype = ptrs.get_element_ty()
        if not is_small(dtype):
            return real(self, ptrs, mask, other, *rest, **more)
        raw = _encoded(np.zeros(ptrs.data.shape) if other is None else other.data, dtype)
        bits = it._interpreter.load(ptrs.data, mask.data, np.broadcast_to(raw, ptrs.data.shape).copy(), _RAW[dtype])
        return it.TensorHandle(_decoded(bits, dtype), dtype)

    return load


def _store(builder: Any) -> Any:
    real = builder.create_masked_store

    def store(self: Any, ptrs: Any, value: Any, mask: Any, *rest: Any, **more: Any) -> Any:
        if not is_small(ptrs.get_element_ty()):
            return real(self, ptrs, value, mask, *rest, **more)
        return it._interpreter.store(ptrs.data, _encoded(value.data, ptrs.get_element_ty()), mask.data)

    return store


def _cast(self: Any, src: Any, dst_type: Any) -> Any:
    if dst_type.scalar in _LARGEST:
        largest = _LARGEST[dst_type.scalar]
        return it.TensorHandle(np.clip(src.data.astype(np.float32), -largest, largest), dst_type.scalar)
    return it.TensorHandle(src.data.astype(it._get_np_dtype(dst_type)), dst_type.scalar)


def _convert(builder: Any) -> Any:
    real = builder.create_fp_to_fp

    def convert(self: Any, src: Any, dst_type: Any, mode: Any) -> Any:
        small = is_small(src.dtype) or is_small(dst_type)
        return _cast(self, src, dst_type) if small else real(self, src, dst_type, mode)

    return convert


def _bitcast(builder: Any) -> Any:
    real = builder.create_bitcast

    def bitcast(self: Any, src: Any, dst_type: Any) -> Any:
        if is_small(src.dtype):
            bits = _encoded(src.data, src.dtype.scalar)
            integer = tl.uint16 if bits.itemsize == 2 else tl.uint8
            src = it.TensorHandle(bits, integer)
        if is_small(dst_type):
            return it.TensorHandle(_decoded(src.data.view(_RAW[dst_type.scalar]), dst_type.scalar), dst_type.scalar)
        return real(self, src, dst_type)

    return bitcast


def _abs(builder: Any) -> Any:
    real = builder.create_fabs

    def absolute(self: Any, arg: Any) -> Any:
        return it.TensorHandle(np.abs(arg.data), arg.dtype.scalar) if is_small(arg.dtype) else real(self, arg)

    return absolute


def _atomic(builder: Any) -> Any:
    real = builder.create_atomic_rmw
    combine: dict[Any, Any] = {it._ir.ATOMIC_OP.FADD: np.add, it._ir.ATOMIC_OP.XCHG: lambda _, new: new}

    def atomic(self: Any, op: Any, ptr: Any, value: Any, mask: Any, sem: Any, scope: Any) -> Any:
        if not is_small(value.dtype):
            return real(self, op, ptr, value, mask, sem, scope)
        before = np.zeros(ptr.data.shape, np.float32)
        for index in np.ndindex(ptr.data.shape):  # one after the other: two lanes may meet at one address
            if np.broadcast_to(mask.data, ptr.data.shape)[index]:
                one = it.TensorHandle(ptr.data[index].reshape(1), ptr.dtype)
                old = self.create_load(one, None, True).data
                new = combine[op](old, np.broadcast_to(value.data, ptr.data.shape)[index].reshape(1))
                self.create_store(one, it.TensorHandle(new, value.dtype.scalar), None)
                before[index] = old[0]
        return it.TensorHandle(before, value.dtype.scalar)

    return atomic


def _dot(self: Any, a: Any, b: Any, d: Any, input_precision: Any, max_num_imprecise_acc: Any) -> Any:
    """Operands in float32 are rounded to TF32 where the kernel does not say "ieee", as tensor cores do."""
    left, right = a.data, b.data
    if a.dtype.scalar == tl.float32 and input_precision == it._ir.INPUT_PRECISION.TF32:
        left, right = _tf32(left), _tf32(right)
    product = np.matmul(left, right, dtype=d.data.dtype)
    return it.TensorHandle(product + d.data, d.dtype.scalar)


def _tf32(data: Any) -> Any:
    """To 10 bits of mantissa, to nearest even; infinities and NaN stay."""
    bits = np.ascontiguousarray(data, dtype=np.float32).view(np.uint32)
    rounded = (bits + 0x0FFF + ((bits >> 13) & 1)) & np.uint32(0xFFFFE000)
    return np.where((bits & 0x7F800000) == 0x7F800000, bits, rounded).astype(np.uint32).view(np.float32)
