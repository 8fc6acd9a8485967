"""A process that forks itself on request: both ends. One `serve` loop makes zygotes, judges and candidates.

A fork of a warm process costs milliseconds where a new Python with torch and Triton costs seconds.
"""

import contextlib
import gc
import os
import select
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kernelraft.kernel import channel, linux
from kernelraft.kernel.channel import Lost

Role = Callable[[list[int], dict[str, Any]], None]
_EVERYBODY = [-1]  # in a pid namespace but its first process, whose children /proc shows under other ids
_FIRST_FD = 3  # a child finds its descriptors at 3, 4, ...; nothing else stays open


def serve(sock: socket.socket, roles: Mapping[str, Role], keep: tuple[int, ...] = ()) -> None:
    """Fork a child for each request until the other end closes or the parent dies; then end, and all children too.

    Requests: {"op": "fork", "role", "args"} with descriptors -> {"pid"} with a pidfd;
    {"op": "reap"} -> {"status"}, once no descendant of this process lives; {"op": "end"}, once that child is dead.
    "pid" is as this process sees it, which is not as others do where it has a pid namespace of its own.
    `keep` are descriptors that every child receives after its own.
    """
    parent = os.getppid()
    linux.prctl(linux.SUBREAPER, 1)
    while True:
        if not select.select([sock], [], [], 1.0)[0]:
            if os.getppid() != parent:
                break
            _collect()
            continue
        try:
            request, fds = channel.receive(sock)
            if request["op"] == "fork":
                _fork(sock, roles[request["role"]], request["args"], fds, keep)
            elif request["op"] == "end":
                channel.send(sock, {"status": _end(request["pid"])})
            else:
                channel.send(sock, {"status": reap_all(request["pid"])})
        except Lost:
            break
    reap_all(0)


def _fork(sock: socket.socket, role: Role, args: dict[str, Any], fds: list[int], keep: tuple[int, ...]) -> None:
    _collect()
    parent, pid = os.getpid(), os.fork()
    if pid == 0:
        try:
            role(_take([*fds, *keep], parent), args)
        except Lost:
            os._exit(0)  # whoever asked is gone
        except BaseException:
            _last_words()
        finally:
            os._exit(70)
    for fd in fds:
        os.close(fd)
    pidfd = os.pidfd_open(pid)
    try:
        channel.send(sock, {"pid": pid}, [pidfd])
    finally:
        os.close(pidfd)


def become_first() -> None:
    """Go on as the first process of the pid namespace that was entered, in a child; this process ends with it.

    However the first process dies, the kernel kills what it has forked, whatever that has done to outlive it.
    """
    pid = os.fork()
    if pid:
        linux.name_process("kr-parent")
        os.closerange(_FIRST_FD, 4096)  # or nobody would see the end of the child's socket
        os.waitpid(pid, 0)
        os._exit(0)
    linux.prctl(linux.PDEATHSIG, signal.SIGKILL)


def _take(fds: list[int], parent: int) -> list[int]:
    """Move `fds` to 3, 4, ... and close every other descriptor above 2; from here on, die with the parent."""
    linux.prctl(linux.PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before that: nobody would ever end this process
        raise Lost("parent")
    high = [os.dup2(fd, 200 + n, inheritable=False) for n, fd in enumerate(fds)]
    taken = [os.dup2(fd, _FIRST_FD + n, inheritable=False) for n, fd in enumerate(high)]
    os.closerange(_FIRST_FD + len(fds), 4096)
    gc.enable()
    return taken


def _last_words() -> None:
    import traceback

    with contextlib.suppress(OSError):
        os.write(2, traceback.format_exc().encode())


def _collect() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def reap_all(wanted: int) -> int:
    """Kill every descendant, daemons that were re-parented to this process included; the wait status of `wanted`.

    Repeats until no child is left: a tree that forks while it is killed loses, as each
    orphan becomes a child of this process (PR_SET_CHILD_SUBREAPER).
    """
    status = 0
    while True:
        for pid in _EVERYBODY if os.getpid() == 1 else _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            pid, ended = os.waitpid(-1, 0)
        except ChildProcessError:
            return status
        status = ended if pid == wanted else status


def _end(pid: int) -> int:
    """Kill one child; its wait status."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:  # collected already
        return int(signal.SIGKILL)


def _children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


class Client:
    """The other end of `serve`. Not thread-safe."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def fork(self, role: str, args: dict[str, Any], fds: list[int]) -> tuple[int, int]:
        """Process id, as the server sees it, and pidfd of a new child that plays `role`; the caller keeps `fds` too."""
        channel.send(self.sock, {"op": "fork", "role": role, "args": args}, fds)
        reply, received = channel.receive(self.sock)
        return int(reply["pid"]), received[0]

    def end(self, pid: int) -> int:
        """Kill one child that has no children; its wait status."""
        channel.send(self.sock, {"op": "end", "pid": pid})
        return int(channel.receive(self.sock)[0]["status"])

    def reap(self, pid: int) -> int:
        """Kill what is left of the child's tree; its wait status."""
        channel.send(self.sock, {"op": "reap", "pid": pid})
        return int(channel.receive(self.sock)[0]["status"])
