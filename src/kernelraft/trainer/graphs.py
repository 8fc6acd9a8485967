"""The decoder's forward and backward pass as two CUDA graphs: a step of small kernels no longer waits for Python.

Between them runs the loss, whose shape is another for each batch. T positions, D hidden width.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

log = logging.getLogger("kernelraft")
Body = Callable[..., torch.Tensor]


@dataclass(frozen=True, slots=True)
class _Captured:
    """The graphs, and the memory that they read and write: `inputs` (embedded_1TD first), `hidden`, its `grad`."""

    forward: torch.cuda.CUDAGraph
    backward: torch.cuda.CUDAGraph
    inputs: Sequence[torch.Tensor]
    longest: int
    hidden: torch.Tensor
    grad: torch.Tensor

    def takes(self, inputs: Sequence[torch.Tensor], longest: int) -> bool:
        """Whether a batch has the shape that was captured."""
        return longest == self.longest and [i.shape for i in inputs] == [i.shape for i in self.inputs]


class _Replay(torch.autograd.Function):
    """The gradients of parameters are added in place by the graph itself; `anchor` alone calls for a backward pass."""

    @staticmethod
    def forward(ctx: Any, captured: _Captured, anchor: torch.Tensor, *inputs: torch.Tensor) -> torch.Tensor:
        ctx.captured = captured
        for held, given in zip(captured.inputs, inputs, strict=True):
            held.copy_(given)
        captured.forward.replay()
        return captured.hidden.detach()

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        captured: _Captured = ctx.captured
        captured.grad.copy_(grads[0])
        captured.backward.replay()
        return None, None, captured.inputs[0].grad, *(None for _ in captured.inputs[1:])


class Graphed:
    """`body(embedded_1TD, positions_1T, ends, longest)` by graphs where gradients are asked for; else as it is.

    Captured at the first call, of which later ones must have the shape; the others run without.
    The gradients of `trained` stay where they are: empty them with zero_grad(set_to_none=False).
    """

    def __init__(self, body: Body, trained: Sequence[torch.nn.Parameter]) -> None:
        self._body, self._trained = body, trained
        self._captured: _Captured | None = None
        self._anchor = torch.empty(0, requires_grad=True)
        self.failed = False

    def __call__(self, *inputs: torch.Tensor, longest: int) -> torch.Tensor:
        """Hidden states (1, T, D)."""
        if self._captured is None and torch.is_grad_enabled() and not self.failed:
            self._captured = self._capture(inputs, longest)
        if self._captured is None or not torch.is_grad_enabled() or not self._captured.takes(inputs, longest):
            return self._body(*inputs, longest=longest)
        hidden: torch.Tensor = _Replay.apply(self._captured, self._anchor, *inputs)  # type: ignore[no-untyped-call]
        return hidden

    def _capture(self, inputs: Sequence[torch.Tensor], longest: int) -> _Captured | None:
        """None, and never asked again, where a layer asks the device in the middle of a pass."""
        held = [part.detach().clone().requires_grad_(part.requires_grad) for part in inputs]
        for parameter in self._trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        state, side = torch.cuda.get_rng_state(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):  # layers are compiled and kernels loaded outside of a graph; gradients get zeros
                hidden = self._body(*held, longest=longest)
                torch.autograd.backward(hidden, torch.zeros_like(hidden))
        torch.cuda.current_stream().wait_stream(side)
        grad = torch.empty_like(hidden)
        del hidden
        held[0].grad = None
        forward, backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(forward, stream=side):
                hidden = self._body(*held, longest=longest)
            with torch.cuda.graph(backward, pool=forward.pool(), stream=side):
                torch.autograd.backward(hidden, grad)
        except RuntimeError as refused:
            log.warning("training without CUDA graphs: %s", str(refused).splitlines()[0])
            self.failed = True
            return None
        finally:
            torch.cuda.set_rng_state(state)
        return _Captured(forward, backward, held, longest, hidden.detach(), grad)
