"""Pretrained models: a repository of the Hugging Face hub at a revision, or a folder in its form."""

import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import getproxies

from kernelraft.component import component
from kernelraft.errors import ModelUnavailable
from kernelraft.model import Weights


@component
class Hub:
    """Weights are downloaded once, into the hub's own cache."""

    name: str
    repository: str
    revision: str | None
    dtype: str
    attention: str
    lora_targets: list[str]

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
            raise ModelUnavailable(f"{self.repository} cannot be had: {_first_line(error)}") from None
        return Weights(path=self.repository, revision=self.revision)

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


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
