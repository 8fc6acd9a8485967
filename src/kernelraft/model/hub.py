"""Pretrained models: a repository of the Hugging Face hub at a revision, or a folder in its form."""

import re
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import getproxies

from kernelraft.component import component
from kernelraft.errors import ModelUnavailable, first_line
from kernelraft.model import Weights

_NAME = r"[\w-][\w.-]*/[\w-][\w.-]*"  # of a repository


@component
class Hub:
    """Weights are downloaded once, into the hub's own cache."""

    name: str
    repository: str
    revision: str | None
    dtype: str
    attention: str
    lora_targets: list[str]
    adapter: Path | None

    def check(self) -> None:
        self.weights(Path(), (), 0)

    def weights(self, folder: Path, corpus: Sequence[str], seed: int) -> Weights:
        if Path(self.repository).is_dir():
            return Weights(path=self.repository)
        import huggingface_hub
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

        cached = huggingface_hub.try_to_load_from_cache(self.repository, "config.json", revision=self.revision)
        if isinstance(cached, str):
            return Weights(path=self.repository, revision=self.revision)
        self._refuse_unreachable(huggingface_hub.constants.ENDPOINT)
        try:
            huggingface_hub.hf_hub_download(self.repository, "config.json", revision=self.revision)
        except GatedRepoError:
            raise ModelUnavailable(
                f"{self.repository} asks for consent: accept its terms on the hub and set HF_TOKEN"
            ) from None
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            raise ModelUnavailable(f"{self.repository} cannot be had: {first_line(error)}") from None
        return Weights(path=self.repository, revision=self.revision)

    def under(self, base: Weights, origin: Weights) -> Weights:
        """The names must be this model's own. A folder that is gone, as on another machine, says nothing."""
        if not self._is(base) and not self._is(origin):
            raise ModelUnavailable(
                f"it was made from {origin.path}, and model {self.name} is {self.repository}: "
                f"give the model that it was made from, or model.repository={base.path}"
            )
        if None not in (origin.revision, self.revision) and origin.revision != self.revision:
            raise ModelUnavailable(
                f"it was made from revision {origin.revision} of {origin.path}, and model.revision={self.revision}: "
                f"give model.revision={origin.revision}"
            )
        if Path(base.path).is_dir():
            return base
        own = self.weights(Path(), (), 0)
        return own if Path(own.path).is_dir() else replace(own, revision=self.revision or base.revision)

    def _is(self, other: Weights) -> bool:
        ours, theirs = Path(self.repository), Path(other.path)
        if theirs.is_dir():
            return ours.is_dir() and ours.resolve() == theirs.resolve()
        return ours.is_dir() or not re.fullmatch(_NAME, other.path) or other.path == self.repository

    def _refuse_unreachable(self, endpoint: str) -> None:
        """The hub's own client tries for half a minute before it says that there is no network."""
        if getproxies():  # which then asks for the name
            return
        url = urlparse(endpoint)
        try:
            socket.getaddrinfo(url.hostname, url.port or 443)
        except OSError:
            raise ModelUnavailable(
                f"{self.repository} is not on this machine and the hub cannot be reached: "
                "connect, or give model.repository=<a folder with the weights>"
            ) from None
