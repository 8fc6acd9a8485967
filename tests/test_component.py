import pytest
from omegaconf import OmegaConf

from kernelraft.component import build, component, did_you_mean, settings
from kernelraft.errors import ConfigError

NONE = "kernelraft.tracker.none.NoTracker"
JSONL = "kernelraft.tracker.jsonl.Jsonl"


def node(**keys):
    return OmegaConf.create({"_target_": JSONL, **keys})


def test_build_makes_the_object_that_the_node_names(tmp_path):
    assert build(node(path=str(tmp_path))).path == tmp_path


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"path": "a", "pathh": 1}, "pathh"),
        ({}, "path is missing"),
        ({"path": 3}, "Jsonl.path"),
        ({"path": "???"}, "path is missing"),
    ],
)
def test_build_says_in_one_line_what_is_wrong(keys, told):
    with pytest.raises(ConfigError, match=told) as error:
        build(node(**keys))
    assert "\n" not in str(error.value)


def test_five_e_minus_five_is_a_number():
    assert OmegaConf.create("lr: 5e-5").lr == 5e-5


def test_settings_leave_out_what_changes_no_result():
    @component
    class Part:
        VOLATILE = frozenset({"workers"})
        depth: int
        workers: int = 2

    assert settings([Part(depth=1, workers=2)]) == settings([Part(depth=1, workers=9)])
    assert settings(Part(depth=1)) != settings(Part(depth=2))


def test_did_you_mean_keeps_silent_where_nothing_is_near():
    assert did_you_mean("stge", ["stage", "model"]) == "; did you mean 'stage'?"
    assert did_you_mean("xyz", ["stage", "model"]) == ""
