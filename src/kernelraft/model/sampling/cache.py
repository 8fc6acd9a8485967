"""Keys and values of all layers, and one decoding step's view of them.

S slots, P prompts that are shared, H query heads = G key heads x R, D width of a head, T tokens of a prompt.
"""

from dataclasses import dataclass
from functools import cached_property

import torch

from kernelraft.model.sampling.attention import Attended, Attention, merge
from kernelraft.model.sampling.prompts import Prompt
from kernelraft.model.sampling.slots import Slots, Tops
from kernelraft.model.sampling.store import Grouping, Span, Store


class PerSlot:
    """Each slot has a copy of its prompt's keys, in one row with what follows; of a window, the last positions."""

    def __init__(self, slots: int, length: int, attention: Attention, like_GTD: torch.Tensor) -> None:
        self.store, self.attention = Store(slots, length, attention.piece, like_GTD), attention

    def admit(self, slot: int, group: int, fresh: bool, k_GTD: torch.Tensor, v_GTD: torch.Tensor) -> None:
        self.store.fill(slot, k_GTD, v_GTD)

    def attend(
        self, step: "Step", q_SGRD: torch.Tensor, k_SGD: torch.Tensor, v_SGD: torch.Tensor, scale: float
    ) -> Attended:
        self.store.append(step.position_S, k_SGD, v_SGD)
        return self.attention.rows(q_SGRD, self.store, step.latest(self.store.length), scale)


class SharedPrompt:
    """Slots of one prompt read its keys together, in one place; what follows is each slot's own."""

    def __init__(
        self, slots: int, groups: int, prompt: int, new: int, attention: Attention, like_GTD: torch.Tensor
    ) -> None:
        self.attention = attention
        self.prompts = Store(groups, prompt, attention.piece, like_GTD)
        self.answers = Store(slots, new, attention.piece, like_GTD)

    def admit(self, slot: int, group: int, fresh: bool, k_GTD: torch.Tensor, v_GTD: torch.Tensor) -> None:
        if fresh:
            self.prompts.fill(group, k_GTD, v_GTD)

    def attend(
        self, step: "Step", q_SGRD: torch.Tensor, k_SGD: torch.Tensor, v_SGD: torch.Tensor, scale: float
    ) -> Attended:
        self.answers.append(step.answer.used_B - 1, k_SGD, v_SGD)
        prompt = self.attention.grouped(q_SGRD, self.prompts, step.prompt, scale, step.group)
        return merge(prompt, self.attention.rows(q_SGRD, self.answers, step.answer, scale))


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a cache has room for, in sequences and tokens."""

    slots: int
    groups: int
    prompt: int
    new: int


class Cache:
    """The layers' memory; a layer's is allocated when its first prompt arrives, in that layer's own shape."""

    def __init__(self, room: Room, share: bool, attention: Attention) -> None:
        self.room, self.share, self.attention = room, share, attention
        self.layers: dict[int, PerSlot | SharedPrompt] = {}

    def admit(self, slot: int, group: int, fresh: bool, prompt: Prompt) -> None:
        """Give a slot its prompt; `fresh` says that its group does not have it yet."""
        for layer, (k_GTD, v_GTD, window) in prompt.layers.items():
            if layer not in self.layers:
                self.layers[layer] = self._layer(window, k_GTD)
            self.layers[layer].admit(slot, group, fresh, k_GTD, v_GTD)

    def shape(self, tops: Tops) -> tuple[int, ...]:
        """What the shape of a step's tensors depends on: how many pieces are read, where keys are in pieces."""
        piece = self.attention.piece
        return (tops.rows, *(-(-n // piece) for n in (tops.position, tops.prompt, tops.produced))) if piece else ()

    def _layer(self, window: int | None, like_GTD: torch.Tensor) -> PerSlot | SharedPrompt:
        room = self.room
        whole = room.prompt + room.new
        if window is not None and window < whole:
            return PerSlot(room.slots, window, self.attention, like_GTD)
        if self.share:
            return SharedPrompt(room.slots, room.groups, room.prompt, room.new, self.attention, like_GTD)
        return PerSlot(room.slots, whole, self.attention, like_GTD)


class Step:
    """One token of the first slots, on a GPU of all. Implements the attention's `Keys`."""

    def __init__(self, cache: Cache, slots: Slots) -> None:
        self.cache, self.slots, self.tops = cache, slots, slots.tops
        on_cpu = slots.token.device.type == "cpu"
        self.rows = self.tops.rows if on_cpu else len(slots.token)
        self.position_S = slots.position[: self.rows]
        self._latest: dict[int, Span] = {}

    @cached_property
    def answer(self) -> Span:
        """Tokens since the prompt, this one included."""
        return Span(self.slots.produced[: self.rows].clamp(min=1), self.tops.produced, self.tops.rows)

    @cached_property
    def group(self) -> Grouping:
        """Which of the prompts each slot reads."""
        return Grouping(self.slots.group[: self.rows], len(self.slots.prompt_P))

    @cached_property
    def prompt(self) -> Span:
        """Tokens of each group's prompt."""
        return Span(self.slots.prompt_P, self.tops.prompt, self.tops.rows)

    def latest(self, length: int) -> Span:
        """All tokens so far, this one included, at most `length`."""
        if length not in self._latest:
            used_S = (self.position_S + 1).clamp(max=length)
            self._latest[length] = Span(used_S, min(self.tops.position, length), self.tops.rows)
        return self._latest[length]

    def attend(
        self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor,
        scale: float, window: int | None, sinks: torch.Tensor | None,
    ) -> torch.Tensor:  # fmt: skip
        S, H, _, D = q.shape
        G = k.shape[1]
        q_SGRD = q.reshape(S, G, H // G, D)
        out, weight = self.cache.layers[layer].attend(self, q_SGRD, k[:, :, 0], v[:, :, 0], scale)
        if sinks is not None:
            out = out * (weight - sinks.float().view(1, G, H // G, 1)).sigmoid()
        return out.to(q.dtype).reshape(S, 1, H, D)
