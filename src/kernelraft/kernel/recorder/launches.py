"""In place of Triton's launches: what would be launched is written to the tape, and nothing runs."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
import triton.language as tl
from triton.backends.nvidia.compiler import CUDAOptions
from triton.runtime.autotuner import Autotuner
from triton.runtime.jit import JITFunction, TensorWrapper

from kernelraft.kernel.faults import line_now
from kernelraft.kernel.memory import dtype_name
from kernelraft.kernel.recorder.names import Kernels
from kernelraft.kernel.recorder.tape import Tape

_OPTIONS = {*CUDAOptions.__dataclass_fields__, "launch_cooperative_grid", "launch_pdl"}


class Launches:
    """`tape` is the one that is recorded to at the moment."""

    def __init__(self, tape: Tape, kernels: Kernels) -> None:
        self.tape, self.kernels = tape, kernels

    def install(self) -> None:
        """Patch Triton in this process."""
        launches = self

        def run(kernel: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
            return launches.launch(kernel, args, kwargs, None if warmup else grid)

        def choose(tuner: Any, *args: Any, **kwargs: Any) -> Any:
            return launches.choose(tuner, args, kwargs)

        JITFunction.run = run
        Autotuner.run = choose

    def launch(self, kernel: Any, args: tuple[Any, ...], kwargs: dict[str, Any], grid: Any) -> Any:
        """One launch with its arguments by name; without a grid, only what stands for the compiled kernel."""
        options = {name: kwargs[name] for name in kwargs if name not in kernel.arg_names}
        if unknown := [name for name in options if name not in _OPTIONS]:
            raise KeyError(f"Keyword argument {unknown[0]} was specified but unrecognised")
        given = {name: value for name, value in kwargs.items() if name not in options}
        bound = kernel.signature.bind(*args, **given)
        bound.apply_defaults()
        if grid is None:
            return _Compiled(kernel, bound.arguments, options)
        sizes = tuple(int(n) for n in (grid(bound.arguments) if callable(grid) else grid))
        if not 1 <= len(sizes) <= 3:
            raise ValueError(f"a grid has 1 to 3 dimensions, this one {len(sizes)}")
        with torch._C.DisableTorchFunction():  # what is asked of tensors here is not the candidate's question
            arguments = {name: self._argument(name, value) for name, value in bound.arguments.items()}
        plain = {name: value for name, value in options.items() if isinstance(value, (bool, int, str))}
        name = self.kernels.identify(kernel)
        self.tape.add(["launch", name, arguments, list(sizes), plain, line_now()])
        return _Compiled(kernel, bound.arguments, options)

    def _argument(self, name: str, value: Any) -> Any:
        match value:
            case torch.Tensor():
                if self.tape.is_host(value):
                    raise ValueError(f"Pointer argument ({name}) cannot be accessed from Triton (cpu tensor?)")
                return ["tensor", self.tape.view(value)]
            case TensorWrapper():
                return ["reinterpret", self._argument(name, value.base), value.dtype.name]
            case tl.constexpr():
                return self._argument(name, value.value)
            case tuple() | list():
                return ["tuple", *(self._argument(name, part) for part in value)]
            case torch.dtype():
                return ["dtype", dtype_name(value)]
        if type(value).__name__ == "TensorDescriptor":
            layout = [[int(n) for n in part] for part in (value.shape, value.strides, value.block_shape)]
            return ["descriptor", self._argument(name, value.base), *layout, str(getattr(value, "padding", "zero"))]
        if hasattr(value, "__index__") and not isinstance(value, (bool, int)):
            return int(value)  # a number of NumPy's
        return self.kernels.binding(value)

    def choose(self, tuner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """All configurations of @triton.autotune: which is the best, the replayer finds out, by its own clock."""
        tuner.nargs = dict(zip(tuner.arg_names, args, strict=False))
        configs = tuner.prune_configs(kwargs) if len(tuner.configs) > 1 else tuner.configs
        alternatives = []
        done = None
        for config in configs:
            with self.tape.apart() as events:
                if config.pre_hook is not None:
                    config.pre_hook({**tuner.nargs, **kwargs, **config.all_kwargs()})
                done = tuner.fn.run(*args, **kwargs, **config.all_kwargs())
            alternatives.append(events)
        tuner.best_config, tuner.nargs = configs[0], None
        if len(alternatives) == 1:
            for event in alternatives[0]:
                self.tape.add(event)
        elif alternatives:
            self.tape.add(["choose", alternatives])
        return done


class _Compiled:
    """What a launch or `kernel.warmup` returns: enough to ask for its resources and to launch it again."""

    n_regs, n_spills, n_max_threads, shared, hash = 32, 0, 1024, 0, "recorded"
    asm: Mapping[str, str] = {"ptx": "", "ttir": "", "ttgir": "", "llir": ""}

    def __init__(self, kernel: Any, bound: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self._kernel, self._bound, self._options = kernel, dict(bound), dict(options)
        self.name = kernel.fn.__name__
        warps = int(self._options.get("num_warps", 4))
        self.metadata = SimpleNamespace(shared=0, num_warps=warps, num_stages=3, num_ctas=1, name=self.name)

    def _init_handles(self) -> None: ...

    def __getitem__(self, grid: Any) -> Any:
        def launch(*args: Any) -> Any:
            """Constants are those that it was compiled with; some callers give them again."""
            every = list(self._bound)
            names = every if len(args) == len(every) else [n for n in every if n not in self._constants()]
            values = {**self._bound, **dict(zip(names, args, strict=True))}
            return self._kernel.run(grid=grid, warmup=False, **values, **self._options)

        return launch

    def _constants(self) -> set[str]:
        return {parameter.name for parameter in self._kernel.params if parameter.is_constexpr}
