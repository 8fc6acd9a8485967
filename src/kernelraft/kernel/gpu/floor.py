"""The least time that a GPU can need for a task: a measurement below it is a mistake, however it came about.

Sources: NVIDIA's A100, H100 and B200 architecture papers for operations per clock; CUDA Driver API for the rest.
"""

import math

import torch

from kernelraft.kernel.gpu.cuda import attribute

# Floating-point operations of one multiprocessor in one clock on dense matrices, by bytes of an element.
_PER_CLOCK = {
    8: {1: 4096, 2: 2048, 4: 1024, 8: 128},
    9: {1: 8192, 2: 4096, 4: 2048, 8: 256},
    10: {1: 16384, 2: 8192, 4: 4096, 8: 256},
}
_CLOCK_KHZ, _MEMORY_KHZ, _BUS_BITS, _L2_BYTES, _MULTIPROCESSORS = 13, 36, 37, 38, 16  # of CUdevice_attribute
_CLEVER = 4.0  # so many times fewer operations than the reference's: Winograd's and Strassen's methods, triangles
_LEAST_US = 0.5  # an empty kernel takes longer


def floor_us(outputs: list[torch.Tensor], flops: int) -> float:
    """Microseconds in which this GPU could at best have written `outputs` and done a good part of `flops`.

    What a program need not read is not known, so that inputs do not count.
    """
    nbytes = max(0, sum(t.numel() * t.element_size() for t in outputs) - attribute(_L2_BYTES))
    seconds = nbytes / (2e3 * attribute(_MEMORY_KHZ) * attribute(_BUS_BITS) / 8)
    rates = _PER_CLOCK.get(torch.cuda.get_device_capability()[0])
    if flops and rates and outputs:
        rate = rates[min(8, max(1, min(t.element_size() for t in outputs)))]
        peak = rate * attribute(_MULTIPROCESSORS) * 1e3 * attribute(_CLOCK_KHZ)
        seconds = max(seconds, flops / _CLEVER / peak)
    return max(_LEAST_US, 1e6 * seconds)


def implausible(micros: float, floor: float) -> str:
    """What is wrong with a time, or "" where nothing is."""
    if math.isfinite(micros) and micros >= floor:
        return ""
    return f"{micros:.3g} us is less than the {floor:.3g} us that this GPU needs to write the outputs and compute them"
