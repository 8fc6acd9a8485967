"""The system calls that Python has no function for: prctl, capset, unshare, Landlock. ctypes only, Linux only."""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

PDEATHSIG, DUMPABLE, SET_NAME, SECCOMP, CAPBSET_DROP, SUBREAPER, NO_NEW_PRIVS = 1, 4, 15, 22, 24, 36, 38
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_THREAD = 0x10000000, 0x20000000, 0x40000000, 0x10000
_NAMESPACES = {"net": CLONE_NEWNET, "ipc": CLONE_NEWIPC, "uts": CLONE_NEWUTS, "pid": CLONE_NEWPID}
_MADV_COLLAPSE = 25  # since Linux 6.1
_CAPSET = {"x86_64": 126, "aarch64": 91}
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446  # the same on every architecture

# Landlock's rights on files, and which of them each ABI knows (linux/landlock.h).
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL_DEV = 1, 2, 4, 8, 1 << 14, 1 << 15
_KNOWN = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV


def checked(result: int, what: str) -> int:
    """`result`, or an OSError with the call's name where it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, value: int | ctypes.c_void_p = 0, pointer: int | ctypes.c_void_p = 0) -> None:
    """Set one attribute of this process. Raises OSError."""
    args = [a if isinstance(a, ctypes.c_void_p) else ctypes.c_ulong(a) for a in (value, pointer)]
    checked(_libc.prctl(ctypes.c_int(option), *args, ctypes.c_ulong(0), ctypes.c_ulong(0)), f"prctl({option})")


def name_process(name: str) -> None:
    """Show `name` (at most 15 bytes) in ps and /proc/PID/comm."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    prctl(SET_NAME, ctypes.c_void_p(ctypes.addressof(buffer)))


def use_huge_pages() -> None:
    """Gather this process's private memory in pages of 2 MiB where the kernel can: a fork then copies fewer tables."""
    size = 1 << 21
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, *_, name = [*line.split(maxsplit=5), ""][:6]
        if rights != "rw-p" or name not in ("", "[heap]"):
            continue
        start, end = (int(bound, 16) for bound in span.split("-"))
        start, end = -(-start // size) * size, end // size * size
        if start < end:
            _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_COLLAPSE)  # no matter if refused


def drop_capabilities() -> None:
    """Empty the capability sets, root's included."""
    for capability in range(41):  # refused without CAP_SETPCAP; the sets below are emptied all the same
        _libc.prctl(CAPBSET_DROP, ctypes.c_ulong(capability), *(ctypes.c_ulong(0),) * 3)
    header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0), 8)
    data = ctypes.create_string_buffer(24)
    number = ctypes.c_long(_CAPSET[platform.machine()])
    checked(_libc.syscall(number, header, data), "capset")


def enter_namespaces() -> list[str]:
    """Move into a new user namespace, under the same user id, and into others where they work; the names of all.

    With "pid", the next child is the first process of that namespace: when it ends, the kernel kills all others there.

    Raises:
        OSError: the kernel, a container's profile or the distribution refuses a user namespace.
    """
    uid, gid = os.geteuid(), os.getegid()
    checked(_libc.unshare(ctypes.c_int(CLONE_NEWUSER)), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    return ["user", *(name for name, flag in _NAMESPACES.items() if _libc.unshare(ctypes.c_int(flag)) == 0)]


def landlock_abi() -> int:
    """Version of Landlock in this kernel; 0 where there is none."""
    version = _libc.syscall(ctypes.c_long(_LANDLOCK_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint(1))
    return max(0, int(version))


def landlock_ruleset(rules: Iterable[tuple[str, int]]) -> int:
    """File descriptor of a ruleset that allows `rules` (path, rights), no other file, no TCP, no signal outside.

    Paths that are not there are left out. Raises OSError where the kernel has no Landlock.
    """
    abi = landlock_abi()
    if not abi:
        raise OSError(errno.ENOSYS, "no Landlock")
    handled = _KNOWN[min(abi, 5)]
    attribute = struct.pack("QQQ", handled, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    buffer = ctypes.create_string_buffer(attribute, 24)
    call = _libc.syscall(ctypes.c_long(_LANDLOCK_CREATE), buffer, ctypes.c_size_t(size), ctypes.c_uint(0))
    ruleset = checked(call, "landlock_create_ruleset")
    for path, rights in rules:
        _add_rule(ruleset, path, rights & handled)
    return ruleset


def _add_rule(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        allowed = rights if Path(path).is_dir() else rights & _ON_FILES
        rule = ctypes.create_string_buffer(struct.pack("=Qi", allowed, fd), 12)
        number, kind = ctypes.c_long(_LANDLOCK_ADD), ctypes.c_int(1)
        checked(_libc.syscall(number, ctypes.c_int(ruleset), kind, rule, ctypes.c_uint(0)), "landlock_add_rule")
    finally:
        os.close(fd)


def landlock_restrict(ruleset: int) -> None:
    """Bind this process to the ruleset for good. NO_NEW_PRIVS must be set."""
    number = ctypes.c_long(_LANDLOCK_RESTRICT)
    checked(_libc.syscall(number, ctypes.c_int(ruleset), ctypes.c_uint(0)), "landlock_restrict_self")


@cache
def gpu_names() -> list[str]:
    """The devices that NVIDIA's driver shows to this process. Asks the driver alone: torch is not imported."""
    return [name for name, _ in gpus()]


def gpus() -> list[tuple[str, str]]:
    """The name of each, and an id that is the same for every process on this machine."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []
    count, name, uuid = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.create_string_buffer(16)
    if library.cuInit(0) or library.cuDeviceGetCount(ctypes.byref(count)):
        return []
    found = []
    for device in range(count.value):
        known = library.cuDeviceGetName(name, len(name), device) == 0
        same = library.cuDeviceGetUuid(uuid, device) == 0
        found.append((name.value.decode() if known else "a GPU", uuid.raw.hex() if same else str(device)))
    return found
