"""Whose turn it is on a GPU is known to all runs of a user."""

import fcntl
import os
import tempfile
from pathlib import Path

import pytest

from kernelraft.kernel.gpu.locks import lock_files, locked


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The two files of one GPU, as two pools of one user open them."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = [lock_files(["4ad1", "77"]) for _ in range(2)]
    return [[f"/proc/self/fd/{fd}" for fd in descriptors[:2]] for descriptors in found]


def test_two_runs_open_the_same_files(paths: list[list[str]]) -> None:
    one, other = ([os.stat(path).st_ino for path in pool] for pool in paths)  # noqa: PTH116
    assert one == other
    assert len(set(one)) == 2


def test_who_measures_keeps_other_runs_away_and_who_tests_does_not(paths: list[list[str]]) -> None:
    def free(path: str) -> bool:
        with Path(path).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    with locked(paths[0], shared=True):
        assert free(paths[1][0])
    with locked(paths[0], shared=False):
        assert not free(paths[1][0])
    assert free(paths[1][0])


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lock_files(["a"])
    real = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: real)
    os.rename(tmp_path / f"kernelraft-{real}", tmp_path / f"kernelraft-{real + 1}")  # noqa: PTH104
    monkeypatch.setattr(os, "getuid", lambda: real + 1)
    with pytest.raises(PermissionError, match="belongs to another user"):
        lock_files(["a"])
