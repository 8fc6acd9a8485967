"""A seccomp filter, assembled here: libseccomp's Python binding costs 6 to 11 ms a process, this 0.4 ms."""

import ctypes
import errno
import mmap
import platform
import struct

from kernelraft.kernel import linux

# name -> number (x86_64, aarch64); None where the architecture has no such call.
_CALLS: dict[str, tuple[int | None, int | None]] = {
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40),
    "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsmount": (432, 432), "mount_setattr": (442, 442),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "kexec_load": (246, 104), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "shmget": (29, 194), "shmat": (30, 196), "msgget": (68, 186),
    "semget": (64, 190), "mq_open": (240, 180), "personality": (135, 92), "memfd_create": (319, 279),
    "socket": (41, 198), "truncate": (76, 45), "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53),
    "fchmodat2": (452, 452), "chown": (92, None), "fchown": (93, 55), "lchown": (94, None),
    "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "prlimit64": (302, 261),
    "setrlimit": (160, 164), "socketpair": (53, 199), "setpriority": (141, 140), "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118), "sched_setattr": (314, 274), "sched_setaffinity": (203, 122), "ioprio_set": (251, 30),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "shmctl": (31, 195), "msgctl": (71, 187),
    "semctl": (66, 191), "mq_unlink": (241, 181), "fork": (57, None), "vfork": (58, None),
}  # fmt: skip
_EXEC = {"execve": (59, 221), "execveat": (322, 281)}
_CLONE, _CLONE3, _TGKILL, _PRCTL, _MMAP = (56, 220), (435, 435), (234, 131), (157, 167), (9, 222)
_ARCH = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_LOAD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NAMESPACES = (
    linux.CLONE_NEWNS | linux.CLONE_NEWCGROUP | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC
    | linux.CLONE_NEWUSER | linux.CLONE_NEWPID | linux.CLONE_NEWNET
)  # fmt: skip

Instruction = tuple[int, int, int, int]


def program(pid: int, *, may_exec: bool, may_share: bool = False) -> bytes:
    """The filter of process `pid`: no new process, socket, signal to others, namespace, file attribute, or outliving.

    Refused calls give EPERM. Threads are allowed. `may_exec` leaves execve open, for ptxas. New shared memory counts
    for no process once it is unmapped or given back: `may_share` leaves it open, for CUDA's driver.
    """
    column, arch = _ARCH[platform.machine()]
    refuse, absent = (_RET, 0, 0, _ERRNO | errno.EPERM), (_RET, 0, 0, _ERRNO | errno.ENOSYS)
    allow: Instruction = (_RET, 0, 0, _ALLOW)
    code: list[Instruction] = [(_LOAD, 0, 0, 4), (_JEQ, 1, 0, arch), (_RET, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    if platform.machine() == "x86_64":  # the x32 ABI has other numbers for the same calls
        code += [(_JGE, 0, 1, 0x40000000), (_RET, 0, 0, _KILL)]
    for numbers in (_CALLS if may_exec else _CALLS | _EXEC).values():
        number = numbers[column]
        if number is not None:
            code += [(_JEQ, 0, 1, number), refuse]
    # clone3 passes its flags in memory, which a filter cannot read: glibc falls back to clone.
    code += [(_JEQ, 0, 1, _CLONE3[column]), absent]
    clone: list[Instruction] = [(_LOAD, 0, 0, 16), (_JSET, 0, 1, _NAMESPACES), refuse]
    clone += [(_JSET, 1, 0, linux.CLONE_THREAD), refuse, allow]
    code += [(_JEQ, 0, len(clone), _CLONE[column]), *clone]
    tgkill: list[Instruction] = [(_LOAD, 0, 0, 16), (_JEQ, 1, 0, pid), refuse, allow]  # abort() signals itself
    code += [(_JEQ, 0, len(tgkill), _TGKILL[column]), *tgkill]
    # It would outlive its parent without the signal that it gets at its parent's end.
    prctl: list[Instruction] = [(_LOAD, 0, 0, 16), (_JEQ, 0, 1, linux.PDEATHSIG), refuse, allow]
    code += [(_JEQ, 0, len(prctl), _PRCTL[column]), *prctl]
    if not may_share:
        mapping: list[Instruction] = [(_LOAD, 0, 0, 40), (_JSET, 0, 2, mmap.MAP_ANONYMOUS)]
        mapping += [(_JSET, 0, 1, mmap.MAP_SHARED), refuse, allow]
        code += [(_JEQ, 0, len(mapping), _MMAP[column]), *mapping]
    code.append(allow)
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def install(code: bytes) -> None:
    """Put the filter on this process for good. NO_NEW_PRIVS must be set."""
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    pointer = ctypes.create_string_buffer(header, 16)
    linux.prctl(linux.SECCOMP, 2, ctypes.c_void_p(ctypes.addressof(pointer)))
