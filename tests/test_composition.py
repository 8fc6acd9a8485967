"""Every mistake of a user ends in one line; the same as a process: test_run.py."""

import os
import signal

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException, MissingConfigException
from omegaconf import OmegaConf

from kernelraft.component import build, did_you_mean
from kernelraft.composition import HOME, RunConfig, explain, one_line_errors, prepare_process
from kernelraft.errors import ConfigError, RunConflict

RIGHT = {"name": "first", "dir": "runs/first", "seed": 0, "yes": False, "objective": None}
KNOWN = ["stage", "model", "data.path", "verifier.workers", "verifier.timeout_s", "stage.trainer.lr"]


@pytest.fixture(autouse=True)
def home(monkeypatch):
    monkeypatch.setenv("KERNELRAFT_HOME", str(HOME))


def config(**changes):
    return RunConfig.of(OmegaConf.create(RIGHT | changes))


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("stag", "stage"),
        ("stagee", "stage"),
        ("modle", "model"),
        ("data.pathh", "data.path"),
        ("verifier.worker", "verifier.workers"),
        ("verifer.timeout_s", "verifier.timeout_s"),
        ("trainer.lr", "stage.trainer.lr"),
    ],
)
def test_the_nearest_word_is_offered(word, meant):
    assert did_you_mean(word, KNOWN) == f"; did you mean '{meant}'?"


@pytest.mark.parametrize("word", ["", "q", "banana", "KERNEL"])
def test_nothing_is_offered_where_nothing_is_near(word):
    assert did_you_mean(word, KNOWN) == ""
    assert did_you_mean(word, []) == ""


@pytest.mark.parametrize("name", ["first", "a/b", "lr=1e-4,rank=8", "2024-01-01", "v1.2", "größe"])
def test_a_name_may_be_what_a_folder_may_be(name):
    assert config(name=name).name == name


@pytest.mark.parametrize("name", ["", "a b", "/etc", "a//b", "a/", "a;b", "$x", "..", "../x", "a/../b", ".", ".git"])
def test_a_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(ConfigError, match=r"^name: ") as error:
        config(name=name)
    assert repr(name) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": "abc"}, "seed: .*integer.*got 'abc'"),
        ({"seed": -1}, "seed: .*greater than or equal to 0.*got -1"),
        ({"seed": None}, "seed: .*integer.*got None"),
        ({"seed": 1.5}, "seed: .*integer.*got 1.5"),
        ({"objective": 3}, "objective: .*string.*got 3"),
    ],
)
def test_a_root_key_of_the_wrong_type_is_refused_in_one_line(changes, told):
    with pytest.raises(ConfigError, match=told) as error:
        config(**changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ("verify", r"^data\.path is missing: give a value, as in data\.path=\.\.\.$"),
        ("raft", r"^data\.path, stage\.seeds\.path are missing"),
    ],
)
def test_all_that_is_missing_is_named_as_it_is_given_on_the_command_line(stage, told):
    with initialize_config_dir(str(HOME / "conf"), version_base="1.3"):
        cfg = compose("config", overrides=[f"stage={stage}", "name=t"])
    with pytest.raises(ConfigError, match=told):
        RunConfig.of(cfg)


def test_the_objective_is_one_of_the_metrics():
    metrics = {"benchmark/pass@1": 0.25, "wall_s": 3.0}
    assert config().objective_of(metrics) is None
    assert config(objective="benchmark/pass@1").objective_of(metrics) == 0.25
    with pytest.raises(ConfigError, match=r"the stage gave benchmark/pass@1, wall_s; did you mean 'benchmark/pass@1'"):
        config(objective="benchmark/pass@").objective_of(metrics)


def composed(monkeypatch, *words):
    """What is said of a command line that Hydra refuses."""
    monkeypatch.setattr("sys.argv", ["run.py", *words])
    with (
        pytest.raises((MissingConfigException, ConfigCompositionException)) as error,
        initialize_config_dir(str(HOME / "conf"), version_base="1.3"),
    ):
        compose("config", overrides=list(words))
    return explain(error.value)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["stage=verfy"], ["stage=verfy: no such option; did you mean 'verify'?", "benchmark", "doctor"]),
        (["stage=verify", "verifier=tritn"], ["verifier=tritn: no such option; did you mean 'triton'?"]),
        (["stage=zzz"], ["stage=zzz: no such option ("]),
        (["stag=verify"], ["no key or group 'stag'", "did you mean 'stage'?"]),
        (["stage=verify", "verifier.worker=3"], ["'verifier.worker'", "did you mean 'verifier.workers'?"]),
        (["stage=sft", "trainer.learning_rate=1"], ["no key or group 'trainer.learning_rate'"]),
        (["stage=verify", "verifer=triton"], ["no key or group 'verifer'", "did you mean 'verifier'?"]),
    ],
)
def test_a_command_line_that_does_not_compose_is_explained_in_one_line(monkeypatch, words, told):
    line = composed(monkeypatch, *words)
    assert all(part in line for part in told), line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["stage=verify", "verifier=null"], "verifier=null: expected an option of verifier (triton, "),
        (["stage=sft", "model=tiny", "trainer=3"], "trainer=3: expected an option of trainer (full, lora, "),
        (["tracker=null"], "tracker=null: expected an option of tracker (jsonl, none, wandb), found null: name one"),
        (["experiments=null"], "experiments=null: expected an option of experiments ("),
        (["budget@_global_.budget=null"], "=null: expected an option of budget (default), found null: name one of"),
        (["hydra/launcher=null"], "Config group override must be a string"),
    ],
)
def test_a_group_that_is_given_no_option_is_explained_in_one_line(monkeypatch, capsys, words, told):
    monkeypatch.setattr("sys.argv", ["run.py", *words])
    with (
        pytest.raises(SystemExit) as end,
        one_line_errors(),
        initialize_config_dir(str(HOME / "conf"), version_base="1.3"),
    ):
        compose("config", overrides=words)
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.startswith("error: ") and said.count("\n") == 1
    assert told in said


def failing(error):
    with pytest.raises(SystemExit) as end, one_line_errors():
        raise error
    return end.value.code


def test_an_error_of_the_user_is_one_line_and_2(capsys):
    assert failing(RunConflict("runs/x was made\n  with seed=0")) == 2
    assert capsys.readouterr().err == "error: runs/x was made with seed=0\n"


def test_an_interrupt_is_one_line_and_130(capsys):
    assert failing(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "stopped; the same command continues where it was\n"


@pytest.mark.parametrize("bug", [ValueError("x"), KeyError("x"), ZeroDivisionError()])
def test_a_bug_keeps_its_traceback(bug):
    with pytest.raises(type(bug)), one_line_errors():
        raise bug


def test_libraries_report_home_only_if_the_user_says_so(monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    os.environ.pop("HF_HUB_DISABLE_TELEMETRY", None)
    os.environ["WANDB_ERROR_REPORTING"] = "true"
    prepare_process()
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1" and os.environ["WANDB_ERROR_REPORTING"] == "true"


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({}, {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}),
        ({"PYTORCH_ALLOC_CONF": "backend:native"}, {"PYTORCH_ALLOC_CONF": "backend:native"}),
        ({"PYTORCH_CUDA_ALLOC_CONF": "backend:native"}, {"PYTORCH_CUDA_ALLOC_CONF": "backend:native"}),
    ],
)
def test_memory_is_kept_whole_unless_the_user_has_said_how(given, left, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    names = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
    monkeypatch.setattr(os, "environ", {name: value for name, value in os.environ.items() if name not in names} | given)
    prepare_process()
    assert {name: value for name, value in os.environ.items() if name in names} == left


@pytest.mark.parametrize("written", ["5e-5", "5.0e-5", "0.00005"])
def test_a_learning_rate_is_a_number_however_it_is_written(written):
    with initialize_config_dir(str(HOME / "conf"), version_base="1.3"):
        cfg = compose("config", overrides=["stage=sft", "name=t", "data.path=x", f"trainer.lr={written}"])
    assert cfg.trainer.lr == 5e-5
    assert build(cfg.stage).trainer.lr == 5e-5
