"""The reference as its own candidate: it must pass, with a speed-up of 1; and how far two measurements agree.

The problems are the corpus's own tasks, or those of a checkout of KernelBench. Operators of torch are allowed here.

    python benchmarks/identity.py --problems 40
    python benchmarks/identity.py --problems 40 --data KernelBench/KernelBench --levels 1 2
"""

import argparse
import ast
import json
import platform
import statistics
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from kernelraft.corpus import ROOT
from kernelraft.data.kernelbench import KernelBench
from kernelraft.records import Sample, Status, Task, Verdict
from kernelraft.verifier.triton import Triton


def tasks(arguments: argparse.Namespace) -> list[Task]:
    """Evenly spread over all that there are."""
    if arguments.data:
        source = KernelBench(
            path=arguments.data, revision="", levels=arguments.levels, test_levels=arguments.levels, limit=None
        )
        found = list(source.tasks())
    else:
        found = [
            Task(id=path.stem, family=path.stem, language="triton", prompt="", reference=path.read_text())
            for path in sorted((ROOT / "tasks").glob("*.py"))
        ]
    step = max(1, len(found) // arguments.problems)
    return found[::step][: arguments.problems]


def as_candidate(reference: str) -> str:
    """The same module under the name that a candidate has, super() calls included."""
    tree = ast.parse(reference)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == "Model":
            node.name = "ModelNew"
        elif isinstance(node, ast.Name) and node.id == "Model":
            node.id = "ModelNew"
    return ast.unparse(tree)


def main() -> None:
    """Judge every problem, twice by default; print a line for each, then the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=40)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--levels", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--budget", type=float, default=2.0, help="seconds to time one problem")
    parser.add_argument("--rounds", type=int, default=2, help="1: do not measure repeatability")
    parser.add_argument("--out", type=Path, help="all verdicts, as JSON")
    arguments = parser.parse_args()
    chosen = tasks(arguments)
    verifier = Triton(
        cache=None,
        workers=arguments.workers,
        allow_torch=True,
        advisory=[],
        timeout_s=120.0,
        time_budget_s=arguments.budget,
    )
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "triton"))
    print(f"date      {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    print(f"versions  Python {platform.python_version()}, {versions}")
    print(f"command   python {' '.join(sys.argv)}", flush=True)
    rounds: list[list[Verdict]] = []
    with verifier.open() as judge:
        for number in range(arguments.rounds):
            started = time.monotonic()
            waiting = [judge.submit(task, _sample(task, number)) for task in chosen]
            rounds.append([future.result() for future in waiting])
            print(f"round {number + 1}   {time.monotonic() - started:.1f} s", flush=True)
            if arguments.out:
                rows = [
                    [t.id, v.status, v.reason, v.detail, v.speedup, v.kernel_us, v.reference_us, v.seconds]
                    for r in rounds
                    for t, v in zip(chosen, r, strict=True)
                ]
                arguments.out.write_text(json.dumps(rows))
    _print(chosen, rounds)


def _sample(task: Task, number: int) -> Sample:
    code = as_candidate(task.reference) + f"\n# round {number}\n"
    return Sample(id=task.id, task_id=task.id, index=number, text=code, code=code)


def _print(chosen: list[Task], rounds: list[list[Verdict]]) -> None:
    print(f"device    {rounds[0][0].device}\n")
    for task, one, two in zip(chosen, rounds[0], rounds[-1], strict=True):
        said = f"{one.status}" + (f" {one.reason}: {one.detail[:90]}" if one.reason else "")
        timed = (
            f"{one.kernel_us:10.1f} {one.reference_us:10.1f} {one.speedup:6.3f} {two.speedup or 0:6.3f}"
            if one.speedup
            else ""
        )
        print(f"{task.id[:44]:<45}{said:<6}{timed}")
    judged = [v for v in rounds[0] if v.status is not Status.ABSTAIN]
    passed = sum(v.status is Status.PASS for v in judged)
    print(f"\npass {passed} of {len(judged)} that can be judged; {len(chosen) - len(judged)} abstain")
    ratios = [v.speedup for v in rounds[0] if v.speedup]
    if ratios:
        print(f"speed-up: median {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")
    if ratios and len(rounds) > 1:
        pairs = [(a.kernel_us, b.kernel_us) for a, b in zip(*rounds[:2], strict=True) if a.kernel_us and b.kernel_us]
        apart = sorted(abs(a - b) / min(a, b) for a, b in pairs)
        p95 = apart[min(len(apart) - 1, int(0.95 * len(apart)))]
        print(f"two measurements of a program differ by {statistics.median(apart):.2%} (median), {p95:.2%} (p95)")


if __name__ == "__main__":
    main()
