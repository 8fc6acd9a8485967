"""Spec -> the PyTorch module that states the problem, in KernelBench's form."""

from kernelraft.data.demo.spec import Spec

_PROBLEM = """\
import torch
import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
{constructor}

    def forward({inputs}):
{body}
        return x


def get_inputs():
    return [{tensors}]


def get_init_inputs():
    return [{sizes}]
"""


def problem_text(spec: Spec) -> str:
    """Source of `Model`, `get_inputs` and `get_init_inputs`."""
    shapes = [spec.input_shape] + [(spec.shape[0], spec.shape[-1])] * ("y" in spec.operands)
    return _PROBLEM.format(
        constructor=constructor(spec),
        inputs=forward_inputs(spec),
        body="\n".join(f"        x = {step.torch}" for step in spec.steps),
        tensors=", ".join(f"torch.randn({', '.join(map(str, shape))})" for shape in shapes),
        sizes=", ".join(map(str, spec.sizes)),
    )


def constructor(spec: Spec) -> str:
    """`__init__`, the same in the problem and in its answer: the judge seeds both alike."""
    sizes = ["k", "n"][-len(spec.sizes) :] if spec.sizes else []
    lines = [f"    def __init__({', '.join(['self', *sizes])}):", "        super().__init__()"]
    for name in spec.parameters:
        shape = "k, n" if name == "m" else "n"
        lines.append(f"        self.{name} = nn.Parameter(torch.randn({shape}))")
    return "\n".join(lines)


def forward_inputs(spec: Spec) -> str:
    """Name the parameters of `forward`."""
    return "self, x, y" if "y" in spec.operands else "self, x"
