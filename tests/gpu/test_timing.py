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
