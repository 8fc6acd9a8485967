"""Whether an output is the reference's: shape, dtype, non-finite values, then every element against the signal."""

from collections.abc import Mapping

import torch

from kernelraft.kernel.memory import dtype_name
from kernelraft.records import Reason

Difference = tuple[Reason, str]


def same(output: torch.Tensor, expected: torch.Tensor, tolerances: Mapping[str, float]) -> Difference | None:
    """None where |o - r| <= tol * rms(r) + tol * |r| for every element, else the reason and where it is worst.

    An absolute tolerance would let zeros pass for a small signal
    (github.com/ScalingIntelligence/KernelBench/issues/165), so the error is measured against the reference's rms.
    """
    if output.shape != expected.shape:
        return Reason.WRONG_SHAPE, f"shape {list(output.shape)}, expected {list(expected.shape)}"
    if output.dtype != expected.dtype:
        return Reason.WRONG_DTYPE, f"dtype {dtype_name(output.dtype)}, expected {dtype_name(expected.dtype)}"
    if not expected.numel():
        return None
    if not expected.is_floating_point():
        wrong = output != expected
        return _describe(wrong, output, expected) if bool(wrong.any()) else None
    o, r = output.double(), expected.double()
    finite = torch.isfinite(r)
    wrong = (torch.isfinite(o) != finite) | (~finite & ~((o == r) | (o.isnan() & r.isnan())))
    if bool(wrong.any()):
        return _describe(wrong, output, expected)
    signal = r[finite]
    rms = float(signal.square().mean().sqrt()) if signal.numel() else 0.0
    tolerance = tolerances[dtype_name(expected.dtype)]
    error = torch.where(finite, (o - r).abs(), 0.0)
    wrong = error > tolerance * (max(rms, 1e-30) + torch.where(finite, r.abs(), 0.0))
    return _describe(wrong, output, expected, error) if bool(wrong.any()) else None


def _describe(
    wrong: torch.Tensor, output: torch.Tensor, expected: torch.Tensor, error: torch.Tensor | None = None
) -> Difference:
    rank = wrong.to(torch.uint8) if error is None else torch.where(wrong, error, -1.0)
    flat = int(rank.argmax())
    index = [int(i) for i in torch.unravel_index(torch.tensor(flat), wrong.shape)]
    got, want = output.reshape(-1)[flat].item(), expected.reshape(-1)[flat].item()
    share = f"{int(wrong.sum())} of {wrong.numel()} elements are wrong"
    return Reason.WRONG_VALUE, f"{share}; worst at {index}: {_short(got)}, expected {_short(want)}"


def _short(value: float | int | bool) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
