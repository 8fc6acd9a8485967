"""The contract of a verifier: a recipe whose `open` starts live judges."""

from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from kernelraft.records import Refusal, Sample, Task, Verdict


class Judge(Protocol):
    """A verifier at work, with its worker processes."""

    def submit(self, task: Task, sample: Sample) -> "Future[Verdict]":
        """Queue one sample; returns at once.

        The future never raises for what a candidate did: that is a FAIL verdict.
        What the candidate cannot have caused is tried again on a fresh worker,
        then ABSTAIN. Equal (task, code) pairs may share one evaluation.
        """
        ...


@runtime_checkable
class Examiner(Protocol):
    """A judge that can also say of a task, before there is a sample, whether one could be judged."""

    def examine(self, task: Task) -> "Future[Refusal | None]":
        """Queue one task; returns at once. None: it can tell a right program from none."""
        ...


@runtime_checkable
class SelfTested(Protocol):
    """A verifier that can try itself on programs whose verdicts are known."""

    def before_paying(self) -> "Verifier":
        """The one to open in a run that pays for what it judges."""
        ...


@runtime_checkable
class Verifier(Protocol):
    """Judges samples. Untrusted code never runs in the process that opens it."""

    @property
    def evaluator(self) -> str:
        """Hash of the verifier's version and settings; equal hashes give equal verdicts on one machine."""
        ...

    def open(self) -> AbstractContextManager[Judge]:
        """Start the workers; leaving the context ends them.

        Raises:
            VerifierUnavailable: this machine lacks what it needs; one line says what.
        """
        ...
