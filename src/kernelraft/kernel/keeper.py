"""`python keeper.py PIDFD ...`: kills these processes once its standard input ends, which is when its parent has died.

For the local cluster of ray_pool.py. Nearly all of Ray's processes die with the main process; its two agents wait a
minute for the cluster that is gone (2.60), and nothing else can be told to end them.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path


def keep(names: tuple[str, ...]) -> "subprocess.Popen[bytes]":
    """Start a keeper of those descendants of this process whose command begins with one of `names`; close its stdin."""
    pidfds = [os.pidfd_open(pid) for pid in _below(os.getpid()) if _command(pid).startswith(names)]
    command = [sys.executable, "-I", __file__, *map(str, pidfds)]
    try:
        # In a session of its own: Ctrl-C is for the main process.
        return subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=pidfds, start_new_session=True, cwd="/")
    finally:
        for fd in pidfds:
            os.close(fd)


def _below(pid: int) -> list[int]:
    """All descendants that there are now."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *_below(int(child))]
    return found


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    return ""


def main() -> None:
    """Wait for the end of the input."""
    sys.stdin.buffer.read()
    for fd in sys.argv[1:]:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(int(fd), signal.SIGKILL)


if __name__ == "__main__":
    main()
