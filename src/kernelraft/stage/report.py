"""stage=report: a run's folder -> tables on the terminal and <source>/report.html."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from pydantic import NonNegativeInt

from kernelraft.component import component
from kernelraft.console import show
from kernelraft.report.data import page_data
from kernelraft.report.facts import collect
from kernelraft.report.page import render
from kernelraft.report.tables import tables
from kernelraft.runs import Run
from kernelraft.store import sync
from kernelraft.tracker import Metrics

log = logging.getLogger("kernelraft")


@component
class Report:
    """Leaves `report.html` in the folder that it reports on, which may be finished or not."""

    REPEATS: ClassVar[bool] = True

    source: Path
    max_samples: NonNegativeInt
    title: str | None

    def execute(self, run: Run) -> Metrics:
        """Read, print, write.

        Raises:
            DataError: `source` is not a run's folder, or a file in it is damaged.
        """
        facts = collect(self.source, self.title)
        for table in tables(facts):
            show(table)
        made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        data = page_data(facts, self.max_samples, self.source.resolve().name, made)
        path = self.source / "report.html"
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(render(data), encoding="utf-8")
        sync(temporary)
        temporary.rename(path)
        log.info("report: %s (%.1f MB)", path, path.stat().st_size / 1e6)
        return {"report/samples": float(len(data["samples"].get("id", ())))}
