"""What a run came to, in numbers: summary.json."""

from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from kernelraft.conversation.exchange import Exchange, runs
from kernelraft.records import ABSTAIN_REASONS, Conversation, Status
from kernelraft.tracker import Metrics


@dataclass(slots=True)
class Summary:
    """Takes one conversation after the other."""

    tasks: int = 0
    solved: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)
    buckets: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    finishes: Counter[str] = field(default_factory=Counter)
    turns: Counter[int] = field(default_factory=Counter)
    judged: Counter[int] = field(default_factory=Counter)
    compiled: Counter[int] = field(default_factory=Counter)
    passed: Counter[int] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    speedups: list[float] = field(default_factory=list)
    dollars: float | None = None
    judge_s: float = 0.0

    def add(self, conversation: Conversation, turns: list[Exchange]) -> None:
        """Count one in."""
        self.statuses[conversation.status] += 1
        self.stops[conversation.stop] += 1
        self.buckets[conversation.bucket] += 1
        self.turns[len(turns)] += 1
        for number, turn in enumerate(turns):
            self._turn(number, turn)
        if conversation.best is not None:
            speedup = conversation.turns[conversation.best].speedup
            self.speedups += [] if speedup is None else [speedup]

    def _turn(self, number: int, turn: Exchange) -> None:
        sample, verdict = turn.sample, turn.verdict
        self.finishes[sample.finish_reason] += 1
        self.tokens["input"] += sample.prompt_tokens - sample.cached_tokens
        self.tokens["cache_read"] += sample.cached_tokens
        self.tokens["output"] += sample.completion_tokens
        if sample.dollars is not None:
            self.dollars = (self.dollars or 0.0) + sample.dollars
        self.judge_s += verdict.seconds
        if verdict.reason is not None:
            self.errors[verdict.reason] += 1
        if verdict.status is not Status.ABSTAIN:
            self.judged[number] += 1
            self.compiled[number] += runs(verdict)
            self.passed[number] += verdict.status is Status.PASS

    def data(self) -> dict[str, Any]:
        """As summary.json holds it. Rates of turns are among those that were judged."""
        talks = self.statuses.total()
        known = talks - self.statuses[Status.ABSTAIN]
        numbers = sorted(self.judged)
        return {
            "tasks": self.tasks,
            "tasks_solved": self.solved,
            "conversations": {"total": talks} | {str(status): self.statuses[status] for status in Status},
            "correct_rate": _share(self.statuses[Status.PASS], known),
            "turns": {
                "total": sum(number * count for number, count in self.turns.items()),
                "judged": self.judged.total(),
                "mean": _share(sum(number * count for number, count in self.turns.items()), talks),
                "min": min(self.turns, default=0),
                "max": max(self.turns, default=0),
                "compile_rate": _share(self.compiled.total(), self.judged.total()),
                "correct_rate": _share(self.passed.total(), self.judged.total()),
            },
            "by_turn": [
                {
                    "turn": number + 1,
                    "judged": self.judged[number],
                    "compile_rate": _share(self.compiled[number], self.judged[number]),
                    "correct_rate": _share(self.passed[number], self.judged[number]),
                }
                for number in numbers
            ],
            "buckets": {name: self.buckets[name] for name in ("good", "moderate", "poor")},
            "stops": dict(self.stops.most_common()),
            "errors": dict(self.errors.most_common()),
            "finish_reasons": dict(self.finishes.most_common()),
            "speedup": {"timed": len(self.speedups), "median": median(self.speedups) if self.speedups else None},
            "tokens": {name: self.tokens[name] for name in ("input", "output", "cache_read")},
            "dollars": None if self.dollars is None else round(self.dollars, 6),
            "judge_s": round(self.judge_s, 3),
        }

    def metrics(self, kernels: int, busy_s: float) -> Metrics:
        """The same as a tracker and a pipeline read it; `kernels` were evaluated in `busy_s` seconds."""
        talks, turns = self.statuses.total(), self.judged.total()
        abstained = sum(self.errors[reason] for reason in ABSTAIN_REASONS)
        return {
            "generate/conversations": float(talks),
            "generate/samples": float(turns + abstained),
            "generate/examples": float(self.statuses[Status.PASS]),
            "generate/dollars": self.dollars or 0.0,
            "verify/kernels": float(kernels),
            "verify/s": round(busy_s, 3),
            "verify/pass_rate": _share(self.passed.total(), turns),
            "verify/compile_rate": _share(self.compiled.total(), turns),
            "verify/abstain_rate": _share(abstained, turns + abstained),
        }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
