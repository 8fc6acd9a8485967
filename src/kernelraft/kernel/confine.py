"""What a child does to itself before it reads the first untrusted byte. Every step is one-way.

Layers that the machine lacks are left out, and `proven` says which took hold. None is
sufficient alone; Landlock (files) with seccomp (system calls) is, and namespaces add to them.
"""

import contextlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

from kernelraft.kernel import linux, seccomp

_READ = linux.EXECUTE | linux.READ_FILE | linux.READ_DIR
_DEVICE = linux.READ_FILE | linux.WRITE_FILE | linux.IOCTL_DEV
LAYERS = ("user", "net", "ipc", "uts", "pid", "landlock", "seccomp")  # all that there are, the first five namespaces
ENOUGH = frozenset({"landlock", "seccomp"})  # namespaces alone leave the user's files open


@dataclass(frozen=True)
class Limits:
    """Resources of one child. `data_mib` counts private writable memory, what the zygote brought included."""

    cpu_s: int
    data_mib: int
    file_bytes: int = 1 << 20
    may_exec: bool = False
    may_share: bool = False


@dataclass(frozen=True)
class Policy:
    """Built once in the zygote: the ruleset that its children restrict themselves with (None: no Landlock)."""

    ruleset: int | None
    layers: list[str]


def prepare(*, namespaces: bool = True) -> Policy:
    """Enter namespaces where they work and build the ruleset: nothing can be written, little can be read."""
    layers = []
    if namespaces:
        with contextlib.suppress(OSError):
            layers += linux.enter_namespaces()
    ruleset = None
    with contextlib.suppress(OSError):
        ruleset = linux.landlock_ruleset(_readable())
        layers.append("landlock")
    return Policy(ruleset, layers)


def _readable() -> list[tuple[str, int]]:
    """What torch, triton and lazily imported modules may still open. No home, no /etc, no /proc/PID."""
    folders = ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/sys/devices/system", sys.prefix, sys.base_prefix]
    rules = [(path, _READ) for path in [*folders, *filter(os.path.isdir, sys.path)]]
    files = ["/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm/overcommit_memory", "/etc/ld.so.cache"]
    rules += [(path, linux.READ_FILE) for path in files]
    rules += [(f"/dev/{name}", linux.READ_FILE) for name in ("zero", "urandom", "random")]
    return [*rules, ("/dev/null", _DEVICE)]  # who may write to /dev/zero can map it as shared memory


def confine(policy: Policy, limits: Limits) -> list[str]:
    """Close everything; returns the layers that took hold.

    Raises:
        OSError: a layer that `policy` holds was refused: the child must not go on.
    """
    layers = [*policy.layers]
    os.setsid()
    os.chdir("/")
    linux.prctl(linux.PDEATHSIG, signal.SIGKILL)
    _limit(limits)
    linux.prctl(linux.NO_NEW_PRIVS, 1)
    linux.drop_capabilities()
    if policy.ruleset is not None:
        linux.landlock_restrict(policy.ruleset)
        os.close(policy.ruleset)
    with contextlib.suppress(OSError, KeyError):
        seccomp.install(seccomp.program(os.getpid(), may_exec=limits.may_exec, may_share=limits.may_share))
        layers.append("seccomp")
    return layers


def _limit(limits: Limits) -> None:
    data = limits.data_mib << 20
    hard = {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_CPU: (limits.cpu_s, limits.cpu_s + 1),  # SIGXCPU, then SIGKILL
        resource.RLIMIT_FSIZE: (limits.file_bytes, limits.file_bytes),
        resource.RLIMIT_NOFILE: (128, 128),
        resource.RLIMIT_DATA: (data, data),
    }
    if os.geteuid() != 0:  # it binds no root; there the filter's ban on new processes must do
        hard[resource.RLIMIT_NPROC] = (0, 0)
    for which, values in hard.items():
        resource.setrlimit(which, values)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a full log gives an OSError, not a death


def is_enough(layers: list[str]) -> bool:
    """Whether untrusted code may run behind these layers."""
    return set(layers) >= ENOUGH


def proven(layers: list[str]) -> list[str]:
    """Those of `layers` that hold when tried, in a child that has confined itself.

    A confined process cannot look at its other namespaces: these are there as the kernel has let the zygote enter them.
    """
    holds = {
        "pid": os.getppid() == 1,
        "landlock": _refused(lambda: os.listdir("/")),  # noqa: PTH208
        "seccomp": _refused(socket.socket),
    }
    return [layer for layer in layers if holds.get(layer, True)]


def _refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except PermissionError:
        return True
    return False
