"""What is kept is found again, by others too; what cannot be used costs nothing but a line."""

import logging
import multiprocessing
from pathlib import Path

import pytest

from kernelraft.kernel import cache as module
from kernelraft.kernel.cache import Cache, folder


def test_a_value_is_found_again_by_another_process_of_the_same_user(tmp_path: Path) -> None:
    first = Cache(tmp_path / "deep" / "kept.sqlite")
    first.put("a", b"\x00one")
    assert Cache(tmp_path / "deep" / "kept.sqlite").get("a") == b"\x00one"
    assert first.get("b") is None


def test_the_first_value_of_a_key_stays(tmp_path: Path) -> None:
    kept = Cache(tmp_path / "kept.sqlite")
    kept.put("a", b"one")
    kept.put("a", b"two")
    assert kept.get("a") == b"one"


def _write(path: Path, name: str) -> None:
    kept = Cache(path)
    for number in range(50):
        kept.put(f"{name}{number}", name.encode())


def test_several_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(tmp_path / "kept.sqlite", name)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    kept = Cache(tmp_path / "kept.sqlite")
    assert all(kept.get(f"{name}{number}") == name.encode() for name in "abc" for number in range(50))


def test_the_oldest_go_where_it_has_grown_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Cache(tmp_path / "kept.sqlite")
    for number in range(20):
        kept.put(str(number), bytes(100))
    kept.close()
    monkeypatch.setattr(module, "_MOST_BYTES", 1000)
    again = Cache(tmp_path / "kept.sqlite")
    assert [number for number in range(20) if again.get(str(number)) is None] == [0, 1, 2]


def test_a_file_that_is_no_cache_is_left_alone_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "kept.sqlite").write_text("something else entirely, of some length " * 100)
    with caplog.at_level(logging.WARNING, "kernelraft"):
        kept = Cache(tmp_path / "kept.sqlite")
    kept.put("a", b"one")
    assert kept.get("a") is None
    assert "cannot be used" in caplog.text
    assert (tmp_path / "kept.sqlite").read_text().startswith("something else")


def test_without_a_path_or_after_its_end_it_is_empty(tmp_path: Path) -> None:
    kept = Cache(tmp_path / "kept.sqlite")
    kept.put("a", b"one")
    kept.close()
    for empty in (kept, Cache(None)):
        empty.put("a", b"one")
        assert empty.get("a") is None


def test_folder_is_the_users_own_a_path_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert folder("auto") == Path("/somewhere/kernelraft")
    assert folder("/a/b") == Path("/a/b")
    assert folder(None) is None
