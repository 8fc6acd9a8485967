from io import StringIO

import pytest
from rich.console import Console

from kernelraft.report.facts import collect
from kernelraft.report.tables import seconds_text, tables


def printed(folder):
    console = Console(width=100, record=True, file=StringIO())
    for table in tables(collect(folder, None)):
        console.print(table)
    return console.export_text()


def rows(text):
    return [line.split() for line in text.splitlines() if line.strip()]


def test_tables_show_benchmarks_kinds_and_times(run_folder):
    text = printed(run_folder)
    found = rows(text)
    assert ["before", "25.0%", "(15.0", "to", "35.0)", "100.0%"] in found
    assert "+75.0 (" in next(line for line in text.splitlines() if line.strip().startswith("after "))
    assert "after - control: +50.0" in text
    assert ["ew", "25.0%", "50.0%", "100.0%"] in found
    assert ["raft", "1", "min", "10", "s", "3", "66.7%"] in found
    assert ["all", "1", "min", "20", "s", "15"] in found


def test_tables_without_a_benchmark_show_times_only(run_folder):
    text = printed(run_folder / "raft")
    assert "Benchmarks" not in text
    assert "kind" not in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (125.4, "2 min 05 s"), (3840, "1 h 04 min")]
)
def test_seconds_read_as_a_person_says_them(seconds, text):
    assert seconds_text(seconds) == text
