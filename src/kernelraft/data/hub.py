"""Rows of a data set of the Hugging Face hub, at a fixed revision."""

from collections.abc import Iterator
from typing import Any

from kernelraft.errors import DataError


def rows(repository: str, split: str, revision: str, data_files: str | None = None) -> Iterator[dict[str, Any]]:
    """Every row of one split.

    Raises:
        DataError: the hub cannot be reached, or has no such data set, split or revision.
    """
    import datasets

    try:
        found = datasets.load_dataset(repository, split=split, revision=revision, data_files=data_files)
    except Exception as error:  # of the hub's client, of its storage, of the network: many kinds
        why = " ".join(str(error).split())[:200]
        raise DataError(
            f"{repository} cannot be read ({type(error).__name__}: {why}); with no network, set data.path to a copy"
        ) from error
    yield from found
