import re
from contextlib import contextmanager
from dataclasses import replace

import pytest

from kernelraft.errors import StageError, VerifierUnavailable
from kernelraft.stage import machine
from kernelraft.stage.doctor import Doctor
from tests.conftest import FakeVerifier, execute

ANY_WILL_DO = FakeVerifier()
NONE_WILL_DO = FakeVerifier(right=lambda t, code: False)
CAREFUL = FakeVerifier(right=lambda t, code: "x + 1.5, mask" in code)
LOST = FakeVerifier(abstain=lambda t, code: True)


class Unavailable(FakeVerifier):
    @contextmanager
    def open(self):
        raise VerifierUnavailable("expected landlock and seccomp, found no layer; use another kernel")
        yield


class Confined(FakeVerifier):
    def _verdict(self, task, sample):
        return replace(super()._verdict(task, sample), sandbox=("user", "uts", "landlock", "seccomp"))


def examine(verifier, folder):
    return execute(Doctor(verifier=verifier, corpus=False), folder)


def printed(capfd):
    """The table's text, the lines of each column joined."""
    rows = [line.split("│")[1:-1] for line in capfd.readouterr().err.splitlines() if line.startswith("│")]
    return "\n".join(" ".join(cell.strip() for cell in column) for column in zip(*rows, strict=True))


def test_a_machine_on_which_the_evaluator_tells_right_from_wrong_is_ready(tmp_path, capfd):
    metrics = examine(CAREFUL, tmp_path)
    said = printed(capfd)
    assert metrics["doctor/checks"] >= 7
    assert "MISSING" not in said and "right kernel pass, wrong one fail" in said


def test_layers_that_hold_are_named_and_those_that_the_machine_does_not_give(tmp_path, capfd):
    examine(Confined(right=CAREFUL.right), tmp_path)
    assert "confined by user, uts, landlock, seccomp; not by net, ipc, pid" in printed(capfd)


def test_a_verifier_that_cannot_start_is_named_with_its_reason(tmp_path, capfd):
    with pytest.raises(StageError, match="not ready for the demo: evaluator; the table above") as error:
        examine(Unavailable(), tmp_path)
    said = printed(capfd)
    assert "MISSING" in said and "expected landlock and seccomp, found no layer" in said
    assert "\n" not in str(error.value) and not (tmp_path / "metrics.json").exists()


@pytest.mark.parametrize(
    ("verifier", "told"),
    [
        (ANY_WILL_DO, "right kernel pass, wrong one pass"),
        (NONE_WILL_DO, "right kernel fail (WRONG_VALUE"),
        (LOST, "right kernel abstain (WORKER_LOST"),
    ],
)
def test_an_evaluator_that_cannot_tell_right_from_wrong_is_not_ready(tmp_path, capfd, verifier, told):
    with pytest.raises(StageError, match="evaluator"):
        examine(verifier, tmp_path)
    assert told in printed(capfd)


def test_everything_that_is_missing_is_named_at_once(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(machine, "PACKAGES", ("pytest", "no-such-package"))
    with pytest.raises(StageError, match="not ready for the demo: packages, evaluator"):
        examine(Unavailable(), tmp_path)
    assert "no-such-package MISSING" in printed(capfd)


def test_the_compilers_are_named_with_their_release(monkeypatch):
    found = machine._compilers()
    assert found.ok and re.search(r"ptxas \d+\.\d+", found.found)
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    assert "no C compiler" in machine._compilers().found


def test_keys_are_named_and_never_shown(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    examine(CAREFUL, tmp_path)
    said = printed(capfd)
    assert "OPENAI_API_KEY" in said and "HF_TOKEN" not in said and "sk-very-secret" not in said
    assert not any(b"sk-very-secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
