"""`python -m kernelraft.kernel.server KIND FD`: imports and warms once what every candidate needs, then forks.

Kinds, as Triton decides at import whether `tl.sum` is interpreted or compiled:
"run" for trial children, "compile" for compile children, ptxas and the judges; "gpu", where there is one,
for its replayers and judges.
"""

import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from kernelraft.kernel import channel, confine, forkserver, linux

_PTXAS_BYTES = 1 << 26  # the largest cubin


def main() -> None:
    """Warm up, say so, serve until the main process is gone."""
    kind, sock = sys.argv[1], socket.socket(fileno=int(sys.argv[2]))
    linux.name_process(f"kr-{kind}")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process; this one follows it
    os.environ["TRITON_INTERPRET"] = "1" if kind == "run" else "0"
    roles = {"run": _run_roles, "compile": _compile_roles, "gpu": _gpu_roles}[kind]()
    gc.collect()
    gc.freeze()  # the children's collector does not touch, and so does not copy, these pages
    gc.disable()
    linux.use_huge_pages()
    channel.send(sock, {"ready": True})
    forkserver.serve(sock, roles)


def _run_roles() -> dict[str, forkserver.Role]:
    from kernelraft.kernel import runner, warm
    from kernelraft.kernel.interpreting import gaps, interpreter
    from kernelraft.kernel.replayer.role import replay

    gaps.install()
    interpreter.install()  # last: it checks every address before what gaps.py does with it
    warm.interpret()
    return {
        "zygote": _zygote({"trial": _confined(runner.trial), "replay": _confined(replay), "probe": _confined(_probe)})
    }


def _compile_roles() -> dict[str, forkserver.Role]:
    from kernelraft.kernel import judging, warm
    from kernelraft.kernel.compiler.role import compile_child, ptxas_child
    from kernelraft.kernel.recorder.role import record

    warm.compile_one()
    children = {
        "record": _confined(record),
        "compile": _confined(compile_child),
        "ptxas": _confined(ptxas_child, exec_=True),
    }
    return {"zygote": _zygote(children), "judge": judging.judge}


def _gpu_roles() -> dict[str, forkserver.Role]:
    """CUDA is used in none of these processes before they are forked: it does not survive that."""
    from kernelraft.kernel import judging, warm
    from kernelraft.kernel.gpu.role import replay, warm_up

    warm.reference()
    zygote = _zygote({"replay": _confined(replay, before=warm_up)}, namespaces=False)  # memory is shared across them
    return {"zygote": zygote, "judge": judging.judge}


def _zygote(roles: dict[str, Callable[..., None]], *, namespaces: bool = True) -> forkserver.Role:
    """A fork of this process that forks candidates: it holds no secret and never runs a candidate's code."""

    def zygote(fds: list[int], _args: dict[str, Any]) -> None:
        linux.name_process("kr-zygote")
        os.setsid()
        policy = confine.prepare(namespaces=namespaces)
        linux.prctl(linux.PDEATHSIG, signal.SIGKILL)  # entering a user namespace cleared it
        if "pid" in policy.layers:
            forkserver.become_first()
        bound = {name: _with(policy, role) for name, role in roles.items()}
        keep = () if policy.ruleset is None else (policy.ruleset,)
        forkserver.serve(socket.socket(fileno=fds[0]), bound, keep)

    return zygote


def _with(policy: confine.Policy, role: Callable[..., None]) -> forkserver.Role:
    def bound(fds: list[int], args: dict[str, Any]) -> None:
        if policy.ruleset is None:
            role(policy, fds, args)
        else:
            role(confine.Policy(fds[-1], policy.layers), fds[:-1], args)

    return bound


def _confined(
    role: Callable[..., None], *, exec_: bool = False, before: Callable[[], None] | None = None
) -> Callable[..., None]:
    """A child on fds [..., log] that confines itself, output into the log, and then plays `role`."""

    def child(policy: confine.Policy, fds: list[int], args: dict[str, Any]) -> None:
        linux.name_process("kr-candidate")
        null = os.open(os.devnull, os.O_RDONLY)
        for fd, at in ((null, 0), (fds[-1], 1), (fds[-1], 2)):
            os.dup2(fd, at)
        os.close(null)
        size = _PTXAS_BYTES if exec_ else 1 << 20
        if before:
            before()  # what a confined process cannot: no candidate is here yet
        limits = confine.Limits(args["cpu_s"], args["memory_mib"], size, may_exec=exec_, may_share=before is not None)
        layers = confine.confine(policy, limits)
        role(fds[:-1], {**args, "layers": layers})

    return child


def _probe(fds: list[int], args: dict[str, Any]) -> None:
    channel.send(socket.socket(fileno=fds[0]), {"layers": confine.proven(args["layers"])})


if __name__ == "__main__":
    main()
