"""A loaded model made ready for the loop: attention by document, compiled and recomputed layers, one shape."""

import logging
from collections.abc import Sequence
from typing import Any

from kernelraft.model.attention import use_documents
from kernelraft.model.layers import layers_of
from kernelraft.trainer.batches import Frame
from kernelraft.trainer.settings import LoopSettings
from kernelraft.trainer.speed import compile_layers, draws, recompute_layers, unpack_in_pieces

log = logging.getLogger("kernelraft")


def prepare(
    module: Any, settings: LoopSettings, recomputed: int, lengths: Sequence[int], device: Any
) -> tuple[Frame | None, bool]:
    """Change `module` for the settings, so many layers run again; `lengths` are those of the examples, in tokens.

    Returns (the frame of its batches, None where their shapes differ; whether CUDA graphs can run it).
    """
    use_documents(module)
    if settings.compiles(device):
        compile_layers(module)
    if recomputed == len(layers_of(module)) and device.type == "cuda":  # memory is short
        unpack_in_pieces(module)
    random = draws(module)
    recompute_layers(module, recomputed, random=random)
    if settings.tokens is None or device.type != "cuda":
        return None, False
    once = not (recomputed and random)  # what is drawn again in a layer that is run again is drawn outside of a graph
    graphs = settings.cuda_graphs and settings.devices * settings.num_nodes == 1 and settings.precision != "bf16-mixed"
    if graphs and not once:
        log.info("no CUDA graphs: this model's own dropout is in %d layers that are run again", recomputed)
    return Frame.around(lengths, settings.tokens, settings.max_length), graphs and once
