"""A component is a frozen dataclass that YAML can name; `build` makes one from its node."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform

import hydra
from hydra.errors import InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import InterpolationToMissingValueError, MissingMandatoryValue, OmegaConfBaseException
from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass

from kernelraft.errors import ConfigError, KernelraftError

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def component(cls: type[T]) -> type[T]:
    """Make `cls` a component: its fields are its YAML keys; other keys and types are refused.

    The constructor checks and stores, nothing more: what is alive (a file, a
    process, a model on a device) comes from the component's opening method.
    """
    checks = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    return dataclass(frozen=True, kw_only=True, config=checks)(cls)  # type: ignore[return-value]


def build(node: DictConfig) -> Any:
    """The object that `node` describes, its parts first.

    Raises:
        ConfigError: a key is missing, unknown or of the wrong type; the message names it.
    """
    try:
        return hydra.utils.instantiate(node, _convert_="all")
    except InstantiationException as error:
        raise _config_error(error) from None
    except (MissingMandatoryValue, InterpolationToMissingValueError) as error:
        raise ConfigError(_missing(error)) from None
    except OmegaConfBaseException as error:
        raise ConfigError(" ".join(str(error).split())) from None


def _config_error(error: InstantiationException) -> KernelraftError:
    cause = error.__cause__
    if isinstance(cause, KernelraftError):
        return cause
    if isinstance(cause, ValidationError):
        return ConfigError("; ".join(_fault(cause.title, dict(fault)) for fault in cause.errors()))
    if isinstance(cause, (MissingMandatoryValue, InterpolationToMissingValueError)):
        return ConfigError(_missing(cause))
    if cause is not None and not isinstance(cause, (ImportError, AttributeError, TypeError, ValueError)):
        raise error
    return ConfigError(" ".join(str(error).split()))


def _fault(title: str, fault: dict[str, Any]) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "unexpected_keyword_argument":
        return f"{title} has no key '{key}'"
    if fault["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{title}.{key} is missing: give it a value"
    return f"{title}.{key}: {fault['msg'][0].lower()}{fault['msg'][1:]}, got {fault['input']!r}"


def _missing(error: OmegaConfBaseException) -> str:
    key = getattr(error, "full_key", None) or " ".join(str(error).split())
    return f"{key} is missing: give it a value, as in {key}=..."


def did_you_mean(word: str, known: list[str]) -> str:
    """'; did you mean "x"?', or nothing where no known word is near."""
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def settings(part: object) -> Any:
    """The plain data of a component, recursively, `_target_` included: what a hash of it is made of.

    Fields that a component names in `VOLATILE` (how many workers, what is
    printed) are left out: they change how work is done, not what comes out.
    """
    if is_dataclass(part) and not isinstance(part, type):
        target = f"{type(part).__module__}.{type(part).__qualname__}"
        kept = (f.name for f in fields(part) if f.name not in getattr(part, "VOLATILE", ()))
        return {"_target_": target} | {name: settings(getattr(part, name)) for name in kept}
    if isinstance(part, Mapping):
        return {str(key): settings(value) for key, value in part.items()}
    if isinstance(part, (list, tuple)):
        return [settings(value) for value in part]
    return str(part) if isinstance(part, Path) else part
