"""What was found out before, on disk: compiled kernels, for all judges of a user, and verdicts.

SQLite, so that several runs may use one file and a kill leaves it whole. Judges and the main process write it;
a candidate's process can open no file.
"""

import logging
import os
import sqlite3
import threading
import time
from pathlib import Path

log = logging.getLogger("kernelraft")
_WAIT_S = 10  # for another process that writes
_MOST_BYTES = 2 << 30  # of values in one file; the oldest tenth is dropped beyond that


def folder(setting: str | None) -> Path | None:
    """Where `verifier.cache` says: a folder, the user's own for "auto", nowhere for None or without a home."""
    if setting is None or setting != "auto":
        return Path(setting).absolute() if setting else None
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kernelraft"
    except RuntimeError:
        return None


class Cache:
    """Bytes by key in the file `path`; without one, or where it cannot be used, it is empty and stays so.

    May be used by several threads, and by a child only where the child opened it.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._base: sqlite3.Connection | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._base = self._opened(path)
        except (OSError, sqlite3.Error) as error:
            log.warning("%s cannot be used (%s): nothing is taken from it", path, error)

    @staticmethod
    def _opened(path: Path) -> sqlite3.Connection:
        base = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("PRAGMA synchronous=OFF")  # a power failure may cost entries: they can be made again
        base.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB, made REAL)")
        (held,) = base.execute("SELECT total(length(value)) FROM entries").fetchone()
        if held > _MOST_BYTES:
            base.execute(
                "DELETE FROM entries WHERE key IN"
                " (SELECT key FROM entries ORDER BY made LIMIT (SELECT count(*) / 10 + 1 FROM entries))"
            )
        return base

    @property
    def used(self) -> bool:
        """Whether anything can be found in it."""
        return self._base is not None

    def get(self, key: str) -> bytes | None:
        """The value, or None where there is none."""
        with self._lock:
            if self._base is None:
                return None
            try:
                row = self._base.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
            except sqlite3.Error as error:
                self._give_up(error)
                return None
        return bytes(row[0]) if row else None

    def put(self, key: str, value: bytes) -> None:
        """Keep a value; the first one of a key stays."""
        with self._lock:
            if self._base is None:
                return
            try:
                self._base.execute("INSERT OR IGNORE INTO entries VALUES (?, ?, ?)", (key, value, time.time()))
            except sqlite3.Error as error:
                self._give_up(error)

    def _give_up(self, error: sqlite3.Error) -> None:
        log.warning("the cache cannot be used any more (%s): nothing is taken from it", error)
        self._base = None

    def close(self) -> None:
        """Let the file go."""
        with self._lock:
            if self._base is not None:
                self._base.close()
            self._base = None
