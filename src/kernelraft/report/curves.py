"""What a run logged over its steps and cycles: training losses, and how RAFT went."""

from collections.abc import Iterable
from typing import NamedTuple

from kernelraft.records import Status
from kernelraft.report.folder import Step

Curve = dict[int, float]


class Rounds(NamedTuple):
    """By cycle: share of its judged samples that pass, gate (cycle 0: before the first), examples kept."""

    pass_rate: Curve
    gate: Curve
    kept: Curve


def losses(logged: dict[str, Curve], run: str) -> dict[str, Curve]:
    """The training losses by step, `run` where the run is the step."""
    return {step or run: curve for step, curve in _of(logged, "train", "loss").items()}


def rounds(logged: dict[str, Curve], steps: Iterable[Step], run: str) -> dict[str, Rounds]:
    """By the step that logged a gate or what it kept. Pass rates that it did not log come from its samples."""
    rates = {step.name: rate for step in steps if (rate := pass_rate(step)) is not None}
    gates, kept = _of(logged, "raft", "gate"), _of(logged, "raft", "kept")
    found = {}
    for step in dict.fromkeys([*gates, *kept]):
        inside = f"{step}/" if step else ""
        sampled = {n: rates[f"{inside}cycle-{n}"] for n in kept.get(step, {}) if f"{inside}cycle-{n}" in rates}
        start = {0: rates[f"{inside}gate-0"]} if f"{inside}gate-0" in rates else {}
        found[step or run] = Rounds(
            pass_rate=_of(logged, "raft", "pass_rate").get(step, sampled),
            gate=start | gates.get(step, {}),
            kept=kept.get(step, {}),
        )
    return found


def pass_rate(step: Step) -> float | None:
    """The share of PASS among a step's verdicts that are not ABSTAIN, None without any."""
    verdicts = [judged.verdict for judged in step.judged if judged.verdict is not None]
    known = [verdict for verdict in verdicts if verdict.status is not Status.ABSTAIN]
    return sum(verdict.status is Status.PASS for verdict in known) / len(known) if known else None


def _of(logged: dict[str, Curve], noun: str, quantity: str) -> dict[str, Curve]:
    """The curves '<noun>/<step>/<quantity>' by step, '' where the run is the step."""
    return {
        key.removeprefix(noun).removesuffix(quantity).strip("/"): curve
        for key, curve in logged.items()
        if key.startswith(f"{noun}/") and key.endswith(f"/{quantity}")
    }
