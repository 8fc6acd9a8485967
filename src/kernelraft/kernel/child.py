"""One confined child as the judge sees it: asked in lockstep, timed and weighed from outside, killed with its tree."""

import math
import os
import select
import signal
from pathlib import Path
from types import TracebackType
from typing import Any

from kernelraft.kernel import channel
from kernelraft.kernel.channel import Lost
from kernelraft.kernel.deadline import Deadline
from kernelraft.kernel.faults import Fault, tidy
from kernelraft.kernel.forkserver import Client
from kernelraft.kernel.memory import Unsupported
from kernelraft.records import ABSTAIN_REASONS, Reason

_POLL_S = 0.05
_PAGE = os.sysconf("SC_PAGESIZE")
_CLAIMABLE = frozenset(Reason) - ABSTAIN_REASONS - {Reason.IMPLAUSIBLE}  # by a process with a candidate's host code
_REPORTABLE = frozenset(Reason) - {Reason.WORKER_LOST, Reason.IMPLAUSIBLE}


def pid_of(pidfd: int) -> int:
    """The process id as this process sees it, whatever namespace that process lives in; -1 where it is gone."""
    lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines()
    return next(int(line.removeprefix("Pid:")) for line in lines if line.startswith("Pid:"))


def _resident_mib(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE >> 20
    except (OSError, IndexError):
        return 0


class Child:
    """Forked by a zygote on entry, dead with all its descendants on exit.

    Its descriptors are a control socket, then `fds`, then its log. Memory is limited twice:
    RLIMIT_DATA refuses an allocation, and this side kills where shared memory went past that.
    """

    def __init__(
        self, zygote: Client, role: str, fds: list[int], memory_mib: int, deadline: Deadline, **args: Any
    ) -> None:
        self._zygote, self._role, self._fds = zygote, role, fds
        self._memory_mib, self._deadline = memory_mib, deadline
        self._args = {**args, "memory_mib": memory_mib, "cpu_s": math.ceil(deadline.seconds) + 1}
        self._trusted = role not in ("record", "trial")
        self._alone = bool(args.get("alone"))  # it can make no process, and others of its zygote shall live on

    def __enter__(self) -> "Child":
        self._sock, theirs = channel.pair()
        self._log = os.memfd_create("log", os.MFD_CLOEXEC)
        self._status: int | None = None
        with theirs:
            fds = [theirs.fileno(), *self._fds, self._log]
            self._pid, self._pidfd = self._zygote.fork(self._role, self._args, fds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._reap()
        finally:
            self._sock.close()
            os.close(self._log)
            os.close(self._pidfd)

    def _reap(self) -> int:
        if self._status is None:
            self._status = self._zygote.end(self._pid) if self._alone else self._zygote.reap(self._pid)
        return self._status

    def use(self, deadline: Deadline) -> None:
        """From now on, `deadline` counts: a spare has waited for its candidate."""
        self._deadline = deadline

    def ask(self, request: dict[str, Any], fds: list[int] | None = None) -> dict[str, Any]:
        """The child's answer. Raises Fault where it reports one, breaks the protocol, dies or takes too much."""
        try:
            channel.send(self._sock, request, fds)
        except ValueError as error:
            raise Unsupported(f"a request that is too long: {error}") from None
        except Lost:
            pass  # dead already: the answer will say how
        return self.reply()

    def reply(self) -> dict[str, Any]:
        """What the child says next. Raises as `ask`."""
        self._wait(self._sock.fileno())
        try:
            reply, fds = channel.receive(self._sock)
        except Lost:
            raise self._death() from None
        for fd in fds:
            os.close(fd)
        if "reason" in reply:
            if not isinstance(reply["reason"], str) or reply["reason"] not in (
                _REPORTABLE if self._trusted else _CLAIMABLE
            ):
                raise Fault(Reason.RUNTIME_ERROR, "its process sent a malformed answer")
            raise Fault(Reason(reply["reason"]), tidy(str(reply.get("detail"))))
        return reply

    def finish(self) -> int:
        """Wait for the child's own end; its wait status. Raises Fault as `ask` does."""
        self._wait(self._pidfd)
        return self._reap()

    def _wait(self, fd: int) -> None:
        while not select.select([fd], [], [], min(_POLL_S, self._deadline.left()))[0]:
            pid = pid_of(self._pidfd)
            self._deadline.watch(pid)
            if _resident_mib(pid) > self._memory_mib:
                raise Fault(Reason.OUT_OF_MEMORY, f"more than {self._memory_mib} MiB in use")

    def _death(self) -> Fault:
        select.select([self._pidfd], [], [], 1.0)  # the socket closes a moment before the process is gone
        status = self._reap()
        if not os.WIFSIGNALED(status):
            return Fault(Reason.RUNTIME_ERROR, "its process exited before it answered")
        number = os.WTERMSIG(status)
        if number == signal.SIGXCPU:
            return Fault(Reason.TIMEOUT, f"not done after {self._deadline.seconds:g} s")
        if number == signal.SIGKILL:  # nobody else sends it but the kernel, to free memory
            return Fault(Reason.OUT_OF_MEMORY, "killed for its use of memory")
        known = {s.value: s.name for s in signal.Signals}
        return Fault(Reason.RUNTIME_ERROR, f"killed by {known.get(number, f'signal {number}')}")

    def log(self, size: int = 4000) -> str:
        """The start of what the child printed."""
        return os.pread(self._log, size, 0).decode("utf-8", "replace")
