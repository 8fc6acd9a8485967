"""One judge of each protocol for all tests of this folder: its workers take seconds to start."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.servers import Roots

from kernelraft.records import Sample, Task, Verdict
from kernelraft.verifier.triton import Triton

Judged = Callable[[str, str], Verdict]
CONF = Path(__file__).parents[2] / "conf/verifier"


@pytest.fixture(scope="session")
def verdict_of(roots: Roots) -> Iterator[Judged]:
    """(reference, code) -> verdict."""
    with judged(roots) as verdict:
        yield verdict


@pytest.fixture(scope="session")
def early_verdict_of(roots: Roots) -> Iterator[Judged]:
    """As verdict_of, of a judge that waits two seconds: for programs that never end."""
    with judged(roots, timeout_s=2.0) as verdict:
        yield verdict


@pytest.fixture(scope="session")
def published() -> dict[str, Any]:
    """What verifier=triton_kernelbench says beside verifier=triton."""
    node = yaml.safe_load((CONF / "triton_kernelbench.yaml").read_text())
    assert node.pop("defaults") == ["triton", "_self_"]
    return dict(node)


@pytest.fixture(scope="session")
def published_verdict_of(roots: Roots, published: dict[str, Any]) -> Iterator[Judged]:
    """(reference, code) -> verdict by KernelBench's protocol."""
    with judged(roots, **published) as verdict:
        yield verdict


@contextmanager
def judged(roots: Roots, **settings: Any) -> Iterator[Judged]:
    with ExitStack() as opened:
        with roots.serving():
            verifier = Triton(**({"timeout_s": 10.0, "memory_mib": 1024, "advisory": []} | settings))
            judge = opened.enter_context(verifier.open())

        def verdict(reference: str, code: str) -> Verdict:
            task = Task(id="t", family="f", language="triton", prompt="", reference=reference)
            return judge.submit(task, Sample(id="s", task_id="t", index=0, text=code, code=code)).result()

        yield verdict
