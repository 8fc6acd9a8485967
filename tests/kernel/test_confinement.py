"""What holds with the static check switched off: the process boundary alone."""

import os
import select
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import RELU, UNCHECKED, model
from tests.servers import Fork, Roots

from kernelraft.kernel import channel, confine, linux, policy
from kernelraft.kernel.forkserver import Client
from kernelraft.kernel.judge import Bench
from kernelraft.kernel.secret import secret
from kernelraft.kernel.settings import Settings


@pytest.fixture(scope="module")
def servers(roots: Roots) -> Iterator[list[Fork]]:
    started = [roots.fork("run"), roots.fork("compile")]
    for server in started:
        server.ready()
    yield started
    for server in started:
        server.close()


@pytest.fixture
def bench(servers: list[Fork], monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A judge in this process, which lets every source through to the child."""
    monkeypatch.setattr(policy, "check", lambda code: None)
    clients, socks = [], []
    for server in servers:
        ours, theirs = channel.pair()
        with theirs:
            os.close(server.client.fork("zygote", {}, [theirs.fileno()])[1])
        clients.append(Client(ours))
        socks.append(ours)
    settings = Settings(
        trials=2,
        timeout_s=10.0,
        memory_mib=1024,
        targets=["sm_80"],
        tolerances={"float32": 1e-4},
        secret="00",
    )
    yield Bench(settings, *clients)
    for sock in socks:
        sock.close()


@pytest.mark.parametrize("name", UNCHECKED)
def test_unchecked_program_gains_nothing(name: str, bench: Bench) -> None:
    reference, code, reason = UNCHECKED[name]
    answer = bench.evaluate(reference, code)
    assert answer["reason"] == reason, answer["detail"]
    assert not Path("/tmp/kernelraft-escaped").exists()


def test_the_secret_cannot_be_read(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert secret()
    answer = bench.evaluate(RELU, model(f"print(open('{tmp_path}/kernelraft/secret').read())\nreturn x"))
    assert (answer["reason"], "Permission" in answer["detail"] or "No such file" in answer["detail"]) == (
        "RUNTIME_ERROR",
        True,
    ), answer["detail"]


def test_every_layer_that_is_claimed_holds(servers: list[Fork]) -> None:
    ours, theirs = channel.pair()
    control, childs = channel.pair()
    log = os.memfd_create("log")
    with ours, theirs, control, childs:
        zygote, pidfd = servers[0].client.fork("zygote", {}, [theirs.fileno()])
        fds = [childs.fileno(), log]
        os.close(Client(ours).fork("probe", {"cpu_s": 5, "memory_mib": 1024}, fds)[1])
        layers = channel.receive(control)[0]["layers"]
        for name in {*layers} - {"landlock", "seccomp"}:
            kind = "pid_for_children" if name == "pid" else name
            ours_and_its = {Path(f"/proc/{who}/ns/{kind}").readlink() for who in ("self", zygote)}
            assert len(ours_and_its) == 2, name
        os.close(pidfd)
    os.close(log)
    assert confine.is_enough(layers)
    assert ("landlock" in layers) is (linux.landlock_abi() > 0)


@pytest.mark.parametrize(
    ("layers", "enough"),
    [
        (["landlock", "seccomp"], True),
        (["user", "net", "pid", "seccomp"], False),
        (["landlock", "user", "net", "pid"], False),
        ([], False),
    ],
)
def test_layers_are_enough_only_together(layers: list[str], enough: bool) -> None:
    assert confine.is_enough(layers) is enough


def run(script: str, *arguments: str) -> str:
    """What a process of its own prints that runs `script`."""
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    env = {"PYTHONPATH": str(Path(confine.__file__).parents[2])}
    return subprocess.run(command, check=True, timeout=20, env=env, stdout=subprocess.PIPE, text=True).stdout


DAEMON = """
    import contextlib, os, signal, sys, time
    from kernelraft.kernel import forkserver, linux
    read, write = os.pipe()
    def daemon():  # of a daemon: holds the pipe's end until it dies
        os.close(read)
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.write(write, b"lives")
                time.sleep(30)
            os._exit(0)
        time.sleep(30)
    def gone():
        os.close(write)
        return os.read(read, 20) == b""
"""


@pytest.mark.parametrize("namespaces", ["", "namespaces"])
def test_reap_kills_a_daemon_of_a_daemon(namespaces: str) -> None:
    script = """
    linux.prctl(linux.SUBREAPER, 1)
    with contextlib.suppress(OSError):
        if sys.argv[1] and "pid" in linux.enter_namespaces():
            forkserver.become_first()
    pid = os.fork()
    if pid == 0:
        daemon()
    assert os.read(read, 20) == b"lives"
    assert os.WTERMSIG(forkserver.reap_all(pid)) == signal.SIGKILL
    print(gone(), flush=True)
    """
    assert run(DAEMON + script, namespaces) == "True\n"


def test_nothing_outlives_the_first_process_of_a_pid_namespace() -> None:
    script = """
    first = os.fork()
    if first == 0:
        try:
            entered = linux.enter_namespaces()
        except OSError:
            entered = []
        if "pid" not in entered:
            os.write(write, b"none")
            os._exit(0)
        forkserver.become_first()
        if os.fork() == 0:
            daemon()
        time.sleep(30)
    said = os.read(read, 20)
    os.kill(first, signal.SIGKILL)  # it waits for the first process, which dies with it
    print(said.decode(), gone(), flush=True)
    """
    said = run(DAEMON + script)
    if said.startswith("none"):
        pytest.skip("no pid namespace on this machine")
    assert said == "lives True\n"


def test_child_whose_parent_dies_before_it_is_bound_to_it_plays_no_role() -> None:
    script = """
        import os, signal, time
        from kernelraft.kernel import channel, forkserver
        ours, theirs = channel.pair()
        r, w = os.pipe()
        fork = os.fork
        server = fork()
        if server == 0:
            ours.close()
            parent = os.getpid()
            def late():
                pid = fork()
                while pid == 0 and os.getppid() == parent:
                    time.sleep(0.01)
                return pid
            forkserver.os.fork = late
            forkserver.serve(theirs, {"play": lambda fds, args: os.write(fds[0], b"played")})
        theirs.close()
        forkserver.Client(ours).fork("play", {}, [w])
        os.close(w)
        os.kill(server, signal.SIGKILL)
        assert os.read(r, 20) == b""
    """
    run(script)


def test_channel_reports_garbage_and_the_end_as_lost() -> None:
    ours, theirs = channel.pair()
    with ours:
        for data in (b"[" * 100_000, b"[1]", b"{"):
            theirs.send(data)
            with pytest.raises(channel.Lost):
                channel.receive(ours)
        theirs.close()
        with pytest.raises(channel.Lost):
            channel.receive(ours)


def test_channel_carries_descriptors() -> None:
    ours, theirs = channel.pair()
    read, write = os.pipe()
    with ours, theirs:
        channel.send(ours, {"a": 1}, [write])
        message, fds = channel.receive(theirs)
    os.write(fds[0], b"x")
    assert (message, os.read(read, 1), len(fds)) == ({"a": 1}, b"x", 1)
    for fd in (read, write, *fds):
        os.close(fd)


def test_stream_carries_long_messages() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel.send_stream(ours, {"a": "x" * 50_000})
        assert select.select([theirs], [], [], 1)[0]
        assert channel.receive_stream(theirs) == {"a": "x" * 50_000}
