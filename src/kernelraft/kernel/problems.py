"""The references that a judge has executed lately."""

from collections import OrderedDict
from collections.abc import Callable

from kernelraft.kernel.memory import Unsupported
from kernelraft.kernel.reference import Problem

_MOST = 2048  # a source and its answers take some 100 KiB where they are small


class Problems:
    """At most `most_bytes` of tensors, but one problem in any case; the one that was not asked for longest goes first.

    What cannot be judged is remembered as well.
    """

    def __init__(self, make: Callable[[str], Problem], most_bytes: int) -> None:
        self._make, self._most_bytes = make, most_bytes
        self._kept: OrderedDict[str, tuple[Problem | Unsupported, int]] = OrderedDict()  # with its bytes

    def __getitem__(self, source: str) -> Problem:
        """The problem of this source, made where it is not kept. Raises Unsupported."""
        if source not in self._kept:
            self._forget(0)  # the new one may need all the room that there is
            self._kept[source] = self._made(source), 0
        found, _ = self._kept[source]
        self._kept[source] = found, found.nbytes if isinstance(found, Problem) else 0
        self._kept.move_to_end(source)
        self._forget(1)
        if isinstance(found, Unsupported):
            raise found
        return found

    def _forget(self, least: int) -> None:
        while len(self._kept) > least and (len(self._kept) > _MOST or self._nbytes() > self._most_bytes):
            self._kept.popitem(last=False)

    def _nbytes(self) -> int:
        return sum(nbytes for _, nbytes in self._kept.values())

    def _made(self, source: str) -> Problem | Unsupported:
        try:
            return self._make(source)
        except Unsupported as error:
            return Unsupported(str(error))  # without its frames, which hold tensors
