"""Reasoning traces of the Trinity pipeline (reasoning_traces.json), one or several turns a row.

Keys: `pytorch_code`; a turn is `triton_code` (`final_triton_code` in the row of
several turns), `reasoning`, `thinking` or `model_reasoning`, and `result`
(`final_result`, or its keys in the row) with `correctness`, `fast_0`, `speedup`.

Only turns whose correctness and fast_0 are true are answers; the one with the
largest speed-up is kept, which need not be the last.

Source: github.com/Prathmesh234/MultiTurnKernel-SFT, whose filter this is.
"""

from dataclasses import dataclass

from kernelraft.data.files.entry import Entry, Row, example_of, sample_of, text
from kernelraft.errors import DataError
from kernelraft.records import Task, digest


@dataclass(frozen=True, slots=True)
class _Turn:
    code: str
    reasoning: str
    fault: str
    speedup: float


def trace(row: Row) -> Entry:
    """Read one trace.

    Raises:
        DataError: a key holds a value of the wrong type.
    """
    reference = text(row, "pytorch_code")
    name = _optional(row, "sample_key") or digest(reference)
    task = Task(
        id=name,
        family=f"{_optional(row, 'source') or 'trace'}/{digest(reference)}",
        language="triton",
        prompt=reference,
        reference=reference,
        split=text(row, "split", "train"),
    )
    turns = [_turn(row), *(_turn(turn) for turn in _turns(row))]
    right = [turn for turn in turns if not turn.fault]
    best = max(right or turns[:1], key=lambda turn: turn.speedup)
    key = digest(name, best.code, best.reasoning)  # a problem may have several traces
    if not right:
        return Entry(id=key, split=task.split, task=task, lacks=turns[0].fault)
    thought = f"<think>\n{best.reasoning}\n</think>\n\n" if best.reasoning else ""
    answer = f"{thought}<triton>\n{best.code}\n</triton>"
    return Entry(
        id=key,
        split=task.split,
        task=task,
        sample=sample_of(task, answer, best.code, best.reasoning, key),
        example=example_of(task, answer, key),
    )


def _turns(row: Row) -> list[Row]:
    turns = row.get("turns") or []
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise DataError(f"expected a list of turns under 'turns', found {type(turns).__name__}")
    return turns


def _turn(row: Row) -> _Turn:
    code = _optional(row, "final_triton_code") or _optional(row, "triton_code")
    thoughts = (_optional(row, key).strip() for key in ("reasoning", "thinking", "model_reasoning"))
    reasoning = next((thought for thought in thoughts if thought), "")
    result = row.get("final_result") or row.get("result") or row
    if not isinstance(result, dict):
        raise DataError(f"expected an object under 'result', found {type(result).__name__}")
    speedup = result.get("speedup")
    return _Turn(
        code=code,
        reasoning=reasoning,
        fault=_fault(code, result),
        speedup=float(speedup) if isinstance(speedup, (int, float)) else 0.0,
    )


def _fault(code: str, result: Row) -> str:
    """Say why a turn is no answer, "" where it is one."""
    if not code.strip():
        return "traces without code"
    for key in ("correctness", "fast_0"):
        value = result.get(key)
        if value is not None and not isinstance(value, bool):
            raise DataError(f"expected true or false under '{key}', found {value!r}")
        if not value:
            return f"traces whose {key} is not true"
    return ""


def _optional(row: Row, key: str) -> str:
    """Read the text under `key`, "" where it is missing or null."""
    return "" if row.get(key) is None else text(row, key)
