"""What a candidate's host code does with tensors, as events; the tensors of the device are meta tensors."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch._library.custom_ops import OPDEFS
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from kernelraft.kernel.faults import Fault, line_now
from kernelraft.kernel.memory import DTYPES, dtype_name
from kernelraft.kernel.trace import Event, NotReplayable, View, numbers
from kernelraft.records import Reason

# Made by a constructor: uninitialised, constant or random. All else that it makes without a tensor of
# the device is a constant, and is really computed.
_FACTORIES = {
    "empty", "empty_strided", "zeros", "ones", "full", "rand", "randn", "randint", "randperm", "normal",
    "new_empty", "new_zeros", "new_ones", "new_full",
}  # fmt: skip
_VALUES = {"_local_scalar_dense", "nonzero", "unique_consecutive", "_unique2", "unique_dim", "masked_select", "equal"}
_REPLACES_STORAGE = {"set_", "resize_", "resize_as_"}
MAX_EVENTS = 20_000


class Tape:
    """The events of `__init__`, then those of one `forward`. Buffers are known by their storage."""

    def __init__(self, constants: "Constants") -> None:
        self.constants = constants
        self.events: list[Event] = []
        self.built: list[Event] = []
        self.fault: BaseException | None = None  # kept: an `except` around it changes nothing
        self.building = True  # in `__init__`, where tensors are made on the host and moved later
        self._ids: dict[int, str] = {}
        self._host: set[str] = set()
        self._kept: list[torch.Tensor] = []  # alive until the end, so that no storage is known twice

    def begin_forward(self) -> None:
        """What was recorded so far was the constructor; from here on, a tensor is made where the call says."""
        self.built, self.events, self.building = self.events, [], False

    def refuse(self, error: BaseException) -> BaseException:
        """Remember the first reason why this program cannot be a replayed one."""
        self.fault = self.fault or error
        return self.fault

    def needs_values(self, what: str) -> BaseException:
        return self.refuse(NotReplayable(f"{line_now()}: {what} needs a tensor's values on the host"))

    def give(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor that the replayer has under `name`."""
        self._ids[_storage(tensor)] = name
        self._kept.append(tensor)
        return tensor

    def new(self, tensor: torch.Tensor, *, host: bool) -> None:
        """Name the storage of an operator's result."""
        key = _storage(tensor)
        if key not in self._ids:
            self._ids[key] = f"b{len(self._ids)}"
            self._kept.append(tensor)
            if host:
                self._host.add(self._ids[key])

    def view(self, tensor: torch.Tensor) -> View:
        """How to find `tensor` in a buffer. Raises Fault for a tensor that no event made."""
        if dtype_name(tensor.dtype) not in DTYPES:
            raise self.refuse(NotReplayable(f"{line_now()}: a tensor of {tensor.dtype}"))
        known = self._ids.get(_storage(tensor))
        if known is None:
            raise self.refuse(Fault(Reason.NOT_TRITON, f"{line_now()}: a tensor was made where nobody watches"))
        shape, stride = [int(n) for n in tensor.shape], [int(n) for n in tensor.stride()]
        return [known, int(tensor.storage_offset()), shape, stride, dtype_name(tensor.dtype)]

    def is_host(self, tensor: torch.Tensor) -> bool:
        return not tensor.is_meta or self._ids.get(_storage(tensor)) in self._host

    def to_device(self, tensor: torch.Tensor) -> None:
        self._host.discard(self._ids.get(_storage(tensor), ""))

    def to_host(self, tensor: torch.Tensor) -> None:
        self._host.add(self._ids[_storage(tensor)])

    def upload(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor of the device with the values of a constant of the host."""
        dense = tensor.detach().contiguous()
        device = torch.empty_like(dense, device="meta")
        self.new(device, host=False)
        self.add(["data", self.view(device), self.constants.keep(dense)])
        return device

    def add(self, event: Event) -> None:
        self.events.append(event)
        if len(self.events) > MAX_EVENTS:
            raise self.refuse(Fault(Reason.RUNTIME_ERROR, f"more than {MAX_EVENTS} operations in one call"))

    @contextmanager
    def apart(self) -> Iterator[list[Event]]:
        """Collect events elsewhere: one of several alternatives."""
        before, self.events = self.events, []
        try:
            yield self.events
        finally:
            self.events = before


class Constants:
    """Values that the host computed from nothing, handed over in shared memory."""

    def __init__(self, put: Callable[[torch.Tensor], int]) -> None:
        self._put = put

    def keep(self, dense: torch.Tensor) -> Any:
        """["same", value] where all elements are, else ["at", place in the memory]."""
        flat = dense.flatten()
        if flat.numel() and bool((flat == flat[0]).all()):
            value = flat[0].item()
            return ["same", numbers(value) if isinstance(value, float) else value]
        return ["at", self._put(dense)]


class Recording(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes every operator on a device tensor to the tape."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tape = tape

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False saves the import of torch._dynamo at the first use: 1.6 s; nothing is compiled by torch here."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = func._schema.name.removeprefix("aten::")
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        if self.tape.building and name in _FACTORIES and not given:
            host = not _on_meta(kwargs)
            kwargs["device"] = torch.device("meta")
            return self._made(func, args, kwargs, host=host)
        own = OPDEFS.get(func._schema.name)
        if own is not None and any(t.is_meta for t in given):  # torch.library.custom_op: what is inside counts
            with self:
                return own._init_fn(*args, **kwargs)
        if not any(t.is_meta for t in given) and not _on_meta(kwargs):
            return func(*args, **kwargs)  # of the host alone: a constant
        if name in _VALUES:
            raise self.tape.needs_values(f"torch.{name.removeprefix('_')}")
        if name in _REPLACES_STORAGE:
            raise self.tape.refuse(NotReplayable(f"{line_now()}: torch.{name}"))
        if name == "_to_copy" and not given[0].is_meta:
            return self._to_copy(func, args, kwargs)
        if any(not t.is_meta for t in given):
            args, kwargs = tree_map(self._up, args), {name: tree_map(self._up, value) for name, value in kwargs.items()}
        return self._made(func, args, kwargs, host=bool(given) and all(self.tape.is_host(t) for t in given))

    def _to_copy(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
        return self.tape.upload(func(*args, **{**kwargs, "device": torch.device("cpu")}))

    def _up(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor) and not value.is_meta and not (value.dim() == 0 and not self.tape.building):
            return self.tape.upload(value)
        return value

    def _made(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, host: bool) -> Any:
        result = func(*args, **kwargs)
        results = [t for t in tree_leaves(result) if isinstance(t, torch.Tensor)]
        given = {_storage(t) for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        if not func._schema.is_mutable and results and all(_storage(t) in given for t in results):
            return result  # a view: an event that uses it says where it lies
        for tensor in results:
            self.tape.new(tensor, host=host)
        plain = {name: self._plain(value) for name, value in kwargs.items() if name not in ("device", "pin_memory")}
        made = [self.tape.view(t) for t in results]
        self.tape.add(["op", str(func), [self._plain(value) for value in args], plain, made, line_now()])
        return result

    def _plain(self, value: Any) -> Any:
        match value:
            case torch.Tensor() if value.is_meta:
                return ["tensor", self.tape.view(value)]
            case torch.Tensor():  # a scalar of the host
                number = value.item()
                return ["scalar", numbers(number) if isinstance(number, float) else number, dtype_name(value.dtype)]
            case None | bool() | int() | str():
                return value
            case float():
                return numbers(value)
            case torch.dtype():
                return ["dtype", dtype_name(value)]
            case torch.memory_format() | torch.layout():
                return ["format", str(value).removeprefix("torch.")]
            case torch.device():
                return ["device"]
            case list() | tuple():
                return ["list", *(self._plain(part) for part in value)]
        raise self.tape.refuse(NotReplayable(f"{line_now()}: an operator on a {type(value).__name__}"))


def _on_meta(kwargs: Mapping[str, Any]) -> bool:
    device = kwargs.get("device")
    return device is not None and torch.device(device).type == "meta"


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
