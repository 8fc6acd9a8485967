import pytest
from hydra import compose, initialize_config_dir

from kernelraft.component import build
from kernelraft.composition import HOME
from kernelraft.stage.assured import assured
from kernelraft.verifier.triton import Triton
from tests.conftest import FakeVerifier


@pytest.fixture(autouse=True)
def home(monkeypatch):
    monkeypatch.setenv("KERNELRAFT_HOME", str(HOME))


def generator(*overrides):
    with initialize_config_dir(str(HOME / "conf"), version_base="1.3"):
        cfg = compose("config", overrides=["stage=generate", "name=t", "data=files", "data.path=x", *overrides])
    return build(cfg.stage).generator


@pytest.mark.parametrize(
    ("overrides", "tried"),
    [
        (["generator=anthropic"], True),
        (["generator=openai", "generator.model=m"], True),
        (["generator=anthropic", "generator.free=true"], False),
        (["generator=vllm", "generator.model=m"], False),
        (["generator=replay", "generator.path=x"], False),
    ],
)
def test_the_verifier_tries_itself_where_answers_are_paid_for(overrides, tried):
    assert bool(assured(Triton(), generator(*overrides)).selftest) is tried


def test_what_the_user_says_holds_and_other_verifiers_are_left_alone():
    paid, fake = generator("generator=anthropic"), FakeVerifier()
    assert assured(Triton(selftest=False), paid).selftest is False
    assert assured(fake, paid) is fake
