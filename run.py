"""The one entrypoint: `python run.py stage=sft model=trinity name=first`.

Hydra composes conf/; `build` turns the result into objects, once; after that
line no code sees a DictConfig. What the run leaves is in runs/<name>/, and
running the same name again continues it.

    python run.py                                     the demo
    python run.py --help                              the groups and their options
    python run.py stage=verify --cfg job --resolve    the config, without running
    python run.py experiments=...                     a question written down
    python run.py sweeps=... tracker=wandb            a grid, one W&B group
"""

import logging
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "src"
if SOURCE.is_dir() and str(SOURCE) not in sys.path:
    sys.path.insert(0, str(SOURCE))

import hydra  # noqa: E402
from omegaconf import DictConfig  # noqa: E402

from kernelraft.component import build  # noqa: E402
from kernelraft.composition import RunConfig, one_line_errors, prepare_process  # noqa: E402
from kernelraft.runs import Run  # noqa: E402

log = logging.getLogger("kernelraft")


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> float | None:
    """Build the stage, run it in its folder, return the metric a sweeper optimises."""
    with one_line_errors():
        settings = RunConfig.of(cfg)
        stage, tracker = build(cfg.stage), build(cfg.tracker)  # cheap: constructors check and store
        log.info("%s -> %s", settings.name, settings.dir)
        with Run.open(settings.dir, settings.seed, stage, tracker) as run:
            metrics = run.finished
            if metrics is None:
                metrics = run.finish(stage.execute(run))
            else:
                log.info("%s is complete; give another name= to run it again", settings.dir)
        return settings.objective_of(metrics)


if __name__ == "__main__":
    prepare_process()
    with one_line_errors():
        main()
