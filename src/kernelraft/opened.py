"""What is opened once for a whole command, however many of its steps use it, and closed at the command's end."""

from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Openable(Protocol[T_co]):
    """A recipe of something that takes seconds to start, such as a verifier's workers."""

    def open(self) -> AbstractContextManager[T_co]:
        """Start it; leaving the context ends it."""
        ...


class Opened:
    """Equal recipes share one; `held` closes them, the last first."""

    def __init__(self, held: ExitStack) -> None:
        self._held = held
        self._known: list[tuple[object, Any]] = []

    def __call__(self, recipe: Openable[T]) -> T:
        value: T
        for known, value in self._known:
            if known == recipe:
                return value
        value = self._held.enter_context(recipe.open())
        self._known.append((recipe, value))
        return value
