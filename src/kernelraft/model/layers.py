"""Where transformers' models keep the layers of their decoder."""

from typing import Any


def layers_of(module: Any) -> list[Any]:
    """The decoder's layers, in their order."""
    return list(module.get_decoder().layers)
