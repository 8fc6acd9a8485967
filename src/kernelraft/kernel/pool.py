"""The main process's end: servers and worker slots. Imports neither torch nor Triton and never unpickles.

Everything dies with the main process, by any signal: the servers read an end of file, and
all others die with their parent (PR_SET_PDEATHSIG).
"""

import os
import threading

from kernelraft.errors import VerifierUnavailable
from kernelraft.kernel import channel, confine
from kernelraft.kernel.channel import Lost
from kernelraft.kernel.crew import Crew
from kernelraft.kernel.forkserver import Client
from kernelraft.kernel.workers import ANSWER_S, KINDS, Answer, Server, Slot

_SLACK_S = 120  # beyond a candidate's own time: the reference, on every trial


class Pool(Crew):
    """`workers` slots on one queue.

    `settings` are the judge's (judge.py, Settings), plain data.
    """

    def __init__(self, workers: int, settings: Answer, *, allow_weak: bool) -> None:
        super().__init__(workers)
        self._allow_weak = allow_weak
        self._locks = [os.memfd_create(name, os.MFD_CLOEXEC) for name in ("lock", "gate")]
        self._settings = {**settings, "locks": [f"/proc/{os.getpid()}/fd/{fd}" for fd in self._locks]}
        self._lock = threading.Lock()
        self._kinds = [*KINDS, *(["gpu"] if settings.get("device") == "cuda" else [])]
        self._closed = False
        self._servers: list[Server] = []

    def open(self) -> None:
        """Start everything. Raises VerifierUnavailable where the machine cannot, or cannot confine a candidate."""
        try:
            self._serve()
            self._probe()
        except BaseException:
            self.close()
            raise
        self._begin()

    def close(self) -> None:
        """End all processes; what is queued is cancelled, what is running is lost."""
        self._jobs.close()
        with self._lock:
            self._closed = True
        for server in self._servers:
            server.close()
        self._join()
        self._servers.clear()
        for fd in self._locks:
            os.close(fd)
        self._locks.clear()

    def _serve(self) -> None:
        """Both servers, started again where one has died."""
        if len(self._servers) == len(self._kinds) and all(server.alive() for server in self._servers):
            return
        for server in self._servers:
            server.close()
        self._servers = [Server(kind) for kind in self._kinds]
        for server in self._servers:
            server.ready()

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

    def _hire(self, _number: int) -> Slot:
        with self._lock:
            if self._closed:
                raise Lost("closed")
            self._serve()
            servers = [server.client for server in self._servers]
            return Slot(servers, self._settings, self._settings["timeout_s"] + _SLACK_S)
