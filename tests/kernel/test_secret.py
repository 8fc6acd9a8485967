import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from kernelraft.kernel.reference import Problem
from kernelraft.kernel.secret import secret

REFERENCE = """
import torch
class Model(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x)
def get_inputs(): return [torch.randn(4, 5)]
def get_init_inputs(): return []
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "kernelraft"


def test_it_is_made_once_and_is_the_users_alone(folder: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: secret(), range(16)))
    assert keys == {(folder / "secret").read_text().strip()}
    assert len(bytes.fromhex(keys.pop())) == 32
    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["secret"]


@pytest.mark.parametrize("content", ["", "00", "no hexadecimal"])
def test_one_that_is_broken_is_named_and_replaced_for_this_process(
    folder: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir()
    (folder / "secret").write_text(content)
    with caplog.at_level(logging.WARNING, "kernelraft"):
        assert secret() != secret()
    assert str(folder / "secret") in caplog.text


def test_without_a_folder_to_keep_it_in_one_is_made_for_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING, "kernelraft"):
        assert len(bytes.fromhex(secret())) == 32
    assert "borderline verdicts" in caplog.text


def inputs(source: str, key: str) -> torch.Tensor:
    found = Problem(source, 2, {"float32": 1e-4}, key).case(loaded=True).trials[0].inputs[0]
    assert isinstance(found, torch.Tensor)
    return found


def test_the_inputs_of_a_problem_follow_from_the_key_and_the_source() -> None:
    first = inputs(REFERENCE, "00")
    assert first.equal(inputs(REFERENCE, "00"))
    assert not first.equal(inputs(REFERENCE, "01"))
    assert not first.equal(inputs(REFERENCE + "# another\n", "00"))
