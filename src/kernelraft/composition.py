"""From a command line to a run's settings; every mistake in it ends in one line.

Hydra's own messages take several lines and name no near miss. run.py asks
Hydra to raise (HYDRA_FULL_ERROR) and `one_line_errors` says it shorter.
"""

import errno
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)  # fmt: skip
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import Field, TypeAdapter, ValidationError

from kernelraft.component import did_you_mean
from kernelraft.errors import ConfigError, KernelraftError, first_line

HOME = Path(__file__).resolve().parents[2]
USER_ERROR = 2
INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """The root keys of conf/config.yaml."""

    name: Annotated[str, Field(pattern=r"^[\w,=+-][\w.,=+-]*(/[\w,=+-][\w.,=+-]*)*$")]  # no part is ".."
    dir: Path
    seed: Annotated[int, Field(ge=0)]
    yes: bool
    run: str | None
    objective: str | None

    @classmethod
    def of(cls, cfg: DictConfig) -> "RunConfig":
        """Check the root keys.

        Raises:
            ConfigError: a key of the run is missing, or a root key is unknown or of the wrong type.
        """
        known = [*(f.name for f in fields(cls)), *(path.name for path in (HOME / "conf").iterdir() if path.is_dir())]
        unknown = sorted(str(key) for key in cfg if key not in known)
        if unknown:
            raise ConfigError(f"unknown key {unknown[0]}{did_you_mean(unknown[0], known)}")
        missing = sorted(OmegaConf.missing_keys(cfg))  # as they are written: build() knows them below stage alone
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            raise ConfigError(f"{', '.join(missing)} {verb} missing: give a value, as in {missing[0]}=...")
        try:
            keys = ("name", "dir", "seed", "yes", "run", "objective")
            values = {key: OmegaConf.select(cfg, key) for key in keys}
            return TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            fault = error.errors()[0]
            raise ConfigError(f"{fault['loc'][0]}: {fault['msg']}, got {fault['input']!r}") from None

    def objective_of(self, metrics: dict[str, float]) -> float | None:
        """The metric that a sweeper optimises, None where none was asked for.

        Raises:
            ConfigError: the stage gave no such metric.
        """
        if self.objective is None:
            return None
        if self.objective not in metrics:
            near = did_you_mean(self.objective, list(metrics))
            raise ConfigError(f"objective={self.objective}: the stage gave {', '.join(metrics)}{near}")
        return metrics[self.objective]


def _stage_choice(*, _root_: DictConfig) -> str:
    """The option chosen for the group stage; works before Hydra has set its own config, as a sweep needs."""
    chosen = OmegaConf.select(_root_, "hydra.runtime.choices.stage")
    return str(chosen if chosen is not None else HydraConfig.get().runtime.choices["stage"])


def _run_dir(*, _root_: DictConfig) -> str:
    """The run's folder, relative to where the command is given, so that a checkout can be moved with its runs."""
    if not HydraConfig.initialized() or OmegaConf.is_missing(HydraConfig.get().runtime, "output_dir"):  # --cfg
        return f"runs/{OmegaConf.select(_root_, 'name')}"
    return os.path.relpath(HydraConfig.get().runtime.output_dir)


OmegaConf.register_new_resolver("stage_choice", _stage_choice, replace=True)
OmegaConf.register_new_resolver("run_dir", _run_dir, replace=True)
# Hydra copies its store of schemas, to which nobody writes, for each group that --help lists: a third of its time.
ConfigStore.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]


def prepare_process() -> None:
    """What must hold before Hydra starts: where the project lies, errors that reach us, no telemetry, SIGTERM."""
    os.environ.setdefault("KERNELRAFT_HOME", str(HOME))
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("GOMP_SPINCOUNT", "100000")  # longer, and threads slow each other down on a busy machine
    if "PYTORCH_CUDA_ALLOC_CONF" not in os.environ:  # the option's older name
        os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")  # fragments take less of a GPU's memory
    os.environ["HYDRA_FULL_ERROR"] = "1"
    signal.signal(signal.SIGTERM, _stop)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Print a user's error as one line and exit with 2; a bug keeps its traceback.

    Stands around Hydra, and inside its job too: an error that passes through
    Hydra gets a line of Hydra's in front.
    """
    try:
        yield
    except KernelraftError as error:
        _fail(str(error))
    except (MissingConfigException, ConfigCompositionException, OverrideParseException) as error:
        _fail(explain(error))
    except (HydraException, OmegaConfBaseException) as error:
        _fail(first_line(error))
    except ValueError as error:
        if not str(error).startswith("Config group override"):  # Hydra has no error of its own for it
            raise
        _fail(_no_option(sys.argv[1:]) or first_line(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _fail(
            f"the disk is full{f' at {error.filename}' if error.filename else ''}: make room, then the same command "
            "continues where it was"
        )
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the same command continues where it was\n")
        sys.exit(INTERRUPTED)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(message: str) -> None:
    sys.stderr.write(f"error: {' '.join(message.split())}\n")
    sys.exit(USER_ERROR)


def explain(error: Exception) -> str:
    """One line for an error of Hydra's composition."""
    text = first_line(error)
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, option = (error.missing_cfg_file or "").rpartition("/")
        return (
            f"{group.strip('/')}={option}: no such option{did_you_mean(option, list(error.options))}"
            f" ({', '.join(sorted(error.options))})"
        )
    unmatched = re.search(r"Could not override '([^']+)'", text)
    if unmatched:
        key = unmatched.group(1).split("@")[0]
        return f"there is no key or group '{key}' in this run{did_you_mean(key, _known_keys())}; see --cfg job"
    return text


def _no_option(words: list[str]) -> str:
    """One line for the first of the command's words that gives a group what is no option of it, as null."""
    for word in words:
        key, _, given = word.lstrip("+~").partition("=")
        group = key.partition("@")[0]
        options = _options(group)
        wrong = [found for found in given.split(",") if found not in options]
        if options and wrong and "/" not in group:
            return (
                f"{word}: expected an option of {group} ({', '.join(options)}), found {wrong[0]}: name one of them, or "
                f"leave {key}= out"
            )
    return ""


def _known_keys() -> list[str]:
    """Every key of the config that the command's group choices alone compose to."""
    from hydra import compose, initialize_config_dir

    choices = [word for word in sys.argv[1:] if re.fullmatch(r"[a-z/]+=\w+", word) and _is_group(word)]
    try:
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(HOME / "conf"), version_base="1.3"):
            cfg = compose("config", overrides=choices)
    except (HydraException, OmegaConfBaseException):
        return []
    plain = OmegaConf.to_container(cfg, resolve=False)
    return [*_paths(plain), *_groups()]


def _is_group(word: str) -> bool:
    group, _, option = word.partition("=")
    return option in _options(group)


def _options(group: str) -> list[str]:
    return sorted(path.stem for root in (HOME / "conf", HOME) for path in (root / group).glob("*.yaml"))


def _groups() -> list[str]:
    return [*(path.name for path in (HOME / "conf").iterdir() if path.is_dir()), "experiments", "sweeps"]


def _paths(tree: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield f"{prefix}{key}"
            yield from _paths(value, f"{prefix}{key}.")
