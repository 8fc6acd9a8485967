"""Tokens per second of generator=local's engine against transformers' generate at batch 4, random weights.

The published shape of Llama 3.1 8B in bfloat16; prompts of 700 tokens in groups of 8 samples; no sequence ends early.
`generate` runs a few tokens only: its rate is that of the steps between a short and a longer call.

    python benchmarks/sampling.py                  # 64 x 8 x 1,024 tokens, one H200
    python benchmarks/sampling.py --toy            # the same on a CPU in seconds, at no size that says anything
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import torch
from shapes import build
from transformers import GenerationConfig

from kernelraft.model import Loaded
from kernelraft.model.sampling import Engine, Sampling

GIB = 1 << 30


def load(device: torch.device) -> Loaded:
    """Random weights, and a tokenizer that ends nothing."""
    tokenizer = SimpleNamespace(eos_token_id=None, decode=lambda tokens, skip_special_tokens: "")
    return Loaded(module=build("8b", toy=device.type == "cpu").eval(), tokenizer=tokenizer)


def seconds(device: torch.device, work: Callable[[], Any]) -> float:
    """How long it takes until the device is done."""
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def engine(loaded: Loaded, prompts: list[list[int]], asked: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """One whole run, from no memory and no graph to the last completion."""
    how = Sampling(temperature=0.8, top_p=asked.top_p, max_new_tokens=asked.new)
    sampler = Engine(
        loaded, how, asked.slots, device, share=None if asked.share else False, graphs=asked.graphs,
    )  # fmt: skip
    each = [prompt for prompt in prompts for _ in range(asked.samples)]
    ids = [str(n) for n in range(len(each))]
    found: list[Any] = []
    took = seconds(device, lambda: found.extend(sampler.sample(each, ids)))
    tokens = sum(completion.tokens for completion in found)
    return {"what": "engine", "slots": asked.slots, "tokens": tokens, "seconds": took, "tokens_per_s": tokens / took}


def generate(
    loaded: Loaded, prompts: list[list[int]], asked: argparse.Namespace, device: torch.device
) -> dict[str, Any]:
    """Transformers' generate, as a loop over batches calls it."""
    ids = torch.tensor([prompts[n % len(prompts)] for n in range(asked.generate_batch)], device=device)
    took = {}
    for new in (4, 4, asked.generate_new):
        how = GenerationConfig(
            max_new_tokens=new, min_new_tokens=new, do_sample=True, temperature=0.8, top_p=asked.top_p, pad_token_id=0,
        )  # fmt: skip
        mask = torch.ones_like(ids)
        call = lambda how=how, mask=mask: loaded.module.generate(ids, attention_mask=mask, generation_config=how)  # noqa: E731
        took[new] = seconds(device, call)
    step = (took[asked.generate_new] - took[4]) / (asked.generate_new - 4)
    return {"what": "generate", "batch": len(ids), "ms_per_step": step * 1000, "tokens_per_s": len(ids) / step}


def main() -> None:
    """Print one JSON line a result, then the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--samples", type=int, default=8, help="of each prompt")
    parser.add_argument("--prompt-tokens", type=int, default=700)
    parser.add_argument("--new", type=int, default=1024, help="tokens of each sample")
    parser.add_argument("--slots", type=int, default=512, help="sequences at a time")
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--share", action=argparse.BooleanOptionalAction, default=True, help="keys of prompts")
    parser.add_argument("--graphs", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--generate-batch", type=int, default=4)
    parser.add_argument("--generate-new", type=int, default=64)
    parser.add_argument("--toy", action="store_true")
    asked = parser.parse_args()
    if asked.toy:
        asked.prompts, asked.prompt_tokens, asked.new, asked.generate_new = 4, 48, 16, 16
    device = torch.device("cpu" if asked.toy else "cuda")
    loaded = load(device)
    random = torch.Generator().manual_seed(0)
    shape = (asked.prompts, asked.prompt_tokens)
    prompts = torch.randint(3, loaded.module.config.vocab_size, shape, generator=random).tolist()
    rates = {}
    for measure in (generate, engine):
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        result = measure(loaded, prompts, asked, device)
        if device.type == "cuda":
            result["peak_gib"] = torch.cuda.max_memory_allocated() / GIB
        rates[result["what"]] = result["tokens_per_s"]
        print(
            json.dumps({key: round(value, 2) if isinstance(value, float) else value for key, value in result.items()})
        )
    where = torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()
    print(f"{rates['engine'] / rates['generate']:.1f} times generate; {where}, torch {torch.__version__}, "
          f"transformers {version('transformers')}")  # fmt: skip


if __name__ == "__main__":
    main()
