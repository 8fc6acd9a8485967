"""Memory for keys and values, allocated once.

B rows, G key heads, D width of a head, T tokens of a prompt, N pieces of C positions each.
"""

from functools import cached_property

import torch


class Store:
    """Keys and values of `rows` sequences: the last `length` positions of each, position p in place p % length.

    Laid out as (N, B, G, C, D), so that the first pieces of all rows are one block of memory.
    """

    def __init__(self, rows: int, length: int, piece: int | None, like_GTD: torch.Tensor) -> None:
        self.length, self.piece = length, piece or length
        G, _, D = like_GTD.shape
        self.k = like_GTD.new_zeros(-(-length // self.piece), rows, G, self.piece, D)
        self.v = torch.zeros_like(self.k)
        self._rows = torch.arange(rows, device=like_GTD.device)

    def fill(self, row: int, k_GTD: torch.Tensor, v_GTD: torch.Tensor) -> None:
        """Put a prompt's keys and values in a row."""
        T = k_GTD.shape[1]
        first = max(0, T - self.length)
        place_T = torch.arange(first, T, device=k_GTD.device) % self.length
        where = place_T // self.piece, row, slice(None), place_T % self.piece
        self.k[where], self.v[where] = k_GTD[:, first:].transpose(0, 1), v_GTD[:, first:].transpose(0, 1)

    def append(self, position_B: torch.Tensor, k_BGD: torch.Tensor, v_BGD: torch.Tensor) -> None:
        """Put one position's keys and values in each of the first rows."""
        place_B = position_B % self.length
        where = place_B // self.piece, self._rows[: len(place_B)], slice(None), place_B % self.piece
        self.k[where], self.v[where] = k_BGD, v_BGD


class Grouping:
    """Which row of P each of S queries reads; the rest is made once for all layers that ask for it."""

    def __init__(self, row_S: torch.Tensor, rows: int) -> None:
        self.row_S, self.rows = row_S, rows

    @cached_property
    def order(self) -> torch.Tensor:
        """The queries in the order of their rows."""
        return self.row_S.argsort(stable=True)

    @cached_property
    def back(self) -> torch.Tensor:
        """Where each query is in that order."""
        return self.order.argsort()

    @cached_property
    def begins(self) -> torch.Tensor:
        """Where the queries of each row begin in it, and the last ones end (P + 1,)."""
        row_P = torch.arange(self.rows + 1, device=self.row_S.device)
        return torch.searchsorted(self.row_S[self.order], row_P).to(torch.int32)


class Span:
    """How many positions of each row are read: `used_B`, at most `top`; queries come from the first `rows` slots."""

    def __init__(self, used_B: torch.Tensor, top: int, rows: int) -> None:
        self.used_B, self.top, self.rows = used_B, top, rows
        self._beyond: dict[tuple[int, int], torch.Tensor] = {}

    def beyond(self, pieces: int, piece: int) -> torch.Tensor:
        """Which places of the first pieces are not read (N, B, C); made once for all layers."""
        if (pieces, piece) not in self._beyond:
            place_NC = torch.arange(pieces * piece, device=self.used_B.device).view(pieces, piece)
            self._beyond[pieces, piece] = place_NC[:, None] >= self.used_B[:, None]
        return self._beyond[pieces, piece]
