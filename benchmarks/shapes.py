"""Published sizes with random weights, and documents of like lengths: what the speed benchmarks run on."""

import math
import random
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from kernelraft.model.silence import silence

LLAMA_8B = {
    "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072, "rope_parameters": {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
}  # fmt: skip
TRINITY_MINI = {
    "hidden_size": 2048, "intermediate_size": 6144, "moe_intermediate_size": 1024, "num_hidden_layers": 32,
    "num_dense_layers": 2, "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "num_experts": 128,
    "num_experts_per_tok": 8, "num_shared_experts": 1, "route_scale": 2.826, "sliding_window": 2048,
    "global_attn_every_n_layers": 4, "mup_enabled": True, "vocab_size": 200192, "max_position_embeddings": 131072,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
}  # fmt: skip
_TOY = {
    "hidden_size": 128, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 64, "vocab_size": 512,
}  # fmt: skip
SHAPES = {"8b": ("llama", LLAMA_8B), "trinity": ("afmoe", TRINITY_MINI)}
TOYS = {
    "8b": ("llama", LLAMA_8B | _TOY),
    "trinity": ("afmoe", TRINITY_MINI | _TOY | {
        "moe_intermediate_size": 64, "num_dense_layers": 1, "num_experts": 8, "num_experts_per_tok": 2,
        "sliding_window": 64,
    }),
}  # fmt: skip


def build(name: str, *, toy: bool, attention: str = "sdpa") -> Any:
    """A model of transformers with random frozen weights, on a GPU in bfloat16, or a toy on a CPU in float32."""
    silence()
    torch.manual_seed(0)
    architecture, shape = (TOYS if toy else SHAPES)[name]
    config = AutoConfig.for_model(architecture, **shape, bos_token_id=None, eos_token_id=None, pad_token_id=0)
    with torch.device("cpu" if toy else "cuda"):
        module = AutoModelForCausalLM.from_config(
            config, dtype=torch.float32 if toy else torch.bfloat16, attn_implementation=attention
        )
    for parameter_name, parameter in module.named_parameters():
        if parameter_name.endswith("router.gate.weight"):  # zeros at first: all tokens would go to the same experts
            torch.nn.init.normal_(parameter, std=0.02)
        if any(part in parameter_name for part in module._keep_in_fp32_modules or ()):
            parameter.data = parameter.data.float()  # as from_pretrained leaves them
    return module.requires_grad_(False)


def documents(count: int, vocabulary: int, *, toy: bool) -> list[tuple[list[int], int]]:
    """(tokens, how many of them are the prompt): log-normal, median 1,200 of 200 to 4,096; prompts of about 350."""
    median, least, most, prompt = (60, 16, 128, 16) if toy else (1200, 200, 4096, 350)
    draw = random.Random(0)
    found = []
    for _ in range(count):
        length = int(min(max(draw.lognormvariate(math.log(median), 0.7), least), most))
        asked = int(min(draw.lognormvariate(math.log(prompt), 0.5), 0.6 * length))
        found.append(([draw.randrange(3, vocabulary) for _ in range(length)], asked))
    return found
