"""What this machine has, as `stage=doctor` tells it: a line each."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("torch", "triton", "lightning", "transformers", "hydra-core")
OPTIONAL = {  # who needs it
    "peft": "trainer=lora or qlora",
    "bitsandbytes": "trainer.optimizer=adamw_8bit",
    "wandb": "tracker=wandb",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`ok` None: not needed for the demo, only told."""

    what: str
    ok: bool | None
    found: str


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.release()} {platform.machine()}"
    return Finding("Python >= 3.11 on Linux", sys.version_info >= (3, 11) and sys.platform == "linux", found)


def _cores() -> Finding:
    return Finding("cores", None, str(len(os.sched_getaffinity(0))))


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    free = shutil.disk_usage(".").free / 2**30
    return Finding("4 GiB of memory, 1 GiB of disk", total >= 4 and free >= 1, f"{total:.1f} GiB, {free:.0f} GiB free")


def _packages() -> Finding:
    found, missing = [], []
    for name in (*PACKAGES, *OPTIONAL):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    said = [f"{name} MISSING" + (f" (for {OPTIONAL[name]})" if name in OPTIONAL else "") for name in missing]
    return Finding("packages", not set(missing) & set(PACKAGES), ", ".join(said + found))


def _gpu() -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding("GPU", None, "none: kernels are interpreted and compiled, not timed")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding("GPU", None, ", ".join(names))


def _compilers() -> Finding:
    """Triton's ptxas, and C's, with which torch.compile and Triton build what they launch kernels by."""
    spec = importlib.util.find_spec("triton")
    folder = Path(spec.origin).parent / "backends/nvidia/bin" if spec and spec.origin else Path()
    found = [f"{path.name} {_release(path)}" for path in sorted(folder.glob("ptxas*"))]
    c = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    said = [*(found or ["no ptxas: nothing is compiled for NVIDIA"]), c or "no C compiler: no launches on a GPU"]
    return Finding("compilers", bool(found), ", ".join(said))


def _release(program: Path) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20)
    return done.stdout.rpartition("release ")[2].partition(",")[0] or "does not run"


def _keys() -> Finding:
    """Which keys are set; never what they are."""
    names = ("HF_TOKEN", "WANDB_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY")
    present = [name for name in names if os.environ.get(name)]
    return Finding("keys", None, f"{', '.join(present) or 'none'} set; the demo needs none")


BEFORE = (_python, _cores, _packages, _memory, _gpu, _compilers)  # told before the evaluator is tried
AFTER = (_keys,)
