"""Kernels judged and timed per second on one GPU and on all: right kernels of the demo, one worker or more a GPU.

python benchmarks/gpu_scaling.py --kernels 32 --workers-per-gpu 4
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version

from gpu_throughput import jobs

from kernelraft.kernel.linux import gpu_names
from kernelraft.records import Sample, Status, Task
from kernelraft.verifier.triton import Triton

Pair = tuple[Task, str]


def judged(work: list[Pair], workers: int, budget_s: float) -> tuple[float, int]:
    """Seconds, and how many passed with a time."""
    verifier = Triton(workers=workers, device="cuda", advisory=[], cache=None, time_budget_s=budget_s)
    with verifier.open() as judge:
        first = [judge.submit(work[0][0], _sample(f"{work[0][1]}\n# warm {n}\n")) for n in range(workers)]
        for future in first:
            future.result()
        started = time.monotonic()
        verdicts = [future.result() for future in [judge.submit(task, _sample(code)) for task, code in work]]
        return time.monotonic() - started, sum(v.status is Status.PASS and v.speedup is not None for v in verdicts)


def _sample(code: str) -> Sample:
    return Sample(id="s", task_id="t", index=0, text=code, code=code)


def main() -> None:
    """Print the machine and a line for each number of GPUs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernels", type=int, default=32)
    parser.add_argument("--workers-per-gpu", type=int, default=4)
    parser.add_argument("--budget", type=float, default=1.0, help="seconds to time one kernel")
    parser.add_argument("--gpus", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.gpus:
        work = [(task, code) for task, code, right in jobs(2 * arguments.kernels) if right][: arguments.kernels]
        _row(arguments, work)
        return
    names = gpu_names()
    print(f"date      {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, {len(names)} x {names[0]}")
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "triton"))
    print(f"versions  Python {platform.python_version()}, {versions}")
    print(f"command   python {' '.join(sys.argv)}\n\nGPUs  workers  seconds  kernels/s  passed", flush=True)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(len(names))))).split(",")
    for count in sorted({1, len(names)}):  # in a process each: the driver looks at the variable once
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": ",".join(visible[:count])}
        subprocess.run([sys.executable, *sys.argv, "--gpus", str(count)], env=environment, check=True)


def _row(arguments: argparse.Namespace, work: list[Pair]) -> None:
    workers = arguments.gpus * arguments.workers_per_gpu
    seconds, passed = judged(work, workers, arguments.budget)
    rate = len(work) / seconds
    print(f"{arguments.gpus:4}  {workers:7}  {seconds:7.1f}  {rate:9.2f}  {passed} / {len(work)}", flush=True)


if __name__ == "__main__":
    main()
