"""Finds the program in what a model wrote. Stdlib only.

The program is always a piece of the message, byte for byte: what is judged is
what was written, and what is trained is what was judged.
"""

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^[ \t]*```+([^`\n]*)$", re.MULTILINE)
_LANGUAGES = frozenset({"", "python", "py", "python3", "triton"})
_LONGEST = 1 << 19  # characters: the parser takes 400 bytes of memory for each
_ENTRY = re.compile(r"^class[ \t]+\w*New\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """The two parts of a message; each is "" where it is not there."""

    reasoning: str
    code: str


def whole(reasoning: str, text: str) -> str:
    """A message with its reasoning in <think>; what no file can hold, as half of a cut emoji, is replaced."""
    joined = f"<think>\n{reasoning.strip()}\n</think>\n\n{text}" if reasoning.strip() else text
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def said(text: str) -> str:
    """A message without its reasoning: all that a model is shown of its earlier turns."""
    _, closed, rest = text.rpartition("</think>")
    return rest.lstrip("\n") if closed else text


def tagged(reasoning: str, code: str, tag: str = "triton") -> str | None:
    """A message of its reasoning in <think> and its program, byte for byte, in <`tag`>.

    None where such a message would not give the same program back, as one with the closing tag in it.
    """
    end = "" if code.endswith("\n") else "\n"
    text = whole(reasoning, f"<{tag}>\n{code}{end}</{tag}>")
    back = extract(text.replace(f"<{tag}>", "<triton>").replace(f"</{tag}>", "</triton>"))
    return text if code.strip() and back.code.rstrip("\n") == code.rstrip("\n") else None


def extract(text: str) -> Answer:
    """Split a whole message into its reasoning and its program.

    The reasoning is what stands in <think>…</think> (a chat template may have
    written the opening tag, then it is missing here). The program is searched
    after it: the last complete <triton>…</triton>, else the last fenced block
    that defines a class named …New, else the longest fenced block, else all of
    it where that is Python with such a class. A message that was cut off inside
    <think> or <triton> has no program.
    """
    before, closed, rest = text.rpartition("</think>")
    if not closed:
        return Answer("", "" if "<think>" in text else _program(text))
    return Answer(before.partition("<think>")[2].strip() or _unopened(before), _program(rest))


def _unopened(before: str) -> str:
    return "" if "<think>" in before else before.strip()


def _program(text: str) -> str:
    if "<triton>" in text:
        block = _last_block(text)
        return _fenced(block) or block
    return _fenced(text) or _bare(text)


def _last_block(text: str) -> str:
    end = text.rfind("</triton>")
    start = text.rfind("<triton>", 0, max(end, 0))
    if start < 0:
        return ""
    return _without_first_line_end(text[start + len("<triton>") : end])


def _without_first_line_end(block: str) -> str:
    return block.removeprefix("\r").removeprefix("\n")


def _fenced(text: str) -> str:
    blocks = list(code_blocks(text))
    entries = [block for block in blocks if _ENTRY.search(block)]
    if entries:
        return entries[-1]
    return max(blocks, key=len, default="")


def code_blocks(text: str) -> Iterator[str]:
    """Yield the contents of complete fences in a language that can be a kernel's."""
    opened: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if opened is None:
            opened = fence
        elif not fence[1].strip():
            if opened[1].strip().lower() in _LANGUAGES:
                yield text[opened.end() + 1 : fence.start()]
            opened = None


def _bare(text: str) -> str:
    code = text.strip("\r\n")
    return code if _ENTRY.search(code) and is_python(code) else ""


def is_python(text: str) -> bool:
    """Whether all of `text` parses as Python; what is longer than any program here is not tried."""
    if len(text) > _LONGEST:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes in the model's strings
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
