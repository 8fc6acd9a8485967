from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from kernelraft.opened import Opened


@dataclass
class Recipe:
    name: str
    events: list = field(compare=False)

    @contextmanager
    def open(self):
        self.events.append(f"start {self.name}")
        try:
            yield object()
        finally:
            self.events.append(f"end {self.name}")


def test_equal_recipes_share_one_until_the_end_and_the_last_is_closed_first():
    events = []
    with ExitStack() as held:
        opened = Opened(held)
        first = opened(Recipe("a", events))
        assert opened(Recipe("a", events)) is first
        assert opened(Recipe("b", events)) is not first
        assert events == ["start a", "start b"]
    assert events[2:] == ["end b", "end a"]


def test_an_error_closes_what_is_open():
    events = []
    with pytest.raises(KeyboardInterrupt), ExitStack() as held:
        Opened(held)(Recipe("a", events))
        raise KeyboardInterrupt
    assert events == ["start a", "end a"]
