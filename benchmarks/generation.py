"""stage=generate against a slow provider on this machine, beside what bounds it and beside one call at a time.

The provider answers after 10 s in the median (lognormal), with right and wrong kernels of the demo's problems; the
evaluator is the real one, on the CPU. Three runs on the same tasks:

- the engine, all samples, `--concurrency` calls in flight;
- the evaluator alone, on every program that the engine got: its bound; from that and from the seconds of each
  call, how soon an engine that costs nothing would have been done is worked out (ideal.py);
- the same engine with one conversation and one call at a time, on the first `--sequential` samples: the loop
  of a script. Its time for all of them is taken to grow with the number of calls.

    python benchmarks/generation.py --samples 1000 --sequential 10
"""

import argparse
import hashlib
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

HOME = Path(__file__).resolve().parents[1]
TASKS = "KERNELRAFT_BENCHMARK_TASKS"  # of the provider's process: where the tasks lie
RIGHT_IN_TURN = (0.4, 0.7, 0.85)  # share of the tasks that are right by the first, second, third turn
SPOILED = (
    ("tl.store(out_ptr", "tl.debug_barrier(out_ptr"),
    ("BLOCK: tl.constexpr", "BLOCK"),
    (", x, mask=mask)", ", x + 1.0, mask=mask)"),
    ("        return out", "        return torch.relu(out)"),
)
DEMO = ["data=demo", "data.seed=11", "data.seed_tasks=0", "data.heldout_tasks=0"]


@cache
def answers() -> dict[str, str]:
    """The right answer to each prompt."""
    rows = map(json.loads, Path(os.environ[TASKS]).read_text().splitlines())
    return {row["prompt"]: row["answer"] for row in rows}


def reply(conversation: list[dict[str, str]]) -> str:
    """The provider's next message: right or spoiled, by the task and the turn alone."""
    asked = [message["content"] for message in conversation if message["role"] == "user"]
    turn = len(asked) - 1
    answer = answers()[asked[0]]
    number = hash_of(asked[0])
    right = next((n for n, share in enumerate(RIGHT_IN_TURN) if number < share), len(RIGHT_IN_TURN))
    if turn >= right:
        return answer
    for offset in range(len(SPOILED)):
        old, new = SPOILED[(int(number * 1e6) + turn + offset) % len(SPOILED)]
        if old in answer:
            return answer.replace(old, new)
    return "I cannot tell."


def hash_of(text: str) -> float:
    """A number in [0, 1) that the text decides."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def run(folder: Path, name: str, *words: str) -> tuple[float, dict[str, Any]]:
    """Seconds of `run.py`, from its start to its end, and its metrics."""
    started = time.monotonic()
    command = [sys.executable, str(HOME / "run.py"), f"name={name}", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    return time.monotonic() - started, json.loads((folder / f"runs/{name}/metrics.json").read_text())


@contextmanager
def provider(
    tasks: Path, latency_s: float, spread: float, fault_rate: float, reply: str = "benchmarks.generation:reply"
) -> Iterator[str]:
    """The URL of the tests' provider, in a process of its own."""
    command = [
        sys.executable, "-m", "tests.providers.server", "--reply", reply, "--model", "tiny",
        "--latency", str(latency_s), "--spread", str(spread), "--fault-rate", str(fault_rate),
    ]  # fmt: skip
    env = os.environ | {TASKS: str(tasks)}
    with subprocess.Popen(command, cwd=HOME, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


def stats(url: str) -> dict[str, Any]:
    """What the provider has counted."""
    with urllib.request.urlopen(f"{url}/_stats") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@dataclass(frozen=True)
class Work:
    """What a run has asked, by its own store: seconds of each call, a chain a conversation."""

    chains: list[list[float]]

    @classmethod
    def of(cls, folder: Path) -> "Work":
        """Read it."""
        chains: dict[tuple[str, int], list[float]] = {}
        with (folder / "samples.jsonl").open() as lines:
            for row in map(json.loads, lines):
                chains.setdefault((row["task_id"], row["index"]), []).append(row["seconds"])
        return cls(list(chains.values()))

    @property
    def calls(self) -> int:
        return sum(map(len, self.chains))


def working(folder: Path) -> float:
    """Seconds from a run's first question to its last verdict."""
    status = json.loads((folder / "status.json").read_text())
    seconds: float = status["at"] - status["started"]
    return seconds


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All three runs."""
    from ideal import makespan  # not in the provider's process, which imports this file from elsewhere

    run(folder, "tasks", "stage=prepare", *DEMO, f"data.pool_tasks={args.samples}")
    tasks = folder / "runs/tasks/tasks.jsonl"
    judge = [f"verifier={args.verifier}", "verifier.cache=null", "verifier.device=cpu"]
    judge += [f"verifier.workers={args.workers}"]
    with provider(tasks, args.latency, args.spread, args.faults) as url:
        ask = [
            "stage=generate", "data=files", f"data.path={tasks}", "generator=vllm", f"generator.base_urls=[{url}/v1]",
            "stage.split=pool", "stage.max_turns=3", "stage.max_repeats=null", "stage.afresh=0", *judge,
        ]  # fmt: skip
        engine_s, metrics = run(folder, "engine", *ask, f"generator.concurrency={args.concurrency}")
        served = stats(url)
        one = ["generator.concurrency=1", "stage.conversations=1", "verifier.workers=1"]
        run(folder, "loop", *ask, *one, f"stage.max_samples={args.sequential}")
    judge_s, judged = run(folder, "judge", "stage=verify", "data=files", "data.path=runs/engine", *judge)
    work, loop = Work.of(folder / "runs/engine"), Work.of(folder / "runs/loop")
    loop_s = working(folder / "runs/loop")
    latency_s = sum(map(sum, work.chains)) / args.concurrency
    return {
        "samples": args.samples,
        "calls": work.calls,
        "pass": metrics["generate/examples"],
        "faults": {name: count for name, count in served["calls"].items() if name != "served"},
        "repeated": served["repeated"],
        "engine_s": engine_s,
        "working_s": working(folder / "runs/engine"),
        "latency_bound_s": max(latency_s, *map(sum, work.chains)),
        "ideal_s": makespan(
            work.chains, args.concurrency, args.workers, judged["verify/s"] * args.workers / work.calls
        ),
        "judge_bound_s": judged["verify/s"],
        "judge_s": judge_s,
        "loop_samples": args.sequential,
        "loop_calls": loop.calls,
        "loop_s": loop_s,
        "loop_all_s": loop_s / loop.calls * work.calls,
    }


def report(found: dict[str, Any], args: argparse.Namespace) -> str:
    """The table of docs/benchmarks.md."""
    bound = max(found["latency_bound_s"], found["judge_bound_s"])
    mean = args.latency * math.exp(args.spread**2 / 2)
    high = args.latency * math.exp(args.spread * NormalDist().inv_cdf(0.95))
    faults, loop = sum(found["faults"].values()), f"{found['loop_samples']} samples, {found['loop_calls']} calls"
    lines = [
        f"{found['samples']} samples, {found['calls']} calls, {found['pass']:.0f} pass, {args.concurrency} in flight",
        f"provider: median {args.latency:g} s, mean {mean:.1f} s, 95 % below {high:.1f} s, {faults} faults, "
        f"{found['repeated']} whole answers repeated",
        f"evaluator: verifier={args.verifier}, {args.workers} workers",
        f"{'engine, whole process':36} {found['engine_s']:9.1f} s",
        f"{'from first question to last verdict':36} {found['working_s']:9.1f} s",
        f"{'bound: latency':36} {found['latency_bound_s']:9.1f} s",
        f"{'bound: evaluator alone':36} {found['judge_bound_s']:9.1f} s",
        f"{'overhead over the larger':36} {(found['working_s'] / bound - 1) * 100:9.1f} %",
        f"{'bound: both waits, no engine':36} {found['ideal_s']:9.1f} s, simulated",
        f"{'overhead over that':36} {(found['working_s'] / found['ideal_s'] - 1) * 100:9.1f} %",
        f"{'one at a time':36} {found['loop_s']:9.1f} s for {loop}",
        f"{'one at a time, all calls':36} {found['loop_all_s']:9.0f} s, extrapolated by calls",
        f"{'engine against one at a time':36} {found['loop_all_s'] / found['engine_s']:9.1f} x",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--sequential", type=int, default=10, help="samples of the run that does one at a time")
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--latency", type=float, default=10.0, help="median, in seconds")
    parser.add_argument("--spread", type=float, default=0.5, help="sigma of the lognormal latency")
    parser.add_argument("--faults", type=float, default=0.0, help="share of calls with a transient fault")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--verifier", default="triton_demo")
    parser.add_argument("--folder", type=Path, help="to keep the runs in")
    args = parser.parse_args()
    cores = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {cores}")
    with tempfile.TemporaryDirectory() as temporary:
        print(report(measure(args, args.folder or Path(temporary)), args))


if __name__ == "__main__":
    main()
