"""run.py as users start it: a process of its own, in a folder that is not the checkout."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from kernelraft.stage.doctor import KERNEL, PROBLEM

RUN = Path(__file__).parents[1] / "run.py"
SECRETS = {name: f"secret-{name.lower()}" for name in ("OPENAI_API_KEY", "WANDB_API_KEY", "HF_TOKEN")}
VERIFY = ("stage=verify", "data=files", "data.path=samples.jsonl", "verifier=triton", "name=t")
WHOLE = f"<think>\nadd 1.5\n</think>\nHere it is:\n<triton>\n{KERNEL.replace('64', '32')}</triton>\n"
SAMPLES = {"right": KERNEL, "wrong": KERNEL.replace("x + 1.5, mask", "x + 2.5, mask"), "whole": WHOLE}
TASK = {"id": "t", "family": "k/f", "language": "triton", "prompt": "p", "reference": "r"}


def jsonl(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def started(folder, *words, **env):
    known = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.Popen(
        [sys.executable, str(RUN), *words], cwd=folder, env=known | env, text=True, encoding="utf-8",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process):
    """(exit status, standard output, standard error)"""
    with process:
        out, err = process.communicate(timeout=180)
    return process.returncode, out, err


def run(folder, *words, **env):
    return ended(started(folder, *words, **env))


def wait_for_lock(process, folder):
    deadline = time.monotonic() + 60
    lock = folder / ".lock"
    while not (lock.exists() and lock.read_text() == str(process.pid)):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def error_of(result):
    """The one line with which a command was refused; what the log said before it does not count."""
    status, out, err = result
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert status == 2 and out == "" and len(errors) == 1 and err.endswith(errors[0] + "\n"), err
    return errors[0]


def test_help_explains_the_groups_within_a_second_of_cpu_time(tmp_path):
    spent = []
    for _ in range(4):  # the first may have to compile, and others may meet a busy machine
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        status, out, err = run(tmp_path, "--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert (status, err) == (0, "")
    for group in ("stage", "model", "data", "generator", "verifier", "trainer", "tracker", "experiments", "sweeps"):
        assert f"  {group}  " in out
    assert "verifier: triton" in out and "--cfg job" in out and "--multirun" in out
    assert min(spent) < 1.0
    assert list(tmp_path.iterdir()) == []


def test_cfg_job_prints_the_config_and_leaves_nothing(tmp_path):
    status, out, err = run(tmp_path, *VERIFY, "--cfg", "job", "--resolve")
    cfg = yaml.safe_load(out)
    assert (status, err, cfg["name"], cfg["dir"]) == (0, "", "t", "runs/t")
    assert cfg["stage"]["verifier"] == cfg["verifier"] and cfg["stage"]["data"]["path"] == "samples.jsonl"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["stag=sft"], ["'stag'", "did you mean 'stage'?"]),
        (["stage=verfy"], ["stage=verfy", "did you mean 'verify'?", "benchmark"]),
        (["stage=verify", "verifier=null"], ["expected an option of verifier (triton, ", "found null", "name one of"]),
        ([*VERIFY, "verifier.worker=3"], ["'verifier.worker'", "did you mean 'verifier.workers'?"]),
        ([*VERIFY, "+verifier.worker=3"], ["Triton has no key 'worker'"]),
        ([*VERIFY, "verifier.workers=many"], ["Triton.workers", "integer", "'many'"]),
        ([*VERIFY, "seed=one"], ["seed", "integer", "'one'"]),
        (["stage=verify", "data=files", "name=t"], ["data.path is missing", "data.path=..."]),
    ],
    ids=lambda value: value[-1],
)
def test_a_mistake_on_the_command_line_is_one_line_that_says_what_was_expected(tmp_path, words, told):
    result = run(tmp_path, *words)
    line = error_of(result)
    assert result[2] == line + "\n"
    assert all(part in line for part in told), line


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """What became of VERIFY: started, asked for a second time while it worked, terminated, and continued."""
    folder = tmp_path_factory.mktemp("elsewhere")
    jsonl(folder / "samples.jsonl", *({"id": n, "reference": PROBLEM, "code": c} for n, c in SAMPLES.items()))
    first = started(folder, *VERIFY, **SECRETS)
    try:
        wait_for_lock(first, folder / "runs/t")
        first.send_signal(signal.SIGSTOP)
        second = run(folder, *VERIFY)
        first.send_signal(signal.SIGCONT)
        first.terminate()
        stopped = ended(first)
    finally:
        first.kill()
    unfinished = not (folder / "runs/t/metrics.json").exists()
    return SimpleNamespace(
        folder=folder, pid=first.pid, second=second, stopped=stopped, unfinished=unfinished,
        continued=run(folder, *VERIFY, **SECRETS),
    )  # fmt: skip


def test_a_second_process_on_the_folder_of_a_run_at_work_is_refused(real):
    assert f"runs/t is in use by process {real.pid}" in error_of(real.second)


def test_a_terminated_run_says_in_one_line_how_it_goes_on(real):
    status, _, err = real.stopped
    assert status == 130 and err.endswith("\nstopped; the same command continues where it was\n"), err
    assert "Traceback" not in err and real.unfinished


def verdicts(folder):
    return [json.loads(line) for line in (folder / "runs/t/verdicts.jsonl").read_text().splitlines()]


def test_verify_leaves_one_verdict_a_row_with_the_documented_keys(real):
    assert real.continued[0] == 0, real.continued[2]
    found = verdicts(real.folder)
    documented = {"id", "status", "reason", "detail", "compiled", "correct", "speedup", "reward"}
    assert all(documented <= set(verdict) for verdict in found)
    assert {v["id"]: (v["status"], v["reason"], v["correct"], v["reward"]) for v in found} == {
        "right": ("pass", None, True, 1.0),
        "wrong": ("fail", "WRONG_VALUE", False, 0.0),
        "whole": ("pass", None, True, 1.0),
    }
    assert [v["id"] for v in found] == list(SAMPLES)
    assert [v["compiled"] for v in found if v["correct"]] == [True, True]
    assert [v["speedup"] for v in found] == [None] * 3  # nothing was timed
    assert found[1]["detail"]


def test_no_key_is_in_what_a_run_leaves(real):
    left = [path for path in (real.folder / "runs").rglob("*") if path.is_file()]
    assert {"config.json", "run.log", "metrics.json"} <= {path.name for path in left}
    for path in left:
        assert not any(secret.encode() in path.read_bytes() for secret in SECRETS.values()), path


def test_the_same_command_again_says_that_it_is_complete_and_changes_nothing(real):
    def results():
        return {name: (real.folder / "runs/t" / name).read_bytes() for name in ("verdicts.jsonl", "metrics.json")}

    before = results()
    status, _, err = run(real.folder, *VERIFY)
    assert status == 0 and "runs/t is complete; give another name= to run it again" in err
    assert results() == before


def test_another_config_under_the_same_name_is_refused_in_one_line(real):
    line = error_of(run(real.folder, *VERIFY, "verifier.trials=1"))
    assert "runs/t was made with stage.verifier.trials=5 (now 1); give another name=" in line


def test_a_model_that_cannot_be_had_is_one_line(tmp_path):
    row = {"sample_key": "a", "pytorch_code": "x", "triton_code": "y", "correctness": True, "fast_0": True}
    jsonl(tmp_path / "traces.jsonl", row)
    words = ("stage=sft", "model=trinity", "data=files", "data.path=traces.jsonl", "trainer=qlora")
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub"), "HF_ENDPOINT": "http://127.0.0.1:9"}
    line = error_of(run(tmp_path, *words, **offline))
    assert "arcee-ai/Trinity-Mini cannot be had" in line
    assert not (tmp_path / "runs/sft/metrics.json").exists()


def test_a_sweep_over_two_values_leaves_two_runs(tmp_path):
    jsonl(tmp_path / "tasks.jsonl", TASK)
    words = ("stage=prepare", "data=files", "data.path=tasks.jsonl", "name=s")
    status, _, err = run(tmp_path, *words, "seed=0,1", "--multirun")
    assert status == 0, err
    configs = [json.loads(path.read_text()) for path in (tmp_path / "runs/s").glob("*/config.json")]
    assert sorted(config["seed"] for config in configs) == [0, 1]
    assert len(list((tmp_path / "runs/s").glob("*/metrics.json"))) == 2
