"""Programs that the Triton evaluator is tried on: honest ones must pass, hostile ones must gain nothing.

    tasks/NAME.py     a reference in KernelBench's form
    honest/NAME.py    "# task: relu" in its first line, then a program that must pass
    hostile/NAME.py   also "# category: ..." and "# expect: NOT_TRITON or WRONG_VALUE"; "expect: pass" where the
                      attack has no effect and the kernels are right: it gains what they are worth

A fourth line "# gpu: pass" marks what only the interpreter sees, and what comes out right on a GPU.

Text, never imported. Hostile ones are bounded in count, memory and time by their own code.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kernelraft.records import Reason, Status, Verdict

ROOT = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Program:
    """One file; `expect` holds reasons, or None for a pass."""

    name: str
    task: str
    category: str
    expect: frozenset[Reason | None]
    code: str
    right_on_gpu: bool = False

    @property
    def reference(self) -> str:
        return _task(self.task)

    @property
    def honest(self) -> bool:
        return self.category == "honest"

    def fault(self, verdict: Verdict) -> str:
        """What is wrong with this verdict, "" where it is as expected."""
        if self.right_on_gpu and verdict.device != "cpu" and verdict.status is Status.PASS:
            return ""
        if verdict.reason in self.expect and (verdict.status is Status.PASS) == (verdict.reason is None):
            return ""
        wanted = " or ".join(sorted(str(reason or "pass") for reason in self.expect))
        return f"expected {wanted}, got {verdict.reason or verdict.status}: {verdict.detail[:160]}"


@cache
def _task(name: str) -> str:
    return (ROOT / "tasks" / f"{name}.py").read_text()


def programs(kind: str) -> Iterator[Program]:
    """All of "honest" or "hostile", by name."""
    for path in sorted((ROOT / kind).glob("*.py")):
        yield read(path)


def read(path: Path) -> Program:
    """One file with its header. Raises KeyError where the header lacks a line."""
    code = path.read_bytes().decode("utf-8", "surrogateescape")
    header = dict(
        line.removeprefix("# ").split(": ", 1)
        for line in code.split("\n")[:4]
        if line.startswith("# ") and ": " in line
    )
    if path.parent.name == "honest":
        return Program(path.stem, header["task"], "honest", frozenset({None}), code)
    reasons = (word for word in header["expect"].split(" or "))
    expect = frozenset(None if word == "pass" else Reason(word) for word in reasons)
    return Program(path.stem, header["task"], header["category"], expect, code, header.get("gpu") == "pass")
