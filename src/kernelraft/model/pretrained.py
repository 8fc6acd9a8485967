"""Reading what `save_pretrained` of transformers left, in a folder or on the hub."""

from typing import Any

from kernelraft.errors import ModelUnavailable, first_line
from kernelraft.model import Weights
from kernelraft.model.silence import silence


def pretrained(kind: Any, weights: Weights, called: str | None = None, **options: Any) -> Any:
    """`kind.from_pretrained` of `weights`, whose error calls them `called`, or by their path.

    Raises:
        ModelUnavailable: transformers cannot read what is there.
    """
    silence()
    if weights.revision:
        options["revision"] = weights.revision
    try:
        return kind.from_pretrained(weights.path, **options)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{called or weights.path} cannot be loaded: {first_line(error)}") from None
