"""The evaluator's fork servers as forks of one that has imported and warmed everything: seconds of CPU less for each.

    python tests/servers.py KIND FD      as kernelraft.kernel.server, but what it forks are such servers

What a fork serves, and how it ends, is that of a server. How servers start is not: tests of that take the real ones.
"""

import gc
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from unittest import mock

from kernelraft.kernel import channel, forkserver, linux, pool, server, workers
from kernelraft.kernel.forkserver import Client


class Roots:
    """Of this process, each started when it is needed first; all end with `close`."""

    def __init__(self):
        self._processes, self._clients, self._lock = [], {}, threading.Lock()

    def fork(self, kind):
        """What workers.Server(kind) gives."""
        ours, theirs = channel.pair()
        with theirs, self._lock:
            if kind not in self._clients:
                self._start(kind)
            _, pidfd = self._clients[kind].fork("server", {}, [theirs.fileno()])
        return Fork(ours, pidfd)

    def _start(self, kind):
        ours, theirs = channel.pair()
        with theirs:
            self._processes.append(
                subprocess.Popen(
                    [sys.executable, "-P", __file__, kind, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()], env=workers._environment(kind), start_new_session=True, cwd="/",
                )
            )  # fmt: skip
        ours.settimeout(120)
        channel.receive(ours)
        self._clients[kind] = Client(ours)

    def serving(self):
        """A context: who opens a pool in it has forks."""
        return mock.patch.object(pool, "Server", self.fork)

    def close(self):
        for client in self._clients.values():
            client.sock.close()
        for process in self._processes:
            process.wait(30)


class Fork:
    """In place of workers.Server."""

    def __init__(self, sock, pidfd):
        self.client, self._pidfd = Client(sock), pidfd

    def ready(self):
        self.client.sock.settimeout(workers.ANSWER_S)
        channel.receive(self.client.sock)

    def alive(self):
        return not self._ended(0)

    def close(self):
        self.client.sock.close()
        if not self._ended(workers.ANSWER_S):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        os.close(self._pidfd)

    def _ended(self, seconds):
        return bool(select.select([self._pidfd], [], [], seconds)[0])


def _root(serve):
    """In place of forkserver.serve, once: what is forked serves as this process would have."""

    def once(sock, roles):
        def fork(fds, _args):
            linux.name_process(f"kr-{sys.argv[1]}")
            gc.disable()
            mine = socket.socket(fileno=fds[0])
            channel.send(mine, {"ready": True})
            serve(mine, roles)

        forkserver.serve = serve
        linux.name_process("kr-root")
        serve(sock, {"server": fork})

    return once


if __name__ == "__main__":
    forkserver.serve = _root(forkserver.serve)
    server.main()
