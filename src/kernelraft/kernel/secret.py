"""The key from which all inputs of trials follow: unknown to models and candidates, the same for all runs of a user.

So a verdict can be repeated, after a kill as in another run, and cannot be prepared for.
"""

import contextlib
import logging
import os
import tempfile
from pathlib import Path

log = logging.getLogger("kernelraft")
_BYTES = 32


def secret() -> str:
    """The key in hexadecimal, made at first use. One of this process alone where no file can be kept."""
    path = Path("kernelraft/secret")
    try:
        path = _folder() / "secret"
        if not path.exists():
            _make(path)
        key = path.read_text().strip()
        if len(bytes.fromhex(key)) >= _BYTES:
            return key
        why = f"expected {_BYTES} bytes in hexadecimal"
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: there is no home
        why = str(error)
    log.warning("%s cannot be used (%s): borderline verdicts may differ from run to run", path, why)
    return os.urandom(_BYTES).hex()


def _folder() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "kernelraft"


def _make(path: Path) -> None:
    """Write it whole or not at all; of two processes at once, the first wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=path.parent)  # mode 0600
    with os.fdopen(handle, "w") as file:
        file.write(os.urandom(_BYTES).hex() + "\n")
    try:
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()
