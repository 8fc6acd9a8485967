"""Both ends of one worker on a cluster: an ordinary pool in one of Ray's processes, and its handle in the main one.

Does not import Ray: Ray imports this, and passes plain data in and out.
"""

import contextlib
import hashlib
import os
import signal
import socket
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kernelraft.errors import VerifierUnavailable
from kernelraft.kernel import linux
from kernelraft.kernel.channel import Lost
from kernelraft.kernel.pool import Pool
from kernelraft.kernel.workers import Answer

_CLOSE_S = 60
_JUDGES = ("torch", "triton", "numpy")  # packages whose versions a verdict can depend on


def installed() -> dict[str, str]:
    """What a verdict depends on beside its settings: versions of packages, and a hash of the evaluator's source."""
    source = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        source.update(path.read_bytes())
    return {"kernelraft": source.hexdigest()[:16]} | {name: _version(name) for name in _JUDGES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


class KernelJudge:
    """One worker of the cluster. Two of its methods may run at once: `close` does not wait for `ask`."""

    def __init__(self) -> None:
        self._pool: Pool | None = None
        self._starting = threading.Lock()
        # A node's raylet is the parent. Where only that has died, Ray lets its actors live on: measured with 2.60.
        linux.prctl(linux.PDEATHSIG, signal.SIGKILL)

    def open(self, settings: Answer, allow_weak: bool, wanted: dict[str, str]) -> dict[str, str]:
        """Start the pool; "host", "pid" and, where it cannot start, "error": one line.

        `wanted` is the main process's `installed()`: with anything else, verdicts of one run would not be comparable.
        """
        place = {"host": socket.gethostname(), "pid": str(os.getpid())}
        found = installed()
        for name, here in wanted.items():
            if found[name] != here:
                differs = f"expected {name} {here} as in the main process, found {found[name]} on {place['host']}"
                return place | {"error": f"verifier triton: {differs}; install the same on all nodes"}
        with self._starting:
            pool = Pool(1, settings, allow_weak=allow_weak)
            try:
                pool.open()
            except VerifierUnavailable as error:
                return place | {"error": f"{error} (on {place['host']})"}
            self._pool = pool
        return place

    def ask(self, reference: str, code: str | None) -> Answer:
        """The pool's answer: what a judge says, or ABSTAIN where judges died here twice."""
        assert self._pool
        return self._pool.submit(reference, code).result()

    def close(self) -> None:
        """End the pool's processes."""
        with self._starting:
            if self._pool:
                self._pool.close()
            self._pool = None


class Remote:
    """One actor, as the main process sees it. `ray` is that module, `made` the class as it is to be placed."""

    def __init__(self, ray: Any, made: Any, answer_s: float, *args: object) -> None:
        self._ray, self._actor, self._answer_s = ray, made.remote(), answer_s
        self.opened = self._actor.open.remote(*args)  # not the constructor's: Ray would keep the secret in its tables
        self._closed: Any = None
        self.place: dict[str, str] = {}

    def ready(self, timeout_s: float) -> bool:
        """Whether it has a place and serves; False: not yet. Raises Lost, and VerifierUnavailable with its reason."""
        if not self.place and self._ray.wait([self.opened], timeout=timeout_s)[0]:
            place = self._get(self.opened, _CLOSE_S)
            if "error" in place:
                raise VerifierUnavailable(place["error"])
            self.place = place
        return bool(self.place)

    def ask(self, reference: str, code: str | None) -> Answer:
        answer: Answer = self._get(self._actor.ask.remote(reference, code), self._answer_s)
        return answer

    def alive(self) -> bool:
        """Ray says so when it is asked."""
        return True

    def release(self) -> None:
        """Begin to close, without waiting."""
        if self.place and self._closed is None:
            self._closed = self._actor.close.remote()

    def close(self) -> None:
        self.release()
        with contextlib.suppress(Lost):
            if self._closed is not None:
                self._get(self._closed, _CLOSE_S)
        self._ray.kill(self._actor)  # one that is still starting too: its servers end with it
        self.place = {}

    def _get(self, reference: Any, timeout_s: float) -> Any:
        """The value. Raises Lost where Ray has none."""
        try:
            return self._ray.get(reference, timeout=timeout_s)
        except self._ray.exceptions.RayError as error:
            raise Lost(sentence(error)) from None


def sentence(error: BaseException) -> str:
    """What Ray's page of text says, in a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    cause = next((line for line in lines if line.startswith("The actor is dead")), lines[-1])
    return cause.split(". ")[0].rstrip(".")
