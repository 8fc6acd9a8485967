"""The main process's end: servers, worker slots, a queue. Imports neither torch nor Triton and never unpickles.

Everything dies with the main process, by any signal: the servers read an end of file, and
all others die with their parent (PR_SET_PDEATHSIG).
"""

import os
import threading
import time
from concurrent.futures import Future

from kernelraft.errors import VerifierUnavailable
from kernelraft.kernel import channel, confine
from kernelraft.kernel.channel import Lost
from kernelraft.kernel.forkserver import Client
from kernelraft.kernel.jobs import Job, Jobs
from kernelraft.kernel.workers import ANSWER_S, KINDS, Answer, Server, Slot
from kernelraft.records import Reason, Status

_SLACK_S = 120  # beyond a candidate's own time: the reference, on every trial
_STARTS = 3  # of a worker, before a candidate is told that there is none


class Pool:
    """`workers` slots on one queue.

    `settings` are the judge's (judge.py, Settings), plain data, and how many "gpus" are used.
    """

    def __init__(self, workers: int, settings: Answer, *, allow_weak: bool) -> None:
        self._workers, self._allow_weak = workers, allow_weak
        self._gpus = int(settings.get("gpus", 0))
        self._locks = [os.memfd_create(name, os.MFD_CLOEXEC) for _ in range(self._gpus) for name in ("lock", "gate")]
        self._settings = {name: value for name, value in settings.items() if name != "gpus"}
        self._jobs = Jobs()
        self._lock = threading.Lock()
        self._kinds = [*KINDS, *(f"gpu{number}" for number in range(self._gpus))]
        self._closed = False
        self._layers: list[str] = []
        self._servers: list[Server] = []
        self._threads: list[threading.Thread] = []

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
        self._threads = [threading.Thread(target=self._work, args=[n], daemon=True) for n in range(self._workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, reference: str, code: str | None) -> "Future[Answer]":
        """Queue one evaluation: judge.py's plain verdict, with "seconds". Never raises for a lost worker.

        Without code it is of the task: whether a program for it could be judged.
        """
        job = Job(reference, code)
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """End all processes; what is queued is cancelled, what is running is lost."""
        self._jobs.close()
        with self._lock:
            self._closed = True
        self._end_servers()
        for thread in self._threads:
            thread.join()
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

    def _slot(self, worker: int, starts: int = _STARTS) -> Slot:
        """A fresh worker. That a server dies meanwhile is tried again: no candidate has had a part in it."""
        try:
            return self._start_slot(worker)
        except (Lost, OSError, VerifierUnavailable):
            if starts == 1:
                raise
            return self._slot(worker, starts - 1)

    def _start_slot(self, worker: int) -> Slot:
        """Two processes on the CPU, and on the GPUs one on each in turn, with the locks of that GPU."""
        with self._lock:
            if self._closed:
                raise Lost("closed")
            try:
                self._serve()
                servers = [server.client for server in self._servers[: len(KINDS)]]
                settings = self._settings
                if self._gpus:
                    gpu = worker % self._gpus
                    servers.append(self._servers[len(KINDS) + gpu].client)
                    locks = [f"/proc/{os.getpid()}/fd/{fd}" for fd in self._locks[2 * gpu : 2 * gpu + 2]]
                    settings = {**settings, "locks": locks}
                return Slot(servers, settings, settings["timeout_s"] + _SLACK_S)
            except BaseException:  # a server that has not answered may seem alive, and answer the next one's request
                self._end_servers()
                raise

    def _work(self, worker: int) -> None:
        slot: Slot | None = None
        while (job := self._jobs.take(worker)) is not None:
            if not job.future.set_running_or_notify_cancel():
                continue
            started = time.monotonic()
            answer: Answer = {}
            for _ in range(2):  # the second time on a fresh worker
                try:
                    slot = slot or self._slot(worker)
                    answer = slot.ask(job.reference, job.code)
                    break
                except (Lost, OSError, VerifierUnavailable) as error:
                    answer = _lost(str(error))
                    if slot:
                        slot.close()
                    slot = None
            job.future.set_result(answer | {"seconds": time.monotonic() - started, "sandbox": self._layers})
        if slot:
            slot.close()


def _lost(why: str) -> Answer:
    known: Answer = {"compiled": None, "correct": None, "targets": {}}
    return {
        "status": Status.ABSTAIN,
        "reason": Reason.WORKER_LOST,
        "detail": f"the worker was lost twice: {why}",
        **known,
    }
