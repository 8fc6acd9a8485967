"""Scripts that run in Triton's interpreter as candidates' kernels do, each in a process of its own: it is patched."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_BEFORE = """
import json
import torch, triton
import triton.language as tl
from kernelraft.kernel.interpreting import gaps, interpreter

gaps.install()
interpreter.install()
"""


def answer(script: str, folder: Path) -> Any:
    """What the script leaves in `answer`."""
    path = folder / "script.py"  # a file: Triton reads the source of a kernel
    path.write_text(f"{_BEFORE}{script}\nprint(json.dumps(answer))\n")
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
