"""The same training by TRL's SFTTrainer, on bitsandbytes' 4-bit layers with peft's adapters."""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from shapes import build, documents

from kernelraft.model.attention import NAME, use_documents

LINEAR = "all-linear"
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]  # peft turns the MLP's names into adapters on Trinity's experts


@dataclass(frozen=True, slots=True)
class Peer:
    """`documents`: this project's attention by document, registered with transformers as TRL's packing wants one."""

    name: str
    batch: int = 1
    accumulate: int = 8
    packing: bool = False
    documents: bool = False
    liger: bool = False
    recompute: bool = True
    steps: int = 5


BATCH_1 = Peer("TRL, batch 1, recomputed")
SLOW = replace(BATCH_1, steps=2)
PACKED = Peer("TRL, packed, attention by document, recomputed", accumulate=4, packing=True, documents=True)
BEST = Peer(
    "TRL at its best: packed, attention by document, liger", batch=4, accumulate=1, packing=True, documents=True,
    liger=True, recompute=False,
)  # fmt: skip
BEST_SMALL = Peer(
    "TRL at its best in 16 GiB: the same, recomputed", batch=4, accumulate=1, packing=True, documents=True, liger=True
)


def quantise(module: Any) -> None:
    """What from_pretrained with BitsAndBytesConfig(load_in_4bit, nf4, double) leaves: linear layers in 4 bits."""
    import bitsandbytes as bnb
    from transformers import BitsAndBytesConfig
    from transformers.quantizers.quantizer_bnb_4bit import Bnb4BitHfQuantizer
    from transformers.utils.quantization_config import QuantizationMethod

    how = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )  # fmt: skip
    names = [name for name, part in module.named_modules() if type(part) is torch.nn.Linear and "lm_head" not in name]
    for name in names:
        linear = module.get_submodule(name)
        device = linear.weight.device
        new = bnb.nn.Linear4bit(
                linear.in_features, linear.out_features, linear.bias is not None, compute_dtype=torch.bfloat16,
                compress_statistics=True, quant_type="nf4", device="meta",
            )  # fmt: skip
        new.weight = bnb.nn.Params4bit(
            linear.weight.data, requires_grad=False, compress_statistics=True, quant_type="nf4"
        ).to(device)
        module.set_submodule(name, new)
    module.is_loaded_in_4bit = module.is_4bit_serializable = module.is_quantized = True
    module.quantization_method = QuantizationMethod.BITS_AND_BYTES
    module.hf_quantizer, module.config.quantization_config = Bnb4BitHfQuantizer(how), how
    module.requires_grad_(False)


def tokenizer() -> Any:
    """One that is never asked to encode."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {"<unk>": 0, "<pad>": 1, "<eos>": 2}
    plain = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="<unk>", pad_token="<pad>", eos_token="<eos>")


def run_peer(arm: Peer, model: str, asked: argparse.Namespace) -> dict[str, Any]:
    """A few of its steps; the first ones are not counted."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AttentionInterface, TrainerCallback
    from transformers.masking_utils import AttentionMaskInterface
    from trl import SFTConfig, SFTTrainer  # type: ignore[import-not-found]

    module = build(model, toy=asked.toy)
    if arm.documents:
        use_documents(module)
        AttentionMaskInterface.register(NAME, lambda *a, **k: None)
        assert NAME in AttentionInterface()
    quantise(module)
    module.config.use_cache = False
    found = documents(asked.documents, module.config.vocab_size, toy=asked.toy)
    data = Dataset.from_dict({
        "input_ids": [ids for ids, _ in found],
        "labels": [[-100] * prompt + ids[prompt:] for ids, prompt in found],
    })  # fmt: skip
    steps: list[tuple[int, float]] = []
    tokens, began = 0, 0.0

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            nonlocal tokens, began
            _wait()
            tokens, began = 0, time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            _wait()
            steps.append((tokens, time.perf_counter() - began))

    class Counting(SFTTrainer):  # type: ignore[misc]
        def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **options: Any) -> Any:
            nonlocal tokens
            mask = inputs.get("attention_mask")
            tokens += inputs["input_ids"].numel() if mask is None else int(mask.sum())
            return super().training_step(model, inputs, *args, **options)

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        how = SFTConfig(
            output_dir=folder, per_device_train_batch_size=arm.batch, gradient_accumulation_steps=arm.accumulate,
            gradient_checkpointing=arm.recompute, max_length=128 if asked.toy else 4096, packing=arm.packing,
            bf16=not asked.toy, use_cpu=asked.toy, use_liger_kernel=arm.liger and not asked.toy, logging_steps=1,
            save_strategy="no", report_to="none", max_steps=asked.warm + (asked.steps or arm.steps), learning_rate=1e-4,
            shuffle_dataset=False, disable_tqdm=True, dataloader_num_workers=0, optim="adamw_torch_fused",
            gradient_checkpointing_kwargs={"use_reentrant": False} if arm.recompute else None,
        )  # fmt: skip
        adapters = LoraConfig(
            r=64, lora_alpha=128, lora_dropout=0.0, target_modules=LINEAR if model == "8b" else ATTENTION,
            task_type="CAUSAL_LM",
        )  # fmt: skip
        trainer = Counting(
            model=module, args=how, train_dataset=data, processing_class=tokenizer(), peft_config=adapters,
            callbacks=[Clock()],
        )  # fmt: skip
        trainer.train()
    measured = steps[asked.warm :]
    return {
        "tokens_per_s": sum(count for count, _ in measured) / sum(seconds for _, seconds in measured),
        "median": statistics.median(count / seconds for count, seconds in measured),
        "step_tokens": round(statistics.mean(count for count, _ in measured)),
    }


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
