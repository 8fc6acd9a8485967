"""W&B for real, offline: no account, no network, no question."""

import contextlib
import json
import os
import select
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from kernelraft.errors import ConfigError
from kernelraft.tracker import Tracker
from kernelraft.tracker.wandb import Wandb

SOURCE = Path(__file__).parents[2] / "src"
CONFIG = {"seed": 3, "stage": {"trainer": {"lr": 5e-5}}}
SCRIPT = f"""
    import logging, sys
    from pathlib import Path
    from kernelraft.tracker.wandb import Wandb

    logging.basicConfig(level=logging.INFO)
    log = Wandb(project="laboratory", group="a-sweep").open(Path(sys.argv[1]), {CONFIG})
    log({{"train/loss": 1.5}}, 10)
    log({{"train/loss": 1.25, "benchmark/pass@1": 0.5}}, 20)
    log.close(ok=True)
"""


def started_on_a_terminal(folder, home):
    """Run SCRIPT where it could ask a question; what it printed."""
    ours, theirs = os.openpty()
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(SOURCE), "TERM": "xterm"}
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(SCRIPT), str(folder)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True)
    os.close(theirs)
    said, deadline = b"", time.monotonic() + 60
    try:
        while process.poll() is None and time.monotonic() < deadline:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    said += os.read(ours, 4096)
                except OSError:  # the other end is closed
                    break
        assert process.wait(max(0.1, deadline - time.monotonic())) == 0, said.decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return said.decode()


def records(path):
    """What a .wandb file holds: a header of 7 bytes, then blocks of LevelDB's log format with a protobuf a record."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, parts = path.read_bytes(), 7, b""
    while at < len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, size, kind = struct.unpack_from("<IHB", data, at)
        parts += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or its last part
            yield Record.FromString(parts)
            parts = b""


def history(path):
    for record in records(path):
        if record.WhichOneof("record_type") == "history":
            items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            yield {key: value for key, value in items.items() if not key.startswith("_")}


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """The run's folder, what was printed, and the HOME that all its processes had."""
    folder, home = tmp_path_factory.mktemp("runs") / "first", tmp_path_factory.mktemp("home")
    folder.mkdir()
    return folder, started_on_a_terminal(folder, home), home


def test_it_keeps_the_contract():
    assert isinstance(Wandb(project="p", group="g"), Tracker)


def test_without_a_key_it_writes_offline_and_asks_nothing(offline):
    folder, said, _ = offline
    assert len(list(folder.glob("wandb/offline-run-*/run-*.wandb"))) == 1
    [line] = [line for line in said.splitlines() if line.strip()]
    assert "no key found, writing offline" in line and str(folder) in line


def test_metrics_and_config_can_be_read_back(offline):
    [path] = offline[0].glob("wandb/offline-run-*/run-*.wandb")
    assert list(history(path)) == [
        {"train/loss": 1.5, "step": 10},
        {"train/loss": 1.25, "benchmark/pass@1": 0.5, "step": 20},
    ]
    [run] = [record.run for record in records(path) if record.WhichOneof("record_type") == "run"]
    assert (run.project, run.run_group, run.display_name) == ("laboratory", "a-sweep", "first")
    sent = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert {key: sent[key] for key in CONFIG} == CONFIG


def alive(home):
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended, or is not ours
            if f"HOME={home}".encode() in path.read_bytes().split(b"\0"):
                yield path.parent.name


def test_nothing_is_left_running(offline):
    deadline = time.monotonic() + 10
    while (left := list(alive(offline[2]))) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


@pytest.mark.parametrize(
    ("mode", "key", "told"),
    [("online", None, "No API key configured"), ("auto", "short", "WANDB_API_KEY invalid")],
)
def test_a_tracker_that_cannot_start_says_so_in_one_line(tmp_path, monkeypatch, mode, key, told):
    import wandb

    for name in [name for name in os.environ if name.startswith("WANDB_") or name == "NETRC"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_CONSOLE", "off")
    if key:
        monkeypatch.setenv("WANDB_API_KEY", key)
    try:
        with pytest.raises(ConfigError, match=rf"tracker=wandb cannot start: {told}.*tracker\.mode=offline") as error:
            Wandb(project="p", group="g", mode=mode).open(tmp_path, CONFIG)
    finally:
        wandb.teardown()
    assert "\n" not in str(error.value)
