"""A loaded model made ready for the loop: attention by document, compiled and recomputed layers, one shape."""

from typing import Any

from kernelraft.model.attention import use_documents
from kernelraft.trainer.batches import Frame
from kernelraft.trainer.packing import DOCUMENTS
from kernelraft.trainer.settings import LoopSettings
from kernelraft.trainer.speed import compile_layers, recompute_layers


def prepare(module: Any, settings: LoopSettings, recomputed: int, device: Any) -> Frame | None:
    """Change `module` for the settings, so many layers run again; returns its batches' frame, if they have one."""
    use_documents(module)
    if settings.compiles(device):
        compile_layers(module)
    recompute_layers(module, recomputed)
    if settings.tokens is None or device.type != "cuda":
        return None
    return Frame(settings.tokens, DOCUMENTS, settings.max_length)
