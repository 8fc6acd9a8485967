"""Try an evaluator on the corpus."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from kernelraft.corpus import Program, programs
from kernelraft.records import Sample, Status, Task, Verdict
from kernelraft.verifier import Judge


@dataclass(frozen=True, slots=True)
class Tried:
    """One program with its verdict; `fault` is "" where that is as it must be."""

    program: Program
    verdict: Verdict

    @property
    def fault(self) -> str:
        return self.program.fault(self.verdict)


def selftest(judge: Judge) -> Iterator[Tried]:
    """Judge every program of the corpus, honest ones first."""
    every = [*programs("honest"), *programs("hostile")]
    waiting = [(program, judge.submit(_task(program), _sample(program))) for program in every]
    for program, future in waiting:
        yield Tried(program, future.result())


def _task(program: Program) -> Task:
    return Task(
        id=program.task, family=f"corpus/{program.task}", language="triton", prompt="", reference=program.reference
    )


def _sample(program: Program) -> Sample:
    return Sample(id=program.name, task_id=program.task, index=0, text=program.code, code=program.code)


def counts(tried: list[Tried]) -> Counter[str]:
    """How many "honest" were "accepted" and "refused", how many "hostile" "gained" what they must not."""
    found: Counter[str] = Counter()
    for one in tried:
        kind = "honest" if one.program.honest else "hostile"
        found[kind] += 1
        if one.program.honest and one.fault:
            found["refused"] += 1
        gained = one.verdict.status is Status.PASS and None not in one.program.expect
        found["gained"] += gained
        found["abstained"] += one.verdict.status is Status.ABSTAIN
        found["otherwise"] += bool(one.fault) and not gained and not one.program.honest
    return found
