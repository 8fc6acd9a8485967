"""Workers that die: the verdict still comes; a main process that dies leaves nothing behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import HONEST_RELU, RELU
from tests.servers import Roots

from kernelraft.errors import VerifierUnavailable
from kernelraft.kernel import pool as pool_module
from kernelraft.kernel.channel import Lost
from kernelraft.kernel.pool import Pool
from kernelraft.kernel.workers import Slot
from kernelraft.records import Reason, Status

SETTINGS = {
    "trials": 1,
    "timeout_s": 20.0,
    "memory_mib": 1024,
    "targets": ["sm_80"],
    "tolerances": {"float32": 1e-4},
    "secret": "00",
}
SUICIDE = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n" + RELU


def descendants(root: int) -> dict[int, str]:
    """Process id -> name of everything below `root`."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = path.read_text().split(" (", 1)
        except OSError:
            continue
        name, after = rest.rsplit(") ", 1)
        found[int(pid)] = (name, int(after.split()[1]), after.split()[0])
    below, size = {root}, 0
    while len(below) != size:
        size = len(below)
        below |= {pid for pid, (_, parent, _) in found.items() if parent in below}
    return {pid: found[pid][0] for pid in below - {root} if pid in found and found[pid][2] != "Z"}


@pytest.fixture(scope="module")
def others() -> set[int]:
    """Processes of other tests' pools."""
    return set(descendants(os.getpid()))


@pytest.fixture(scope="module")
def pool(others: set[int]) -> Iterator[Pool]:
    opened = Pool(1, SETTINGS, allow_weak=False)
    opened.open()
    yield opened
    opened.close()


def own(name: str, others: set[int]) -> list[int]:
    """Processes of this test's own pools with that name."""
    return sorted(pid for pid, found in descendants(os.getpid()).items() if found == name and pid not in others)


@pytest.mark.parametrize("name", ["kr-parent", "kr-zygote", "kr-judge", "kr-run", "kr-compile"])
def test_killed_worker_is_replaced(name: str, pool: Pool, others: set[int]) -> None:
    assert pool.submit(RELU, HONEST_RELU).result(60)["status"] == Status.PASS
    os.kill(own(name, others)[0], signal.SIGKILL)
    assert pool.submit(RELU, HONEST_RELU).result(60)["status"] == Status.PASS


def test_a_server_that_dies_costs_no_verdict_of_any_worker(roots: Roots, pool: Pool, others: set[int]) -> None:
    before = others | set(descendants(os.getpid()))
    with roots.serving():
        two = Pool(2, SETTINGS, allow_weak=False)
        two.open()
        try:
            for kind in ("kr-run", "kr-compile"):  # both workers are in use, then both lose what they were forked from
                warm = [two.submit(f"{RELU}# {n}\n", HONEST_RELU) for n in range(2)]
                assert [future.result(60)["status"] for future in warm] == [Status.PASS] * 2
                os.kill(own(kind, before)[0], signal.SIGKILL)
                after = [two.submit(f"{RELU}# {n}\n", HONEST_RELU) for n in range(2)]
                assert [future.result(60)["status"] for future in after] == [Status.PASS] * 2
        finally:
            two.close()


def test_server_that_is_killed_while_it_starts_costs_no_verdict(pool: Pool, others: set[int]) -> None:
    dead = own("kr-run", others)[0]
    os.kill(dead, signal.SIGKILL)
    futures = [pool.submit(RELU, f"{HONEST_RELU}# {n}") for n in range(3)]
    deadline = time.monotonic() + 60
    while not (fresh := {pid for pid, name in descendants(os.getpid()).items() if name == "kr-run"} - {dead} - others):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(fresh.pop(), signal.SIGKILL)
    assert [future.result(120)["status"] for future in futures] == [Status.PASS] * 3


def test_slot_that_cannot_be_started_leaves_neither_processes_nor_descriptors() -> None:
    class Answering:
        def fork(self, role: str, args: object, fds: list[int]) -> tuple[int, int]:
            return child.pid, os.pidfd_open(child.pid)

    class Gone:
        def fork(self, role: str, args: object, fds: list[int]) -> tuple[int, int]:
            raise Lost("end of file")

    before = len(list(Path("/proc/self/fd").iterdir()))
    with subprocess.Popen(["sleep", "60"]) as child:
        with pytest.raises(Lost):
            Slot([Answering(), Gone()], SETTINGS, 1.0)  # type: ignore[list-item]
        assert child.wait(10) == -signal.SIGKILL
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_server_that_dies_while_the_pool_opens_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying:
        closed = 0

        def __init__(self, kind: str) -> None:
            self.client = self

        def ready(self) -> None:
            pass

        def fork(self, role: str, args: object, fds: list[int]) -> tuple[int, int]:
            raise Lost("end of file")

        def close(self) -> None:
            Dying.closed += 1

    monkeypatch.setattr(pool_module, "Server", Dying)
    with pytest.raises(VerifierUnavailable, match="did not answer: end of file"):
        Pool(1, SETTINGS, allow_weak=False).open()
    assert Dying.closed == 2


def test_worker_lost_twice_abstains(pool: Pool) -> None:
    answer = pool.submit(SUICIDE, HONEST_RELU).result(60)
    assert (answer["status"], answer["reason"]) == (Status.ABSTAIN, Reason.WORKER_LOST)
    assert pool.submit(RELU, HONEST_RELU).result(60)["status"] == Status.PASS


def test_a_reference_that_kills_its_worker_is_lost_without_code_too(pool: Pool) -> None:
    assert pool.submit(SUICIDE, None).result(60)["reason"] == Reason.WORKER_LOST
    answer = pool.submit(RELU, None).result(60)
    assert (answer["status"], answer["reason"], answer["targets"]) == (Status.PASS, None, {})


def test_nothing_is_left_after_kill_9_of_the_main_process() -> None:
    script = f"""
        import time
        from kernelraft.kernel.pool import Pool
        pool = Pool(2, {SETTINGS!r}, allow_weak=False)
        pool.open()
        for _ in range(2):
            pool.submit({RELU!r}, {HONEST_RELU.replace("out = torch", "while True: pass#")!r} + "#" * _)
        time.sleep(1)
        print("started", flush=True)
        time.sleep(60)
    """
    env = {"PYTHONPATH": str(Path(pool_module.__file__).parents[2])}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as main:
        assert main.stdout is not None
        assert main.stdout.readline() == b"started\n"
        below = descendants(main.pid)
        assert {"kr-run", "kr-compile", "kr-judge", "kr-zygote", "kr-candidate"} <= set(below.values())
        main.kill()
    deadline = time.monotonic() + 10
    while (left := [pid for pid in below if alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


def test_close_leaves_nothing_and_cancels_what_waits() -> None:
    opened = Pool(1, SETTINGS, allow_weak=False)
    before = set(descendants(os.getpid()))
    opened.open()
    below = set(descendants(os.getpid())) - before
    futures = [opened.submit(RELU, HONEST_RELU + "#" * n) for n in range(20)]
    opened.close()
    assert futures[-1].cancelled()
    assert all(future.done() for future in futures)
    time.sleep(0.2)
    assert not [pid for pid in below if alive(pid)]
