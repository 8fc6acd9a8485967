"""The untrusted side: loads a candidate and runs it. All that it says is a claim.

It is given the candidate's source, the constructor's arguments, parameters and the inputs of
the trial under way; never the reference, its outputs, a tolerance, the inputs' seeds or later inputs.
"""

import linecache
import mmap
import os
import socket
import sys
import types
from typing import Any

import torch

from kernelraft.kernel import channel, interpreter, plain, watch
from kernelraft.kernel.faults import FILE, Fault, classify, tidy
from kernelraft.kernel.memory import Layout, Spec, look, mapped, put
from kernelraft.records import Reason

MODULE = "candidate"


def load_source(source: str) -> types.ModuleType:
    """Execute the candidate's file as a module whose lines tracebacks and Triton can read."""
    linecache.cache[FILE] = (len(source), None, source.splitlines(True), FILE)
    module = types.ModuleType(MODULE)
    module.__file__ = FILE
    sys.modules[MODULE] = module
    exec(compile(source, FILE, "exec"), module.__dict__)
    return module


class Candidate:
    """One candidate in its process; `answer` handles one request of the judge."""

    def __init__(self, inputs: mmap.mmap, outputs: mmap.mmap) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.model: Any = None

    def tensor(self, spec: dict[str, Any]) -> torch.Tensor:
        return look(self.inputs, Spec(**spec))

    def load(self, request: dict[str, Any]) -> dict[str, Any]:
        at, size = request["source"]
        module = load_source(self.inputs[at : at + size].decode())
        found = [getattr(module, name) for name in request["entries"] if hasattr(module, name)]
        if not found:
            raise Fault(Reason.RUNTIME_ERROR, f"{request['entries'][0]} is not defined")
        args, kwargs = plain.decode(request["init"], self.tensor)
        torch.manual_seed(request["seed"])
        self.model = found[0](*args, **kwargs)
        state = {name: self.tensor(spec) for name, spec in request["state"].items()}
        own = self.model.state_dict()
        loaded = {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in state.items()}
        if loaded:
            self.model.load_state_dict(state)
        watch.forbid_reading()
        return {"loaded": loaded}

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        record = interpreter.record
        record.launches = 0
        record.written.clear()
        inputs = plain.decode(request["inputs"], self.tensor)
        parameters = {t.untyped_storage().data_ptr() for t in self.model.state_dict(keep_vars=True).values()}
        with torch.no_grad(), watch.Watch(parameters):
            result = self.model(*inputs)
        if record.fault:
            raise record.fault
        outputs = plain.leaves(result)
        if not record.launches:
            raise Fault(Reason.NOT_TRITON, "no Triton kernel was launched")
        watch.check_origin(outputs, plain.leaves(inputs))
        return {"outputs": self._hand_over(outputs), "launches": list(record.distinct.values())}

    def _hand_over(self, outputs: list[Any]) -> list[Any]:
        layout = Layout()
        told: list[Any] = []
        for value in outputs:
            if isinstance(value, torch.Tensor) and type(value) not in (torch.Tensor, torch.nn.Parameter):
                raise Fault(Reason.NOT_TRITON, f"the output is a {type(value).__name__}, not a plain tensor")
            if isinstance(value, torch.Tensor) and value.device.type == "cpu":
                dense = value.detach().contiguous()
                spec = layout.place(dense)
                if layout.size <= len(self.outputs):  # else: too large, and the shape says so
                    put(self.outputs, dense, spec)
                told.append(["tensor", spec.plain()])
            else:
                simple = value is None or isinstance(value, (bool, int, float))
                told.append(value if simple else ["other", type(value).__name__])
        return told


def trial(fds: list[int], _args: dict[str, Any]) -> None:
    """Answer the judge on fds [control, inputs, outputs] until it closes. Already confined."""
    sock = socket.socket(fileno=fds[0])
    candidate = Candidate(mapped(fds[1]), mapped(fds[2]))
    while True:
        request, _ = channel.receive(sock)
        try:
            reply = candidate.load(request) if request["op"] == "load" else candidate.run(request)
        except BaseException as error:
            reply = _failed(interpreter.record.fault or error)
        try:
            channel.send(sock, reply)
        except ValueError as error:
            channel.send(sock, {"reason": Reason.RUNTIME_ERROR, "detail": tidy(str(error))})


def _failed(error: BaseException) -> dict[str, Any]:
    if isinstance(error, SystemExit):
        os._exit(0)
    reason, detail = classify(error)
    return {"reason": reason, "detail": detail}
