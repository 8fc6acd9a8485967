"""Verdicts lost while kernels hang, eat memory, exit, fork, signal and print, and while workers are killed.

Right and wrong kernels of the demo and hostile ones of the corpus, drawn by a seed, are judged by the workers of
verifier=triton. Meanwhile one of this process's own servers, zygotes or judges is ended by SIGKILL every few
seconds. Every sample must get one verdict, and the right one: a pass, a failure with an expected reason, or an
abstention where its worker was killed twice.

    python benchmarks/faults.py --kernels 1000
"""

import argparse
import os
import platform
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from judge_throughput import jobs

from kernelraft.corpus import programs
from kernelraft.kernel import linux
from kernelraft.records import Reason, Sample, Status, Task, Verdict
from kernelraft.verifier import Judge
from kernelraft.verifier.triton import Triton

WORKERS = ("kr-run", "kr-compile", "kr-parent", "kr-zygote", "kr-judge")
# A right kernel of another problem: how it fails depends on the two.
WRONG = frozenset({Reason.WRONG_VALUE, Reason.WRONG_SHAPE, Reason.RUNTIME_ERROR, Reason.NOT_TRITON})
SHARES = {"right": 7, "wrong": 5}  # to one of each of the following
HOSTILE = {
    "hang in host code": ("r_host_loop", "r_sleep", "r_stops_itself"),
    "hang in a kernel": ("r_kernel_loop", "r_kernel_while"),
    "memory exhaustion": ("r_memory_hog", "r_shared_memory_hog"),
    "os._exit": ("e4_os_exit",),
    "fork bomb": ("r_fork_bomb", "r_daemon"),
    "signal to itself": ("r_kills_itself", "r_ends_by_signal", "r_segmentation_fault"),
    "deep recursion": ("r_recursion", "r_deep_recursion"),
    "huge output": ("r_prints_much",),
}
DEMO_TASKS = 40
SPARED = 0.75  # of the kills that would hit servers that start: a slow machine would never be done with that


@dataclass(frozen=True)
class Case:
    """One sample; `expect` holds reasons, None for a pass."""

    kind: str
    task: Task
    sample: Sample
    expect: frozenset[Reason | None]

    def outcome(self, verdict: Verdict | None) -> str:
        """One of the table's columns."""
        if verdict is None:
            return "none"
        if verdict.reason is Reason.WORKER_LOST:
            return "worker lost"
        status = Status.PASS if verdict.reason is None else Status.FAIL
        return "as expected" if verdict.reason in self.expect and verdict.status is status else "other"


def mixture(count: int, seed: int) -> list[Case]:
    """`count` samples, no two with the same text: equal ones would share one evaluation."""
    groups = jobs(DEMO_TASKS)
    known: dict[str, list[tuple[Task, str, frozenset[Reason | None]]]] = {
        "right": [(task, code, frozenset({None})) for task, code in groups["right"]],
        "wrong": [(task, code, WRONG) for task, code in groups["wrong"]],
    }
    corpus = {program.name: program for program in programs("hostile")}
    for kind, names in HOSTILE.items():
        # A slow machine may end a program's time before the program has filled its memory.
        slow = {Reason.TIMEOUT} if kind == "memory exhaustion" else set()
        chosen = [corpus[name] for name in names]
        known[kind] = [(_task(one.task, one.reference), one.code, one.expect | slow) for one in chosen]
    draw, cases = random.Random(seed), []
    weights = [SHARES.get(kind, 1) for kind in known]
    for number, kind in enumerate(draw.choices(list(known), weights, k=count)):
        task, code, expect = draw.choice(known[kind])
        text = f"{code}\n# {number}\n"
        cases.append(Case(kind, task, Sample(id=str(number), task_id=task.id, index=0, text="", code=text), expect))
    return cases


def _task(name: str, reference: str) -> Task:
    return Task(id=name, family=name, language="triton", prompt="", reference=reference)


@dataclass
class Seen:
    """What came of it."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)  # by sample: how often it got a verdict
    killed: Counter[str] = field(default_factory=Counter)  # by name of process


def below(root: int) -> dict[int, str]:
    """Process id -> name of everything below `root` that lives."""
    found: dict[int, tuple[str, int, str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            pid, rest = path.read_text().split(" (", 1)
            name, after = rest.rsplit(") ", 1)
            found[int(pid)] = (name, int(after.split()[1]), after.split()[0])
    known, size = {root}, 0
    while len(known) != size:
        size = len(known)
        known |= {pid for pid, (_, parent, _) in found.items() if parent in known}
    return {pid: found[pid][0] for pid in known - {root} if pid in found and found[pid][2] != "Z"}


def kill_one(draw: random.Random) -> str | None:
    """End one of this process's own workers; its name, None where there is none."""
    workers = {pid: name for pid, name in sorted(below(os.getpid()).items()) if name in WORKERS}
    if not workers or ("kr-judge" not in workers.values() and draw.random() < SPARED):
        return None
    pid = draw.choice(list(workers))
    with suppress(ProcessLookupError):
        held = os.pidfd_open(pid)
        try:
            name = below(os.getpid()).get(pid)
            if name in WORKERS:  # still this process's, and what `held` stands for
                signal.pidfd_send_signal(held, signal.SIGKILL)
                return name
        finally:
            os.close(held)
    return None


@contextmanager
def killing(every_s: float, seed: int, killed: Counter[str]) -> Iterator[None]:
    """Kill a worker every so many seconds, on average."""
    draw, over = random.Random(seed), threading.Event()

    def work() -> None:
        while not over.wait(every_s * draw.uniform(0.5, 1.5)):
            if name := kill_one(draw):
                killed[name] += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def judge_all(judge: Judge, cases: list[Case], seen: Seen, patience_s: float) -> None:
    """Wait for all verdicts, and no longer than `patience_s`."""

    def done(future: "Future[Verdict]") -> None:
        verdict = future.result()
        seen.verdicts[verdict.id] = verdict
        seen.times[verdict.id] += 1
        if not len(seen.times) % 50:
            said = f"{len(seen.times)} of {len(cases)}, {seen.killed.total()} workers killed"
            print(said, file=sys.stderr, flush=True)

    futures = [judge.submit(case.task, case.sample) for case in cases]
    for future in futures:
        future.add_done_callback(done)
    wait(futures, patience_s)


def table(cases: list[Case], seen: Seen) -> int:
    """Print what became of every kind of sample; how many were lost."""
    columns = ("as expected", "worker lost", "other", "none")
    counts = Counter((case.kind, case.outcome(seen.verdicts.get(case.sample.id))) for case in cases)
    print(f"{'kernels':<24}{'samples':>9}" + "".join(f"{column:>13}" for column in columns))
    kinds = list(dict.fromkeys(["right", "wrong", *HOSTILE]))
    for kind in [*kinds, "all"]:
        members = kinds if kind == "all" else [kind]
        row = [sum(counts[member, column] for member in members) for column in columns]
        print(f"{kind:<24}{sum(row):>9}" + "".join(f"{value:>13}" for value in row))
    for case in cases:
        verdict = seen.verdicts.get(case.sample.id)
        if verdict and case.outcome(verdict) == "other":
            print(f"  {case.kind}: {verdict.status} {verdict.reason}: {verdict.detail[:120]}")
    return sum(count for (_, outcome), count in counts.items() if outcome in ("other", "none"))


def main() -> None:
    """Judge, kill, print the table; ends with 1 where a verdict was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernels", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of the mixture and of who is killed")
    parser.add_argument("--every", type=float, default=8.0, help="seconds from kill to kill, on average")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds of one candidate")
    options = parser.parse_args()
    cases, seen = mixture(options.kernels, options.seed), Seen()
    linux.prctl(linux.SUBREAPER, 1)  # a process that outlives its parent becomes this one's child, and is counted
    descriptors, started = len(os.listdir("/proc/self/fd")), time.monotonic()  # noqa: PTH208
    verifier = Triton(
        workers=options.workers, device="cpu", trials=3, timeout_s=options.timeout, memory_mib=1024,
        targets=["sm_90"], advisory=[],
    )  # fmt: skip
    with verifier.open() as judge, killing(options.every, options.seed, seen.killed):
        judge_all(judge, cases, seen, options.kernels * options.timeout + 600)
    seconds = time.monotonic() - started
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "triton"))
    print(f"date      {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    print(f"machine   {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.platform()}")
    print(f"versions  Python {platform.python_version()}, {versions}")
    print(f"command   python {' '.join(sys.argv)}\n")
    lost = table(cases, seen)
    time.sleep(1)  # what has been killed may take a moment to be gone
    print(f"\nkilled    {', '.join(f'{seen.killed[name]} {name}' for name in WORKERS)}, in {seconds:.0f} s")
    print(f"twice     {sum(count > 1 for count in seen.times.values())} samples got more than one verdict")
    left = len(os.listdir("/proc/self/fd")) - descriptors  # noqa: PTH208
    print(f"left      {len(below(os.getpid()))} processes, {left} descriptors, {threading.active_count() - 1} threads")
    print(f"lost      {lost} of {len(cases)} verdicts")
    sys.exit(lost > 0)


if __name__ == "__main__":
    main()
