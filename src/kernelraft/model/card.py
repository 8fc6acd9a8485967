"""What a folder with a model says of itself: full weights or an adapter, whole or cut off, made from what."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from kernelraft.errors import ModelUnavailable
from kernelraft.model import Model, Weights
from kernelraft.model.quantization import Quantization
from kernelraft.records import digest
from kernelraft.store import write_json

CARD = "kernelraft.json"
ADAPTER_CONFIG = "adapter_config.json"


def find(path: Path) -> Path:
    """The checkpoint of a run, or `path` itself where that is no run.

    Raises:
        ModelUnavailable: the run is not complete.
    """
    if (path / "model").is_dir():
        return path / "model"
    if (path / ".model").is_dir():
        raise ModelUnavailable(f"{path} is not complete: run its command again, it goes on where it was")
    return path


def look(path: Path, model: Model) -> Path:
    """As `find`; what is there is seen to be whole and of this model before torch is loaded.

    Raises:
        ModelUnavailable: there is no checkpoint, a file of it is cut off, or it is of another model.
    """
    folder = find(path)
    refuse_damaged(folder, read_card(folder))
    place(folder, model)
    return folder


def place(folder: Path, model: Model) -> Weights:
    """The weights under the checkpoint in `folder`: those that its adapter goes on, or its own.

    Raises:
        ModelUnavailable: they are not `model`'s.
    """
    base, _ = base_of(folder)
    try:
        return model.under(base, origin_of(base))
    except ModelUnavailable as error:
        raise ModelUnavailable(f"{folder}: {error}") from None


def origin_of(base: Weights) -> Weights:
    """What full weights of ours were trained from, by their card."""
    card = Path(base.path) / CARD
    found = _json(card)["base"] if card.is_file() else None
    return Weights(**found) if found else base


def read_card(folder: Path) -> dict[str, Any]:
    """What a checkpoint is; for folders that others made it follows from their files.

    Raises:
        ModelUnavailable: `folder` is no checkpoint.
    """
    if (folder / CARD).is_file():
        return _json(folder / CARD)
    if (folder / ADAPTER_CONFIG).is_file():
        config = _json(folder / ADAPTER_CONFIG)
        base = {"path": config.get("base_model_name_or_path") or "(not named)", "revision": config.get("revision")}
        return {"kind": "adapter", "base": base, "quantization": None}
    if (folder / "config.json").is_file():
        return {"kind": "full", "base": None, "quantization": None}
    there = "holds no checkpoint" if folder.is_dir() else "is not there"
    raise ModelUnavailable(f"{folder} {there}: expected runs/<name>, or a folder like runs/<name>/model")


def refuse_damaged(folder: Path, card: dict[str, Any]) -> None:
    """Read the head of every file with weights.

    Raises:
        ModelUnavailable: one is missing or shorter than its head says, or a JSON file is cut off.
    """
    from safetensors import SafetensorError, safe_open

    for path in folder.glob("*.json"):
        _json(path)
    index = folder / "model.safetensors.index.json"
    if card["kind"] == "adapter":
        names = {"adapter_model.safetensors"}
    else:
        names = set(_json(index)["weight_map"].values()) if index.is_file() else {"model.safetensors"}
    for path in (folder / name for name in sorted(names)):
        if not path.is_file():
            raise ModelUnavailable(f"{path} is missing: copy the folder again, all of it")
        try:
            with safe_open(path, framework="numpy"):
                pass
        except SafetensorError as error:
            raise ModelUnavailable(f"{path} is damaged or cut off ({error}): copy the folder again") from None


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ModelUnavailable(f"{path} is damaged or cut off: copy the folder again") from None
    return found


def base_of(folder: Path) -> tuple[Weights, Quantization | None]:
    """Where a checkpoint says that its base is (itself, if it is full), and how that was stored in training."""
    card = read_card(folder)
    if card["kind"] == "full":
        return Weights(path=str(folder)), None
    base = Weights(**card["base"])
    beside = (folder / base.path).resolve()
    quantization = Quantization(**card["quantization"]) if card["quantization"] else None
    return (replace(base, path=str(beside)) if beside.is_dir() else base), quantization


def name_base(folder: Path, final: Path) -> None:
    """Say in a checkpoint that will be moved from `folder` to `final` where peft will find a base that is inside it.

    Our own card names it relative to itself; peft takes a path as from where it is started.
    """
    path = folder / ADAPTER_CONFIG
    config = _json(path) if path.is_file() else {}
    base = Path(config.get("base_model_name_or_path") or "")
    if base.is_relative_to(folder):
        write_json(path, config | {"base_model_name_or_path": str(final / base.relative_to(folder))})


def fingerprint(folder: Path) -> str:
    """Hash of a checkpoint's weights: what a sample's id is made of, so that another model's samples are not reused."""
    read_card(folder)
    return digest(*(_hash_of(path) for path in sorted(folder.glob("*.safetensors"))))


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
