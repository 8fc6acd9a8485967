"""Every YAML composes, builds, names a class of its own group, and holds no key that nobody reads."""

import ast
import importlib
from dataclasses import fields
from functools import cache

import pytest
import yaml
from hydra import compose, initialize_config_dir

from kernelraft.component import build
from kernelraft.composition import HOME

CONF = HOME / "conf"
GROUPS = sorted(p.name for p in CONF.iterdir() if p.is_dir() and p.name not in ("hydra", "stage"))
OPTIONS = [(group, p.stem) for group in GROUPS for p in sorted((CONF / group).glob("*.yaml"))]
STAGES = sorted(p.stem for p in (CONF / "stage").glob("*.yaml"))
OVERLAYS = [(folder, p.stem) for folder in ("experiments", "sweeps") for p in sorted((HOME / folder).glob("*.yaml"))]
PACKAGES = {"budget": "spending", "prices": "spending"}  # a group whose package has another name
REQUIRED = {
    "verify": ["data.path=x.jsonl"],
    "sft": ["data.path=x.jsonl"],
    "sft_probed": ["data.path=x.jsonl"],
    "inspect": ["data.path=x.jsonl"],
    "raft": ["data.path=x.jsonl", "stage.seeds.path=x.jsonl"],
    "report": ["stage.source=runs/x"],
    "convert": ["stage.sources=[x.jsonl]"],
    "monitor": ["run=x"],
    "pipeline": ["stage.steps={}"],
    "infer": ["stage.prompt=x"],
}


@pytest.fixture(autouse=True)
def home(monkeypatch):
    monkeypatch.setenv("KERNELRAFT_HOME", str(HOME))


def composed(*overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides))


@pytest.mark.parametrize("stage", STAGES)
def test_stage_builds(stage):
    build(composed(f"stage={stage}", "name=t", *REQUIRED.get(stage, [])).stage)


@pytest.mark.parametrize(("folder", "name"), OVERLAYS)
def test_overlay_builds(folder, name):
    build(composed(f"{folder}={name}", "name=t").stage)


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_option_builds_a_class_of_its_group(group, option):
    present = group in ("verifier", "tracker")
    extra = ["+model=tiny"] if group == "generator" else ["data.path=x.jsonl"] if option == "files" else []
    cfg = composed("stage=doctor", "name=t", f"{'' if present else '+'}{group}={option}", *extra)
    node = cfg[group]
    assert node["_target_"].startswith(f"kernelraft.{PACKAGES.get(group, group)}."), node["_target_"]
    build(node)


def test_trinity_qlora_composes_to_the_published_values():
    cfg = composed("stage=sft", "model=trinity", "data=files", "data.path=traces.jsonl", "trainer=qlora")
    stage = build(cfg.stage)
    t = stage.trainer
    assert stage.model.repository == "arcee-ai/Trinity-Mini" and stage.model.dtype == "bfloat16"
    assert (t.quant_type, t.double_quant) == ("nf4", True)
    assert stage.model.lora_targets == ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    assert (t.rank, t.alpha, t.dropout) == (64, 128, 0.05)
    assert (t.lr, t.epochs, t.max_length, t.warmup, t.weight_decay, t.clip) == (2e-4, 3, 4096, 0.1, 0.01, 1.0)
    assert (t.tokens, t.accumulate) == (16384, 1)  # about the eight examples of a step that were published


def test_demo_is_a_preset_of_pipeline():
    cfg = composed("stage=demo", "name=t")
    assert cfg.stage._target_ == composed("stage=pipeline", "name=t").stage._target_


def component_classes():
    for path in sorted((CONF).rglob("*.yaml")):
        for target in targets(yaml.safe_load(path.read_text())):
            module, _, name = target.rpartition(".")
            yield getattr(importlib.import_module(module), name)


def targets(tree):
    if isinstance(tree, dict):
        if "_target_" in tree:
            yield tree["_target_"]
        for value in tree.values():
            yield from targets(value)


@cache
def attributes_read():
    """Names that stand as attributes somewhere in the package."""
    return {
        node.attr
        for path in (HOME / "src/kernelraft").rglob("*.py")
        if "corpus" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


@pytest.mark.parametrize(
    "cls", sorted(set(component_classes()), key=lambda c: c.__qualname__), ids=lambda c: c.__name__
)
def test_every_key_of_a_component_is_read_by_code(cls):
    """A field is read where its name stands as an attribute somewhere in the package."""
    assert {f.name for f in fields(cls)} <= attributes_read()


def test_every_root_key_is_read_by_code():
    from kernelraft.composition import RunConfig

    root = yaml.safe_load((CONF / "config.yaml").read_text())
    assert set(root) - {"defaults", "hydra"} == {f.name for f in fields(RunConfig)}
