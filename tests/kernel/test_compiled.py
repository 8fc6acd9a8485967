"""The key of a compiled kernel: all that decides its code, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from kernelraft.kernel.cache import Cache
from kernelraft.kernel.compiled import Binary, Built, Compiled, Texts

SOURCE = '''import torch
import triton
import triton.language as tl

SCALE = 2.0


@triton.jit
def helper(x):
    return x * SCALE


@triton.jit
def kernel(x_ptr, n, BLOCK: tl.constexpr):
    """Doubles."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)  # elements
    x = tl.load(x_ptr + at, mask=at < n)
    tl.store(x_ptr + at, helper(x), mask=at < n)
'''
TL = ["module", "triton.language"]
ARGUMENTS = {"x_ptr": ["pointer", "float32", 0], "n": 16, "BLOCK": 64}


def key(
    source: str = SOURCE, scale: float = 2.0, target: str = "sm_90", helper: str = "helper", **changes: Any
) -> str | None:
    lines = source.split("\n")
    at = {
        name: lines.index(f"def {name}") if f"def {name}" in lines else _line(lines, name)
        for name in ("helper", "kernel")
    }
    kernels = {
        f"helper:{at['helper']}": {"SCALE": scale},
        f"kernel:{at['kernel']}": {"tl": TL, "helper": ["kernel", f"{helper}:{at['helper']}"]},
    }
    arguments, options = ARGUMENTS | changes.pop("arguments", {}), {"num_warps": 4} | changes
    return Texts(source, kernels).key([f"kernel:{at['kernel']}", arguments, options], target)


def _line(lines: list[str], name: str) -> int:
    """Of the decorator of a function, from 1."""
    return next(n for n, line in enumerate(lines) if line.startswith(f"def {name}("))


def test_place_comments_docstrings_and_host_code_do_not_count() -> None:
    moved = "# a comment\n\n" + SOURCE.replace("  # elements", "").replace('    """Doubles."""\n', "") + "\nA = 1\n"
    assert key(moved) == key() is not None


@pytest.mark.parametrize(
    "other",
    [
        {"source": SOURCE.replace("at < n)\n", "at <= n)\n", 1)},
        {"source": SOURCE.replace("x * SCALE", "x + SCALE")},
        {"source": SOURCE.replace("BLOCK: tl.constexpr", "BLOCK")},
        {"scale": 3.0},
        {"target": "sm_80"},
        {"num_warps": 8},
        {"arguments": {"BLOCK": 128}},
        {"arguments": {"n": 2}},
        {"arguments": {"x_ptr": ["pointer", "float32", 4]}},
        {"arguments": {"x_ptr": ["pointer", "float16", 0]}},
    ],
    ids=str,
)
def test_what_decides_the_code_counts(other: dict[str, Any]) -> None:
    assert key(**other) not in (None, key())


def test_a_kernel_that_is_not_in_the_file_has_no_key() -> None:
    assert key(helper="nobody") is None


def test_what_was_built_is_found_again(tmp_path: Path) -> None:
    binary = Binary(b"\x7fELF\x00", "kernel", 1024, [["x_ptr", [], "*fp32"]], 128)
    built = Built("ok", 16, 0, 1024)
    Compiled(Cache(tmp_path / "kept")).put("k", built, binary)
    Compiled(Cache(tmp_path / "kept")).put("amd", built, None)
    again = Compiled(Cache(tmp_path / "kept"))
    assert again.get("k") == (built, binary)
    assert again.get("amd") == (built, None)


def test_mistakes_are_not_kept(tmp_path: Path) -> None:
    kept = Compiled(Cache(tmp_path / "kept"))
    kept.put("k", Built("kernel line 3: no"), None)
    kept.put(None, Built("ok"), None)
    assert kept.get("k") is kept.get(None) is None
