"""Every program of the corpus, judged: honest ones pass, hostile ones gain nothing."""

import pytest

from kernelraft.corpus import programs
from kernelraft.corpus.selftest import Tried, selftest
from kernelraft.records import Reason
from kernelraft.verifier.triton import Triton

EVERY = [program for kind in ("honest", "hostile") for program in programs(kind)]
NAMES = [program.name for program in EVERY]
ENDLESS = {program.name for program in EVERY if Reason.TIMEOUT in program.expect}


@pytest.fixture(scope="module")
def tried(forked_servers: None) -> dict[str, Tried]:
    """The endless ones are ended early; the others have as much time as they may need."""
    found: dict[str, Tried] = {}
    for names, seconds in ((set(NAMES) - ENDLESS, 8.0), (ENDLESS, 2.0)):
        with Triton(workers=2, advisory=[], device="cpu", memory_mib=1024, timeout_s=seconds).open() as judge:
            found |= {one.program.name: one for one in selftest(judge, names)}
    return found


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
