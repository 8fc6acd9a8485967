"""The workers on a Ray cluster of two nodes, here: the same verdicts, and nothing is lost with a worker or a node."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from programs import FRAUD, HONEST, HONEST_RELU, RELU
from test_pool import SETTINGS, SUICIDE, alive, descendants

from kernelraft.errors import VerifierUnavailable
from kernelraft.kernel.pool import Pool
from kernelraft.kernel.ray_actor import KernelJudge, Remote, installed
from kernelraft.kernel.ray_pool import RayPool
from kernelraft.records import Reason, Status

JUDGED = {"seconds", "sandbox"}  # not of the verdict itself
PROGRAMS = [
    *(HONEST[name] for name in ("elementwise", "softmax")),
    *(FRAUD[name][:2] for name in ("no_kernel", "half_of_the_work", "python_only_kernel", "infinite_loop")),
]
ENDLESS = FRAUD["infinite_loop"][1]
QUICK = {**SETTINGS, "timeout_s": 5.0}


@pytest.fixture(scope="module", autouse=True)
def own_token() -> Iterator[None]:
    """Before Ray is imported, as it looks once: else it writes a token into the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", "5" * 32)
        pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[ray]'")
        yield


@pytest.fixture(scope="module")
def cluster(own_token: None) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    unused = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **unused})
    started.add_node(num_cpus=1)
    yield started
    started.shutdown()


@pytest.fixture(scope="module")
def pool(cluster: Any) -> Iterator[RayPool]:
    opened = RayPool(2, QUICK, allow_weak=False, address=cluster.address)
    opened.open()
    yield opened
    opened.close()


def node(remote: Remote) -> int:
    """Process id of the raylet, of which every node has one, that started the worker."""
    return int(Path(f"/proc/{remote.place['pid']}/stat").read_text().rsplit(") ", 1)[1].split()[1])


def raylet(started: Any) -> int:
    return int(started.all_processes["raylet"][0].process.pid)


def kill(remote: Remote) -> None:
    os.kill(int(remote.place["pid"]), signal.SIGKILL)


def before_asking(patch: pytest.MonkeyPatch, act: Callable[[Remote, str], object]) -> None:
    original = Remote.ask

    def ask(self: Remote, reference: str, code: str) -> dict[str, Any]:
        act(self, code)
        return original(self, reference, code)

    patch.setattr(Remote, "ask", ask)


def verdict(future: "Future[dict[str, Any]]") -> dict[str, Any]:
    return {key: value for key, value in future.result(120).items() if key not in JUDGED}


@pytest.mark.slow
def test_verdicts_are_those_of_the_local_pool_and_both_nodes_judge(
    pool: RayPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[int] = set()
    before_asking(monkeypatch, lambda remote, code: asked.add(node(remote)))
    remote = [pool.submit(*program) for program in PROGRAMS]
    answers = [future.result(120) for future in remote]
    local = Pool(1, QUICK, allow_weak=False)
    local.open()
    try:
        assert [verdict(future) for future in remote] == [verdict(local.submit(*program)) for program in PROGRAMS]
    finally:
        local.close()
    assert {answer["status"] for answer in answers} == {Status.PASS, Status.FAIL}
    assert all({"landlock", "seccomp"} <= set(answer["sandbox"]) for answer in answers)
    assert len(asked) == 2


def test_killed_worker_is_replaced_and_its_job_is_judged(pool: RayPool, monkeypatch: pytest.MonkeyPatch) -> None:
    victims: list[Remote] = []
    before_asking(monkeypatch, lambda remote, code: None if victims else victims.append(remote) or kill(remote))
    futures = [pool.submit(RELU, HONEST_RELU + "#" * n) for n in range(4)]
    assert [future.result(120)["status"] for future in futures] == [Status.PASS] * 4
    assert len(victims) == 1


@pytest.mark.slow
def test_worker_lost_twice_abstains(pool: RayPool, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = pool.submit(SUICIDE, HONEST_RELU).result(120)  # a judge, in the actor
    assert (answer["status"], answer["reason"]) == (Status.ABSTAIN, Reason.WORKER_LOST)
    before_asking(monkeypatch, lambda remote, code: kill(remote) if "# fatal" in code else None)
    answer = pool.submit(RELU, HONEST_RELU + "# fatal").result(120)  # the actor itself
    assert (answer["status"], answer["reason"]) == (Status.ABSTAIN, Reason.WORKER_LOST)
    assert pool.submit(RELU, HONEST_RELU).result(120)["status"] == Status.PASS


@pytest.mark.slow
def test_nothing_is_lost_with_a_node_and_nothing_is_left_by_close(
    cluster: Any, pool: RayPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test on this cluster: it takes a node away."""
    (other,) = cluster.worker_nodes
    gone = raylet(other)
    asked: list[bool] = []

    def before(remote: Remote, code: str) -> None:
        asked.append(there := node(remote) == gone)
        if there and other in cluster.worker_nodes:
            cluster.remove_node(other, allow_graceful=False)

    while not all(remote.place for remote in pool._held.values()):  # those that the tests before have lost
        time.sleep(0.1)
    before_asking(monkeypatch, before)
    futures = [pool.submit(RELU, HONEST_RELU + "\n" * n) for n in range(6)]
    assert [future.result(120)["status"] for future in futures] == [Status.PASS] * 6
    assert asked.count(True) == 1
    assert "kr-judge" in descendants(os.getpid()).values()
    pool.close()
    assert not [name for name in descendants(os.getpid()).values() if name.startswith("kr-")]


@pytest.mark.slow
def test_nothing_is_left_after_kill_9_of_the_main_process() -> None:
    script = f"""
        import time
        from kernelraft.kernel.ray_pool import RayPool
        pool = RayPool(1, {SETTINGS!r}, allow_weak=False, address="local")
        pool.open()
        pool.submit({RELU!r}, {ENDLESS!r})
        time.sleep(1)
        print("started", flush=True)
        time.sleep(60)
    """
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as main:
        assert main.stdout is not None
        assert main.stdout.readline() == b"started\n"
        below = descendants(main.pid)
        assert {"raylet", "gcs_server", "kr-run", "kr-compile", "kr-judge", "kr-candidate"} <= set(below.values())
        main.kill()
    deadline = time.monotonic() + 20
    while (left := [name for pid, name in below.items() if alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


def test_no_cluster_at_the_address_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(VerifierUnavailable, match=r"found: .*refused; correct verifier\.ray_addr") as caught:
        RayPool(1, SETTINGS, allow_weak=False, address=None).open()
    assert "\n" not in str(caught.value)


def test_other_versions_on_a_node_are_refused() -> None:
    said = KernelJudge().open(SETTINGS, False, installed() | {"torch": "0.1"})
    assert said["error"].startswith("verifier triton: expected torch 0.1 as in the main process, found ")
