import pytest
import torch

from kernelraft.errors import ModelUnavailable
from kernelraft.model import Weights
from kernelraft.model.checkpoint import load
from kernelraft.model.misfit import skeleton
from kernelraft.model.tokenizer import tokenizer_of
from tests.conftest import scratch


@pytest.fixture
def cut(tmp_path):
    """A folder whose config ends in the middle."""
    (tmp_path / "config.json").write_text('{"model_type": "lla')
    return tmp_path


@pytest.mark.parametrize(
    ("read", "called"),
    [
        (lambda folder: load(Weights(path=str(folder)), scratch(), torch.device("cpu")), ""),
        (lambda folder: skeleton(Weights(path=str(folder))), ""),
        (lambda folder: tokenizer_of(scratch(), None, folder, (), 0), "the tokenizer of "),
    ],
    ids=["weights", "sizes", "tokenizer"],
)
def test_what_cannot_be_read_is_one_line_with_its_path(cut, read, called):
    with pytest.raises(ModelUnavailable, match=rf"^{called}{cut} cannot be loaded: .*config\.json.*JSON") as error:
        read(cut)
    assert "\n" not in str(error.value)


def test_weights_that_are_missing_are_one_line(tmp_path):
    base = scratch().weights(tmp_path / "base", ["some text to learn from"] * 4, 0)
    (tmp_path / "base/model.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match=r"base cannot be loaded: .*no file named model\.safetensors"):
        load(base, scratch(), torch.device("cpu"))
