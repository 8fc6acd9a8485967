"""The page's data: facts as plain JSON, every line of text stored once.

A text is a list of indexes into `lines`; kernels share most of their lines, so
thousands of samples take little more room than their differences. Samples and
tasks are columns: one list a field. -1 stands for "none" in an index.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from kernelraft.records import Target, Task
from kernelraft.report.curves import Curve
from kernelraft.report.facts import UNJUDGED, Facts, outcome, outcomes
from kernelraft.report.folder import Judged, Step, numbers

CURVE_POINTS = 600


class Texts:
    """Numbers texts as they come; the same text has the same number."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.texts: dict[tuple[int, ...], int] = {}

    def add(self, text: str | None) -> int:
        if not text:
            return -1
        lines = tuple(self.lines.setdefault(line, len(self.lines)) for line in text.split("\n"))
        return self.texts.setdefault(lines, len(self.texts))


def page_data(facts: Facts, max_samples: int, source: str, made: str) -> dict[str, Any]:
    """Everything that the page shows; `made` is when, as text.

    Of more than `max_samples` samples the newest steps' are kept, and `left_out` says how many
    of which step are not.
    """
    shown = _newest(facts.steps, max_samples)
    texts = Texts()
    names = [step.name for step in facts.steps]
    pairs = [(names.index(step.name), judged) for step in facts.steps for judged in shown[step.name]]
    needed = {judged.sample.task_id for _, judged in pairs}
    known = {task_id: n for n, task_id in enumerate(sorted(needed & facts.tasks.keys()))}
    return {
        "title": facts.title,
        "source": source,
        "made": made,
        "steps": [_step(step, len(shown[step.name])) for step in facts.steps],
        "times": [step.name for step in facts.times],
        "benchmarks": [{**asdict(benchmark), "tasks": len(benchmark.tasks)} for benchmark in facts.benchmarks],
        "over_control": asdict(facts.over_control) if facts.over_control else None,
        "losses": {name: _points(curve) for name, curve in facts.losses.items()},
        "rounds": {
            name: {quantity: _points(curve) for quantity, curve in rounds._asdict().items()}
            for name, rounds in facts.rounds.items()
        },
        "tasks": _columns([_task(facts.tasks[task_id], texts) for task_id in known]),
        "samples": _columns([_sample(at, judged, known, texts) for at, judged in pairs]),
        "lines": list(texts.lines),
        "texts": list(texts.texts),
    }


def _newest(steps: Sequence[Step], limit: int) -> dict[str, Sequence[Judged]]:
    shown: dict[str, Sequence[Judged]] = {}
    for step in reversed(steps):
        shown[step.name] = step.judged[:limit]
        limit -= len(shown[step.name])
    return shown


def _step(step: Step, shown: int) -> dict[str, Any]:
    return {
        "name": step.name,
        "finished": step.finished,
        "seconds": step.seconds,
        "outcomes": dict(outcomes(step).most_common()),
        "trained": sum(judged.trained for judged in step.judged),
        "trained_passed": sum(judged.trained and outcome(judged) == "pass" for judged in step.judged),
        "is_gate": step.name.rsplit("/", 1)[-1].startswith("gate"),
        "left_out": len(step.judged) - shown,
    }


def _task(task: Task, texts: Texts) -> dict[str, Any]:
    return {
        "id": task.id,
        "kind": task.kind,
        "family": task.family,
        "split": task.split,
        "language": task.language,
        "reference": texts.add(task.reference),
        "prompt": texts.add(task.prompt) if task.prompt != task.reference else -1,
        "tests": texts.add(task.tests),
        "answer": texts.add(task.answer),
    }


def _built(target: Target) -> str:
    """What the page shows of a compiler's result; "compiles" is what it knows as good."""
    if target.said != "ok":
        return target.said
    used = (
        (target.registers, "registers"),
        (target.spills, "bytes spilled"),
        (target.shared, "bytes of shared memory"),
    )
    return ", ".join(["compiles", *(f"{number} {what}" for number, what in used if number)])


def _sample(step: int, judged: Judged, known: dict[str, int], texts: Texts) -> dict[str, Any]:
    sample, verdict = judged.sample, judged.verdict
    start = sample.text.find(sample.code) if sample.code else -1
    timings = numbers({"speedup": verdict.speedup, "reward": verdict.reward} if verdict else {})
    return {
        "step": step,
        "task": known.get(sample.task_id, -1),
        "task_id": "" if sample.task_id in known else sample.task_id,
        "id": sample.id,
        "index": sample.index,
        "turn": sample.turn,
        "text": texts.add(sample.text),
        "code_at": _utf16(sample.text[:start]) if start >= 0 else -1,
        "code_chars": _utf16(sample.code) if start >= 0 else 0,
        "code": texts.add(sample.code) if start < 0 else -1,
        "reasoning": texts.add(sample.reasoning) if sample.reasoning not in sample.text else -1,
        "model": sample.model,
        "finish": sample.finish_reason,
        "tokens": sample.completion_tokens,
        "trained": int(judged.trained),
        "status": str(verdict.status) if verdict else UNJUDGED,
        "reason": outcome(judged),
        "detail": texts.add(verdict.detail) if verdict else -1,
        "compiled": verdict.compiled if verdict else None,
        "correct": verdict.correct if verdict else None,
        "speedup": timings.get("speedup"),
        "reward": timings.get("reward"),
        "targets": [[name, _built(target)] for name, target in verdict.targets.items()] if verdict else [],
        "device": verdict.device if verdict else "",
        "evaluator": verdict.evaluator if verdict else "",
        "seconds": round(verdict.seconds, 3) if verdict else None,
    }


def _utf16(text: str) -> int:
    """Length as JavaScript counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """One list a field."""
    return {key: [row[key] for row in rows] for key in (rows[0] if rows else {})}


def _points(curve: Curve) -> list[tuple[int, float]]:
    """At most about CURVE_POINTS of the curve, evenly taken, the last one always there."""
    points = [(step, float(f"{value:.5g}")) for step, value in curve.items()]
    every = -(-len(points) // CURVE_POINTS) or 1
    return points[-1::-every][::-1]
