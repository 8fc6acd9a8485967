"""What a candidate's process reports about itself, and how its exceptions become one line a model can learn from."""

import re
import sys
import traceback
from types import FrameType

from kernelraft.records import Reason

FILE = "candidate.py"  # what the candidate's code object is called; no such file exists
KERNELS = "kernel_"  # files, in memory too, that hold a kernel each; see lift.write_out
ORIGIN: dict[str, dict[int, int]] = {}  # of such a file: its lines -> the candidate's lines
MAX_DETAIL = 500
_PATH = re.compile(r"(?<![\w.])/(?:[\w.+-]+/)+")
_NO_MEMORY = re.compile(r"can't allocate memory|Unable to allocate|Cannot allocate memory", re.I)


class Fault(BaseException):
    """Ends a candidate's run with a reason. Not an Exception: `except Exception` shall not hide it."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def tidy(text: str) -> str:
    """At most MAX_DETAIL characters, no absolute folder, no control character but line ends."""
    shown = "".join(c if c.isprintable() or c == "\n" else " " for c in _PATH.sub("", text))
    return shown.strip()[:MAX_DETAIL]


def classify(error: BaseException) -> tuple[Reason, str]:
    """Reason and detail of what escaped from a candidate's code."""
    if isinstance(error, Fault):
        return error.reason, tidy(error.detail)
    message = str(error).strip().split("\n")[0]
    if isinstance(error, MemoryError) or _NO_MEMORY.search(message):
        return Reason.OUT_OF_MEMORY, tidy(f"{type(error).__name__}: {message or 'the memory limit was reached'}")
    if isinstance(error, SyntaxError) and error.filename == FILE:
        return Reason.SYNTAX, tidy(f"line {error.lineno}: {error.msg}")
    return Reason.RUNTIME_ERROR, tidy(f"{type(error).__name__}: {message}{_where(error)}")


def _where(error: BaseException) -> str:
    """' (line 12 in kernel: x = tl.load(p))': the innermost line of the candidate's own."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == FILE or f.filename in ORIGIN]
    if not frames:
        return ""
    last = frames[-1]
    return f" (line {_own_line(last.filename, last.lineno or 0)} in {last.name}: {last.line})"


def _own_line(file: str, line: int) -> int:
    """The line of the candidate's file."""
    return ORIGIN.get(file, {}).get(line, line)


def line_now() -> str:
    """'line 12', where the candidate's code stands at this moment."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != FILE and frame.f_code.co_filename not in ORIGIN:
        frame = frame.f_back
    return f"line {_own_line(frame.f_code.co_filename, frame.f_lineno)}" if frame else "its code"
