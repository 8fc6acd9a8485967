"""Whether an output is the reference's: shape, dtype, non-finite values, then every element against the signal."""

from dataclasses import dataclass
from typing import Any

import torch

from kernelraft.kernel.memory import dtype_name
from kernelraft.records import Reason

_SAME_SIZE = 10.0  # times the limit, of an element's own size
_FEW = 0.1  # of all elements may be off by more than that: sums of both signs nearly cancel
Difference = tuple[Reason, str]


@dataclass(frozen=True)
class Expected:
    """One output of a reference.

    `value` has the shape and dtype that an answer must have. Of a floating-point output, `exact` is the value
    in float64, `limit` the largest `error` that an answer may have, and `distant` the share of the reference's
    own elements that are off by much of their own size.
    """

    value: Any
    exact: torch.Tensor | None = None
    limit: float = 0.0
    distant: float = 0.0


def error(output: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
    """Of every element |o - r| / (rms(r) + |r|), in float64; 0 where the reference is not finite.

    An absolute tolerance would let zeros pass for a small signal
    (github.com/ScalingIntelligence/KernelBench/issues/165), so the error is measured against the reference's rms.
    """
    finite = torch.isfinite(exact)
    signal = exact[finite]
    top = float(signal.abs().max()) if signal.numel() else 0.0  # divided by first: squares leave the type's range
    rms = top * float((signal / top).square().mean().sqrt()) if top else 0.0
    relative = (output.double() - exact).abs() / (max(rms, 1e-300) + exact.abs())
    return torch.where(finite, relative, 0.0)


def difference(output: Any, expected: Expected) -> Difference | None:
    """None where `output` is right, else the reason and where it is worst."""
    want = expected.value
    if isinstance(want, torch.Tensor) != isinstance(output, torch.Tensor):
        return Reason.WRONG_DTYPE, f"a {type(output).__name__}, expected a {type(want).__name__}"
    if not isinstance(want, torch.Tensor):
        return None if output == want else (Reason.WRONG_VALUE, f"{output}, expected {want}")
    if output.shape != want.shape:
        return Reason.WRONG_SHAPE, f"shape {list(output.shape)}, expected {list(want.shape)}"
    if output.dtype != want.dtype:
        return Reason.WRONG_DTYPE, f"dtype {dtype_name(output.dtype)}, expected {dtype_name(want.dtype)}"
    if not want.numel():
        return None
    if expected.exact is None:
        wrong = output != want
        return _describe(wrong, output, want) if bool(wrong.any()) else None
    # Where the reference itself leaves the type's range, exact values are not what decides.
    o, r = output.double(), torch.where(torch.isfinite(want), expected.exact, want.double())
    finite = torch.isfinite(r)
    wrong = (torch.isfinite(o) != finite) | (~finite & ~((o == r) | (o.isnan() & r.isnan())))
    if bool(wrong.any()):
        return _describe(wrong, output, want)
    found = error(o, r)
    wrong = found > expected.limit
    if bool(wrong.any()):
        return _describe(wrong, output, want, found)
    far = distant(o, r, expected.limit)
    if float(far.double().mean()) > expected.distant + _FEW:
        return _describe(far, output, want)
    return None


def distant(output: torch.Tensor, exact: torch.Tensor, limit: float) -> torch.Tensor:
    """Which elements are off by much of their own size; `error` lets pass what is small beside the signal."""
    off = (output - exact).abs() > _SAME_SIZE * limit * exact.abs()
    return off & torch.isfinite(exact) & (exact != 0)


def _describe(
    wrong: torch.Tensor, output: torch.Tensor, expected: torch.Tensor, rank: torch.Tensor | None = None
) -> Difference:
    order = wrong.to(torch.uint8) if rank is None else torch.where(wrong, rank, -1.0)
    flat = int(order.argmax())
    index = [int(i) for i in torch.unravel_index(torch.tensor(flat), wrong.shape)]
    got, want = output.reshape(-1)[flat].item(), expected.reshape(-1)[flat].item()
    share = f"{int(wrong.sum())} of {wrong.numel()} elements are wrong"
    return Reason.WRONG_VALUE, f"{share}; worst at {index}: {_short(got)}, expected {_short(want)}"


def _short(value: float | int | bool) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
