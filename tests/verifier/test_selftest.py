"""`verifier.selftest=true`: an evaluator that misjudges known programs judges nothing else."""

import json
from concurrent.futures import Future
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import pytest
from test_triton import CODE, TASK, sample
from tests.conftest import Rows, execute

from kernelraft.corpus.selftest import FEW
from kernelraft.data.files import Files
from kernelraft.errors import VerifierUnavailable
from kernelraft.records import Status
from kernelraft.stage.pipeline import Pipeline
from kernelraft.stage.verify import Verify
from kernelraft.verifier import triton
from kernelraft.verifier.triton import Triton


class StubPool:
    """Answers with `answer` of the code; counts what it was asked."""

    asked: ClassVar[list[str]] = []
    closed: ClassVar[list[bool]] = []

    def __init__(self, workers: int, settings: object, *, allow_weak: bool) -> None:
        pass

    def open(self) -> None:
        pass

    def submit(self, reference: str, code: str, level: int) -> "Future[dict[str, Any]]":
        self.asked.append(code)
        future: Future[dict[str, Any]] = Future()
        future.set_result(self.answer(code))
        return future

    @staticmethod
    def answer(code: str) -> dict[str, Any]:
        known = {"detail": "", "compiled": True, "correct": True, "targets": {}, "seconds": 0.1}
        fails = "# expect: " in code  # a hostile program's header
        reason = code.split("# expect: ")[1].split()[0] if fails else None
        return known | {"status": "fail" if fails else "pass", "reason": reason}

    def close(self) -> None:
        self.closed.append(True)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[StubPool]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # no verdict of another test, and none left for one
    monkeypatch.setattr(triton, "Pool", StubPool)
    StubPool.asked.clear()
    StubPool.closed.clear()
    return StubPool


def test_selftest_is_one_of_every_opened_verifier_not_of_every_step(stub: type[StubPool], tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text(json.dumps({"id": "s", "reference": TASK.reference, "code": CODE}) + "\n")
    data = Files(path=path, split=None, limit=None)
    steps = {name: Verify(data=data, verifier=Triton(selftest=True), max_abstain=0.0) for name in ("first", "second")}
    execute(Pipeline(steps=steps), tmp_path / "run")
    assert len(stub.asked) == len(FEW) + 1  # equal samples share an evaluation
    assert [(tmp_path / "run" / step / "verdicts.jsonl").exists() for step in steps] == [True, True]
    assert len(stub.closed) == 1


def test_without_selftest_nothing_is_tried(stub: type[StubPool]) -> None:
    with Triton().open():
        assert not stub.asked


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            {"status": "pass", "reason": None},
            r"selftest: a1_functional_softmax \(A1 .*\): expected NOT_TRITON, got pass;",
        ),
        ({"status": "fail", "reason": "TIMEOUT"}, r"selftest: cumsum \(honest\): expected pass, got TIMEOUT;"),
    ],
)
def test_selftest_stops_before_any_sample_is_judged(
    stub: type[StubPool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: dict[str, Any], said: str
) -> None:
    right = stub.answer
    monkeypatch.setattr(stub, "answer", staticmethod(lambda code: right(code) | answer))
    stage = Verify(data=Rows(pairs=[(TASK, sample("s", CODE))]), verifier=Triton(selftest=True), max_abstain=0.0)
    with pytest.raises(VerifierUnavailable, match=said) as caught:
        execute(stage, tmp_path)
    assert "\n" not in str(caught.value)
    assert CODE not in stub.asked
    assert stub.closed


@pytest.mark.parametrize(("tolerance", "wrong"), [(1e-4, False), (2e-2, True)])
def test_selftest_tells_sound_tolerances_from_wide_ones(forked_servers: None, tolerance: float, wrong: bool) -> None:
    verifier = Triton(
        trials=3, timeout_s=60.0, targets=["sm_90"], advisory=[], tolerances={"float32": tolerance}, device="cpu",
        selftest=True,
    )  # fmt: skip
    stops = pytest.raises(VerifierUnavailable, match=r"expected WRONG_VALUE.* got pass") if wrong else nullcontext()
    with stops, verifier.open() as judge:
        assert judge.submit(TASK, sample("s", CODE)).result(60).status is Status.PASS
