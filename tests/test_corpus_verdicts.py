"""Every program of the corpus, judged: honest ones pass, hostile ones gain nothing."""

import pytest

from kernelraft.corpus import programs
from kernelraft.corpus.selftest import Tried, selftest
from kernelraft.verifier.triton import Triton

NAMES = [program.name for kind in ("honest", "hostile") for program in programs(kind)]


@pytest.fixture(scope="module")
def tried(forked_servers: None) -> dict[str, Tried]:
    with Triton(workers=2, advisory=[], device="cpu", timeout_s=8.0).open() as judge:
        return {one.program.name: one for one in selftest(judge)}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_program_is_judged_as_it_must_be(name: str, tried: dict[str, Tried]) -> None:
    assert not tried[name].fault


@pytest.mark.slow
def test_every_verdict_says_how_it_was_found(tried: dict[str, Tried]) -> None:
    for one in tried.values():
        assert {"landlock", "seccomp"} <= set(one.verdict.sandbox)
        assert one.verdict.evaluator
        assert one.verdict.reason is None or one.verdict.detail
