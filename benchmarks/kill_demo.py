"""Is a killed run worth nothing less? The demo, ended by SIGKILL at random moments, then the same command again.

Each killed run has a folder of its own and is killed once. When it has been run to its end, its metrics
(times aside) and the bits of its final weights must be those of runs that nobody killed.

    python benchmarks/kill_demo.py --kills 10 --at-once 2
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RUN = Path(__file__).resolve().parents[1] / "run.py"
OF_TIME = ("wall_s", "verify/s", "verify/kernels", "verify/kernels_per_s", "tokens_per_s")
WEIGHTS = ("raft/model", "seed_only/model")


@dataclass(frozen=True)
class Outcome:
    """What a run left, and how it came about."""

    metrics: dict[str, float]
    weights: dict[str, str]
    seconds: float
    killed_after: float | None = None
    killed_in: str = ""


def start(folder: Path, overrides: list[str]) -> "subprocess.Popen[bytes]":
    """The command, in a folder of its own."""
    folder.mkdir(exist_ok=True)
    with (folder / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, RUN, "name=demo", *overrides], cwd=folder, stdout=output, stderr=output
        )


def finish(folder: Path, overrides: list[str]) -> None:
    """Run it to its end."""
    if start(folder, overrides).wait():
        sys.exit(f"it failed: {(folder / 'output.txt').read_text()[-2000:]}")


def uninterrupted(folder: Path, overrides: list[str]) -> Outcome:
    """A run that nobody kills; one that is complete already is taken as it is."""
    finish(folder, overrides)
    return outcome(folder)


def killed(folder: Path, overrides: list[str], moment: float) -> Outcome:
    """A run that is killed `moment` seconds after its start and then given the same command again."""
    process = start(folder, overrides)
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    if process.wait() != -signal.SIGKILL:
        sys.exit(f"it was complete before the kill at {moment:.1f} s")
    place = unfinished(folder / "runs/demo")
    finish(folder, overrides)
    return outcome(folder, moment, place)


def unfinished(run: Path) -> str:
    """The step that the run was in, with its newest file."""
    begun = [path.parent for path in run.glob("*/config.json") if not (path.parent / "metrics.json").exists()]
    files = [path for folder in begun for path in folder.rglob("*") if path.is_file()]
    newest = max(files, key=lambda path: path.stat().st_mtime, default=None)
    return str(newest.relative_to(run)) if newest else "start"


def outcome(folder: Path, moment: float | None = None, place: str = "") -> Outcome:
    """Read what is left."""
    run = folder / "runs/demo"
    metrics: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    kept = {key: value for key, value in metrics.items() if not key.endswith(OF_TIME) and not _is_verify_time(key)}
    weights = {
        name: hashlib.sha256((run / name / "model.safetensors").read_bytes()).hexdigest()[:16] for name in WEIGHTS
    }
    return Outcome(kept, weights, metrics["wall_s"], moment, place)


def _is_verify_time(key: str) -> bool:
    return key.startswith("verify/") and key.rsplit("/", 1)[-1] in ("s", "kernels")


def main() -> None:
    """Print a row a kill; exit 1 where one is not the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--at-once", type=int, default=2, help="runs at a time")
    parser.add_argument("--whole", type=int, default=1, help="runs that are not killed")
    parser.add_argument("--span", type=float, help="seconds within which a run is killed; as long as a whole one took")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--keep", type=Path, help="folder for the runs; a temporary one without it")
    arguments, overrides = parser.parse_known_args()
    print(
        f"date     {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, {arguments.at_once} runs at a time"
    )
    print(f"command  python {' '.join(sys.argv)}", flush=True)
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(arguments.at_once) as threads:
        root = arguments.keep or Path(temporary)
        root.mkdir(parents=True, exist_ok=True)
        whole = list(threads.map(lambda n: uninterrupted(root / f"whole-{n}", overrides), range(arguments.whole)))
        for one in whole:
            print(f"uninterrupted: {one.seconds:.0f} s, {len(one.metrics)} metrics, {_pass_rates(one)}", flush=True)
        draw = random.Random(arguments.seed)
        span = arguments.span or 0.95 * min(one.seconds for one in whole)
        moments = [draw.uniform(0.5, span) for _ in range(arguments.kills)]
        runs = threads.map(lambda n: killed(root / f"killed-{n}", overrides, moments[n]), range(arguments.kills))
        same = [_row(n, one, whole[0]) for n, one in enumerate(runs, 1)]
    equal = all(one.metrics == whole[0].metrics and one.weights == whole[0].weights for one in whole)
    print(f"{sum(same)} of {len(same)} the same; uninterrupted runs equal: {equal}")
    sys.exit(0 if all(same) and equal else 1)


def _row(number: int, one: Outcome, whole: Outcome) -> bool:
    different = [key for key in whole.metrics | one.metrics if whole.metrics.get(key) != one.metrics.get(key)]
    different += [name for name in WEIGHTS if one.weights[name] != whole.weights[name]]
    verdict = "same" if not different else f"DIFFERENT: {', '.join(different[:5])}"
    print(f"{number:>3}  killed at {one.killed_after:6.1f} s in {one.killed_in:<44} {verdict}", flush=True)
    return not different


def _pass_rates(one: Outcome) -> str:
    return ", ".join(f"{k}={v:.3f}" for k, v in one.metrics.items() if k.endswith("pass@1"))


if __name__ == "__main__":
    main()
