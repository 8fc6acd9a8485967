"""Who may use a GPU: many judges may test at once, only one measures time, and then nobody tests.

That holds for all runs of a user on one machine.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def lock_files(gpus: list[str]) -> list[int]:
    """Descriptors of two files for each GPU, by its id: a lock, and a gate to it."""
    folder = Path(tempfile.gettempdir()) / f"kernelraft-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    return [os.open(folder / f"{gpu}.{kind}", flags, 0o600) for gpu in gpus for kind in ("lock", "gate")]


@contextmanager
def locked(files: list[str], *, shared: bool) -> Iterator[None]:
    """Wait for one's turn to test (`shared`) or to measure; the second of `files` is the gate to the first."""
    first, second = map(Path, files)
    with second.open("a") as gate, first.open("a") as lock:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        if shared:
            fcntl.flock(gate, fcntl.LOCK_UN)
        yield
