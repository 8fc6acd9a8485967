"""The processes that a pool holds, as the main process sees them: fork servers and worker slots."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from kernelraft.errors import VerifierUnavailable
from kernelraft.kernel import channel
from kernelraft.kernel.channel import Lost
from kernelraft.kernel.forkserver import Client

KINDS = ("run", "compile")  # of servers; a slot has a zygote of each, and of one of "gpu0", "gpu1", ... on GPUs
ANSWER_S = 30  # for what takes milliseconds
_START_S = 120  # importing torch and Triton from a cold disk takes most of it
# A child lives for milliseconds, much of them page faults: huge pages, and nothing given back. Ignored without glibc.
_MALLOC = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=1073741824"
    ":glibc.malloc.trim_threshold=4294967296:glibc.malloc.top_pad=16777216"
)
_PASSED = ("LD_LIBRARY_PATH", "TMPDIR", "LANG")  # of the environment; no key and no path of the user's gets through

Answer = dict[str, Any]


def _environment(kind: str) -> dict[str, str]:
    package_root = str(Path(__file__).resolve().parents[2])
    fixed = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "USER": "kernelraft",
        "PYTHONPATH": package_root,
        "PYTHONDONTWRITEBYTECODE": "1",
        "CUDA_VISIBLE_DEVICES": _gpu(int(kind.removeprefix("gpu"))) if kind.startswith("gpu") else "",
        "TRITON_DISABLE_LINE_INFO": "1",  # for debuggers and profilers, and a tenth of a compile
        "TRITON_DEFAULT_FP_FUSION": "1",  # Triton warns where it is left to its default
        "GLIBC_TUNABLES": _MALLOC,
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    }
    return {name: os.environ[name] for name in _PASSED if name in os.environ} | fixed


def _gpu(number: int) -> str:
    """The name of one of the GPUs that this process may use, for an environment."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return visible.split(",")[number].strip() if visible else str(number)


class Server:
    """One fork server process (server.py); `client` serves one thread at a time."""

    def __init__(self, kind: str) -> None:
        ours, theirs = channel.pair()
        self._log = os.memfd_create("log", os.MFD_CLOEXEC)
        role = "gpu" if kind.startswith("gpu") else kind
        command = [sys.executable, "-P", "-m", "kernelraft.kernel.server", role, str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                env=_environment(kind),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                start_new_session=True,
                cwd="/",
            )
        self.client = Client(ours)

    def ready(self) -> None:
        """Wait until it serves. Raises VerifierUnavailable with the last line that it wrote."""
        self.client.sock.settimeout(_START_S)
        try:
            channel.receive(self.client.sock)
        except Lost as error:
            said = os.pread(self._log, 1 << 20, 0).decode("utf-8", "replace").strip().splitlines()
            raise VerifierUnavailable(f"the kernel server did not start: {said[-1] if said else error}") from None
        self.client.sock.settimeout(ANSWER_S)

    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """End it and everything below it."""
        self.client.sock.close()
        try:
            self._process.wait(ANSWER_S if self.alive() else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._log)


class Slot:
    """A judge with a zygote of each server; when one of them fails, all are replaced."""

    def __init__(self, servers: list[Client], settings: Answer, answer_s: float) -> None:
        self._sock, judge_main = socket.socketpair()
        self._sock.settimeout(answer_s)
        self._pidfds: list[int] = []
        try:
            with judge_main:
                self._start_all(servers, judge_main.fileno())
            channel.send_stream(self._sock, settings)  # not through the server: its memory is every child's
        except BaseException:
            self.close()
            raise

    def _start_all(self, servers: list[Client], judge_main: int) -> None:
        with contextlib.ExitStack() as held:
            judge_fds = [judge_main]
            for server in servers:
                judge_end, zygote_end = channel.pair()
                judge_fds.append(held.enter_context(judge_end).fileno())
                self._start(server, "zygote", {}, [held.enter_context(zygote_end).fileno()])
            self._start(servers[-1], "judge", {}, judge_fds)

    def _start(self, server: Client, role: str, args: Answer, fds: list[int]) -> None:
        self._pidfds.append(server.fork(role, args, fds)[1])

    def ask(self, reference: str, code: str | None) -> Answer:
        """The judge's answer. Raises Lost where there is none."""
        channel.send_stream(self._sock, {"reference": reference, "code": code})
        answer = channel.receive_stream(self._sock)
        if "lost" in answer:
            raise Lost(answer["lost"])
        return answer

    def alive(self) -> bool:
        """Whether all of its processes are."""
        ended = select.poll()
        for fd in self._pidfds:
            ended.register(fd, select.POLLIN)
        return not ended.poll(0)

    def close(self) -> None:
        self._sock.close()
        for fd in self._pidfds:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.close(fd)
