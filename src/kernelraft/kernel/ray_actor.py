"""What runs in one of Ray's processes: an ordinary pool of one worker, and what it needs to be like the others'.

Does not import Ray: Ray imports this, and passes plain data in and out.
"""

import hashlib
import os
import signal
import socket
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kernelraft.errors import VerifierUnavailable
from kernelraft.kernel import linux
from kernelraft.kernel.pool import Pool
from kernelraft.kernel.workers import Answer

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
