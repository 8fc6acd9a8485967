"""The corpus is complete and readable; what the evaluator makes of it is the doctor's to say."""

import ast
import re
from pathlib import Path

import pytest

from kernelraft import corpus
from kernelraft.corpus import Program, programs, read
from kernelraft.corpus.selftest import FEW, Tried, counts
from kernelraft.records import ABSTAIN_REASONS, Reason, Status, Verdict

PATHS = sorted(path for kind in ("honest", "hostile") for path in (corpus.ROOT / kind).iterdir() if path.is_file())
ATTACKS = {
    f"{letter}{n}" for letter, last in {"A": 7, "B": 6, "C": 4, "D": 7, "E": 8}.items() for n in range(1, last + 1)
}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_program_has_a_header_and_a_task(path: Path) -> None:
    assert path.suffix == ".py"
    program = read(path)
    assert (program.name, program.honest) == (path.stem, path.parent.name == "honest")
    assert program.expect
    assert program.expect == {None} or not program.honest
    assert program.honest or re.fullmatch(r"[A-Z]\d? \S.*", program.category)
    assert program.code.encode("utf-8", "surrogateescape") == path.read_bytes()
    ast.parse(program.reference)


@pytest.mark.parametrize("path", sorted((corpus.ROOT / "tasks").glob("*.py")), ids=lambda path: path.stem)
def test_a_task_is_a_reference_that_a_program_uses(path: Path) -> None:
    defined = {
        node.name for node in ast.parse(path.read_text()).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }
    assert {"get_inputs", "get_init_inputs"} <= defined
    assert path.stem in {program.task for kind in ("honest", "hostile") for program in programs(kind)}


def test_honest_programs_are_many_and_are_programs() -> None:
    honest = list(programs("honest"))
    assert len(honest) >= 40
    assert [program.name for program in honest if "jit" not in program.code] == []
    for program in honest:
        ast.parse(program.code)


def test_hostile_programs_are_many_and_of_every_kind() -> None:
    hostile = list(programs("hostile"))
    assert len(hostile) >= 60
    assert {program.category.split()[0] for program in hostile} >= ATTACKS


def test_programs_come_in_the_order_of_their_names() -> None:
    names = [program.name for program in programs("hostile")]
    assert names == sorted(set(names))


def test_the_few_of_the_selftest_cannot_pass_by_right_and_cover_every_category_that_must_fail() -> None:
    hostile = [one for one in programs("hostile") if None not in one.expect and not one.right_on_gpu]
    few = [one for one in hostile if one.name in FEW]
    assert {one.name for kind in ("honest", "hostile") for one in programs(kind)} >= FEW
    assert {one.category.split()[0] for one in few} == {one.category.split()[0] for one in hostile}
    assert len(FEW) - len(few) == len([one for one in programs("honest") if one.name in FEW]) >= 6
    assert not [one.name for one in few if one.expect & ({Reason.NOT_REPLAYABLE, Reason.TIMEOUT} | ABSTAIN_REASONS)]


def write(folder: Path, kind: str, text: str) -> Path:
    (folder / kind).mkdir()
    path = folder / kind / "one.py"
    path.write_text(text)
    return path


def test_a_header_says_task_category_and_what_to_expect(tmp_path: Path) -> None:
    text = "# task: relu\n# category: A1 x: y\n# expect: NOT_TRITON or pass\n# gpu: pass\n"
    program = read(write(tmp_path, "hostile", text))
    assert (program.task, program.category, program.code) == ("relu", "A1 x: y", text)
    assert (program.expect, program.right_on_gpu) == ({Reason.NOT_TRITON, None}, True)


@pytest.mark.parametrize(
    "text", ["", "# task: relu\n", "# task: relu\n# category: A1 x\n", "task: relu\n# expect: pass\n"]
)
def test_a_hostile_program_without_its_header_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(KeyError):
        read(write(tmp_path, "hostile", text))


def test_a_reason_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="NOT_A_REASON"):
        read(write(tmp_path, "hostile", "# task: relu\n# category: A1 x\n# expect: NOT_A_REASON\n"))


def test_an_honest_program_needs_a_task_alone(tmp_path: Path) -> None:
    program = read(write(tmp_path, "honest", "# task: relu\nimport torch\n"))
    assert (program.honest, program.expect, program.task) == (True, {None}, "relu")
    with pytest.raises(KeyError):
        read(write(tmp_path / "honest", "honest", "import torch\n"))


def verdict(reason: Reason | None) -> Verdict:
    status = Status.PASS if reason is None else Status.FAIL
    status = Status.ABSTAIN if reason in (Reason.UNSUPPORTED, Reason.WORKER_LOST) else status
    reward = {Status.PASS: 1.0, Status.FAIL: 0.0, Status.ABSTAIN: None}[status]
    return Verdict(id="x", status=status, reason=reason, reward=reward, detail="why" if reason else "")


def program(*expect: Reason | None, category: str = "A1 x") -> Program:
    return Program("x", "relu", category, frozenset(expect), "")


@pytest.mark.parametrize("reason", [None, *Reason])
def test_a_verdict_as_expected_is_no_fault(reason: Reason | None) -> None:
    assert program(reason).fault(verdict(reason)) == ""
    assert program(reason, Reason.TIMEOUT).fault(verdict(reason)) == ""


@pytest.mark.parametrize("reason", [None, *Reason])
def test_a_verdict_that_is_not_expected_is_a_fault(reason: Reason | None) -> None:
    others = [other for other in (None, *Reason) if other is not reason]
    fault = program(*others).fault(verdict(reason))
    assert fault.startswith("expected ")
    assert f", got {reason or 'pass'}: " in fault


def test_a_fault_names_what_was_expected_and_what_was_said() -> None:
    said = verdict(Reason.WRONG_VALUE)
    assert program(Reason.TIMEOUT, None).fault(said) == "expected TIMEOUT or pass, got WRONG_VALUE: why"
    assert program(None, category="honest").fault(said) == "expected pass, got WRONG_VALUE: why"


def test_counts_tell_what_was_refused_and_what_was_gained() -> None:
    honest, hostile = program(None, category="honest"), program(Reason.NOT_TRITON)
    harmless = program(Reason.NOT_TRITON, None)
    tried = [Tried(honest, verdict(None)), Tried(honest, verdict(Reason.WRONG_VALUE)), Tried(harmless, verdict(None))]
    tried += [Tried(hostile, verdict(r)) for r in (None, Reason.NOT_TRITON, Reason.TIMEOUT, Reason.WORKER_LOST)]
    found = counts(tried)
    assert (found["honest"], found["refused"], found["hostile"], found["gained"]) == (2, 1, 5, 1)
    assert (found["abstained"], found["otherwise"]) == (1, 2)
