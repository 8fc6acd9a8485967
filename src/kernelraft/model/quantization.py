"""4-bit NF4 weights through bitsandbytes, for linear layers and for the experts of a mixture too.

Source: Dettmers et al. 2023, arXiv:2305.14314 (NF4, double quantisation).
"""

import logging
from typing import Any

from pydantic import BaseModel, ConfigDict

KEPT = ("lm_head", "router", "router.gate")  # a quantised router sends tokens to other experts


class Quantization(BaseModel):
    """How base weights are stored while adapters are trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = "nf4"
    double: bool = True
    compute_dtype: str = "bfloat16"


def bitsandbytes_config(quantization: Quantization) -> Any:
    """Transformers' form of it."""
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type=quantization.kind,
        bnb_4bit_use_double_quant=quantization.double,
        bnb_4bit_compute_dtype=getattr(torch, quantization.compute_dtype),
        llm_int8_skip_modules=list(KEPT),
    )  # fmt: skip


def finish(module: Any, quantization: Quantization) -> None:
    """Quantise what transformers leaves in 16 bits, and switch off what breaks training on a CPU.

    transformers >= 5 holds experts as 3-D parameters, which bitsandbytes'
    replacement of linear layers does not touch (bitsandbytes issue 1849).
    """
    from bitsandbytes.nn import Linear4bit
    from bitsandbytes.nn.parametrize import replace_parameter_4bit

    for part in module.modules():
        if isinstance(part, Linear4bit) and hasattr(part, "support_avx512bf16_for_cpu"):
            part.support_avx512bf16_for_cpu = False  # its packed weights survive no return to training
    experts = [
        (part, name)
        for part in module.modules()
        for name, parameter in part.named_parameters(recurse=False)
        if parameter.ndim == 3 and parameter.is_floating_point()
    ]
    for part, name in experts:
        replace_parameter_4bit(part, name, compress_statistics=quantization.double, quant_type=quantization.kind)


def quiet() -> None:
    """Bitsandbytes warns of an optional CPU kernel package that nothing here needs."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
