"""What is told of time beside the two medians, and what no time may be below."""

import pytest
import torch

from kernelraft.records import Sample, Status, Task
from kernelraft.verifier.triton import Triton
from tests.kernel.programs import HONEST_RELU, RELU

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_wall_time_and_the_compiled_baseline_stand_beside_the_medians() -> None:
    settings = {"workers": 1, "device": "cuda", "advisory": [], "time_budget_s": 0.3, "compile_baseline": True}
    task = Task(id="t", family="f", language="triton", prompt="", reference=RELU)
    with Triton(**settings, timeout_s=20.0).open() as judge:
        sample = Sample(id="s", task_id="t", index=0, text=HONEST_RELU, code=HONEST_RELU)
        verdict = judge.submit(task, sample).result()
    assert verdict.status is Status.PASS, verdict.detail
    assert verdict.kernel_us is not None
    assert verdict.wall_us is not None
    assert verdict.wall_us > verdict.kernel_us > 0.5
    assert verdict.compiled_reference_us is not None
    assert verdict.compiled_reference_us > 0.5


DOUBLE = """
import torch
class Model(torch.nn.Module):
    def forward(self, x):
        return x * 2.0
def get_inputs():
    return [torch.randn(4096, 8192)]
def get_init_inputs():
    return []
"""
DOUBLES = """
import torch, triton
import triton.language as tl

@triton.jit
def kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    CONDITION
        tl.store(out_ptr + offs, tl.load(x_ptr + offs, mask=mask) * 2.0, mask=mask)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        kernel[(triton.cdiv(x.numel(), 4096),)](x, out, x.numel(), BLOCK=4096)
        return out
"""
_FIRST = "tl.program_id(0) * BLOCK"


def test_what_a_kernel_left_in_its_output_saves_it_no_work_while_it_is_timed() -> None:
    """A graph's memory lies at the same addresses at each replay: without poison the old output is still there."""
    settings = {"workers": 1, "device": "cuda", "advisory": [], "time_budget_s": 0.5}
    task = Task(id="t", family="f", language="triton", prompt="", reference=DOUBLE)
    honest = DOUBLES.replace("CONDITION", "if n > 0:")
    stale = DOUBLES.replace("CONDITION", f"if tl.load(out_ptr + {_FIRST}) != tl.load(x_ptr + {_FIRST}) * 2.0:")
    with Triton(**settings, timeout_s=20.0).open() as judge:
        samples = [Sample(id=str(n), task_id="t", index=n, text=c, code=c) for n, c in enumerate((honest, stale))]
        told = [judge.submit(task, sample).result() for sample in samples]
    assert [verdict.status for verdict in told] == [Status.PASS] * 2, [verdict.detail for verdict in told]
    assert told[0].kernel_us is not None and told[1].kernel_us is not None
    assert told[1].kernel_us > 0.9 * told[0].kernel_us


SLOW = """
import torch
class Model(torch.nn.Module):
    def forward(self, x):
        for _ in range(REPEATS):
            x = torch.sin(x)
        return x
def get_inputs():
    return [torch.randn(512, 131072)]
def get_init_inputs():
    return []
"""
SINES = """
import torch, triton
import triton.language as tl

@triton.jit
def kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offs, mask=offs < n)
    for _ in range(REPEATS):
        x = tl.sin(x)
    tl.store(out_ptr + offs, x, mask=offs < n)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        kernel[(triton.cdiv(x.numel(), 1024),)](x, out, x.numel(), BLOCK=1024)
        return out
"""


def test_a_slow_reference_is_timed_within_the_limits() -> None:
    """Hundreds of passes over a quarter of a GiB, at about 0.15 ms each."""
    task = Task(id="t", family="f", language="triton", prompt="", reference=SLOW.replace("REPEATS", "700"))
    code = SINES.replace("REPEATS", "700")
    with Triton(workers=1, device="cuda", advisory=[], time_budget_s=2.0, timeout_s=10.0).open() as judge:
        verdict = judge.submit(task, Sample(id="s", task_id="t", index=0, text=code, code=code)).result()
    assert verdict.status is Status.PASS, verdict.detail
    assert verdict.reference_us is not None
    assert verdict.reference_us > 5e4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_real_product_is_implausible(dtype: torch.dtype) -> None:
    from kernelraft.kernel.gpu.floor import floor_us, implausible
    from kernelraft.kernel.gpu.timing import Work, graph, measure

    size = 8192
    a = torch.randn(size, size, device="cuda", dtype=dtype)
    (found,), _ = measure([Work([graph(lambda: a @ a)])], 0.5)
    floor = floor_us([a], 2 * size**3)
    assert floor < found.middle < 100 * floor
    assert implausible(found.middle, floor) == ""
    assert "less than the" in implausible(0.9 * floor, floor)


def test_writing_is_bounded_by_the_bandwidth() -> None:
    from kernelraft.kernel.gpu.floor import floor_us
    from kernelraft.kernel.gpu.timing import Work, graph, measure

    out = torch.empty(1 << 30, device="cuda", dtype=torch.uint8)
    (found,), _ = measure([Work([graph(lambda: out.fill_(1))])], 0.5)
    assert 0.5 * found.middle < floor_us([out], 0) < found.middle
