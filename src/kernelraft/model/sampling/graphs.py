"""A decoding step as one CUDA graph; elsewhere the step itself."""

import logging
from collections.abc import Callable, Hashable

import torch

from kernelraft.errors import first_line

log = logging.getLogger("kernelraft")


class Graphs:
    """Captures a step the first time that a shape is asked for, then replays it.

    A step reads and writes the same memory in every call; `settled` tells it to leave the sequences as they are.
    """

    def __init__(self, device: torch.device, wanted: bool) -> None:
        self._on = wanted and device.type == "cuda"
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}

    def run(self, shape: Hashable, step: Callable[[], None], rehearse: Callable[[], None]) -> None:
        """Do one step; `rehearse` does one that moves no sequence on."""
        if self._on and shape not in self._graphs:
            self._capture(shape, step, rehearse)
        if self._on:
            self._graphs[shape].replay()
        else:
            step()

    def _capture(self, shape: Hashable, step: Callable[[], None], rehearse: Callable[[], None]) -> None:
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):  # kernels are loaded and their work space is allocated outside of a graph
                rehearse()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                step()
        except RuntimeError as refused:  # a layer that asks the device in the middle of a step
            log.warning("sampling without CUDA graphs: %s", first_line(refused))
            self._on = False
        else:
            self._graphs[shape] = graph
