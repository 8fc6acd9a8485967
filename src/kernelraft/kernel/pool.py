"""The main process's end: servers and worker slots. Imports neither torch nor Triton and never unpickles.

Everything dies with the main process, by any signal: the servers read an end of file, and
all others die with their parent (PR_SET_PDEATHSIG).
"""

import contextlib
import os
import threading

from kernelraft.errors import VerifierUnavailable
from kernelraft.kernel import channel, confine
from kernelraft.kernel.channel import Lost
from kernelraft.kernel.crew import Crew
from kernelraft.kernel.deadline import Deadline
from kernelraft.kernel.forkserver import Client
from kernelraft.kernel.gpu.locks import lock_files
from kernelraft.kernel.linux import gpus
from kernelraft.kernel.workers import ANSWER_S, KINDS, Answer, Server, Slot

_SLACK_S = 120  # beyond a candidate's own time: the reference, on every trial
_STARTS = 3  # of a worker, before a candidate is told that there is none


class Pool(Crew):
    """`workers` slots on one queue.

    `settings` are the judge's (settings.py), plain data, and how many "gpus" are used.
    """

    def __init__(self, workers: int, settings: Answer, *, allow_weak: bool) -> None:
        super().__init__(workers)
        self._allow_weak = allow_weak
        self._gpus = int(settings.get("gpus", 0))
        self._locks = lock_files([gpu for _, gpu in gpus()][: self._gpus]) if self._gpus else []
        self._settings = {name: value for name, value in settings.items() if name != "gpus"}
        self._lock = threading.Lock()
        self._kinds = [*KINDS, *(f"gpu{number}" for number in range(self._gpus))]
        self._closed = False
        self._servers: list[Server] = []

    def open(self) -> None:
        """Start everything. Raises VerifierUnavailable where the machine cannot, or cannot confine a candidate."""
        try:
            self._serve()
            self._probe()
        except Lost as error:
            self.close()
            raise VerifierUnavailable(f"the kernel server did not answer: {error}") from None
        except BaseException:
            self.close()
            raise
        self._begin()

    def close(self) -> None:
        """End all processes; what is queued is cancelled, what is running is lost."""
        self._jobs.close()
        with self._lock:
            self._closed = True
        self._end_servers()
        self._join()
        for fd in self._locks:
            os.close(fd)
        self._locks.clear()

    def _serve(self) -> None:
        """All servers, started again where one has died."""
        if len(self._servers) == len(self._kinds) and all(server.alive() for server in self._servers):
            return
        self._end_servers()
        for kind in self._kinds:
            self._servers.append(Server(kind))
        for server in self._servers:
            server.ready()

    def _end_servers(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    def _probe(self) -> None:
        """Confine a child that runs nothing and look at what holds."""
        ours, theirs = channel.pair()
        control, childs = channel.pair()
        log = os.memfd_create("log", os.MFD_CLOEXEC)
        with ours, control:
            with theirs, childs:
                os.close(self._servers[0].client.fork("zygote", {}, [theirs.fileno()])[1])
                args = {"cpu_s": 10, "memory_mib": self._settings["memory_mib"]}
                ours.settimeout(ANSWER_S)
                os.close(Client(ours).fork("probe", args, [childs.fileno(), log])[1])
            os.close(log)
            control.settimeout(ANSWER_S)
            try:
                layers = channel.receive(control)[0]["layers"]
            except Lost:
                layers = []
        self._layers = layers
        if not confine.is_enough(layers) and not self._allow_weak:
            found = ", ".join(layers) or "no layer"
            wanted = "landlock and seccomp"
            raise VerifierUnavailable(
                f"verifier triton: expected {wanted} to confine untrusted kernels, found {found};"
                " use another kernel or container profile, or set verifier.allow_weak_sandbox=true"
            )

    def _hire(self, number: int) -> Slot:
        """A fresh worker. That a server dies meanwhile is tried again: no candidate has had a part in it."""
        for _ in range(_STARTS - 1):
            with contextlib.suppress(Lost, OSError, VerifierUnavailable):
                return self._slot(number)
        return self._slot(number)

    def _slot(self, number: int) -> Slot:
        """Two processes on the CPU, and on the GPUs one on each in turn, with the locks of that GPU."""
        with self._lock:
            if self._closed:
                raise Lost("closed")
            try:
                self._serve()
                servers = [server.client for server in self._servers[: len(KINDS)]]
                settings = self._settings
                if self._gpus:
                    gpu = number % self._gpus
                    servers.append(self._servers[len(KINDS) + gpu].client)
                    locks = [f"/proc/{os.getpid()}/fd/{fd}" for fd in self._locks[2 * gpu : 2 * gpu + 2]]
                    settings = {**settings, "locks": locks}
                return Slot(servers, settings, Deadline.STRETCH * settings["timeout_s"] + _SLACK_S)
            except BaseException:  # a server that has not answered may seem alive, and answer the next one's request
                self._end_servers()
                raise
