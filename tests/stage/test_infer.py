import logging
from dataclasses import replace

import pytest

from kernelraft.errors import ConfigError
from kernelraft.records import Sample
from kernelraft.stage.infer import Infer
from kernelraft.store import read
from tests.conftest import FakeGenerator, execute


def infer(generator, **changes):
    return Infer(generator=generator, **{"checkpoint": None, "prompt": None, "file": None} | changes)


def echo():
    return FakeGenerator(lambda t, n: f"# {t.prompt}\n")


def test_the_answer_is_printed_alone_and_kept(tmp_path, capsys):
    execute(infer(echo(), prompt="add 1 to x"), tmp_path)
    assert capsys.readouterr().out == "<triton>\n# add 1 to x\n</triton>\n"
    [sample] = read(Sample, tmp_path / "samples.jsonl")
    assert sample.code == "# add 1 to x\n"


def test_the_prompt_may_be_a_file_and_is_given_as_it_is(tmp_path, capsys):
    (tmp_path / "prompt.txt").write_text("first line\n  second, größer\n", encoding="utf-8")
    execute(infer(echo(), file=tmp_path / "prompt.txt"), tmp_path / "run")
    assert "# first line\n  second, größer\n" in capsys.readouterr().out


def test_the_checkpoint_is_what_answers(tmp_path):
    generator = echo()
    execute(infer(generator, prompt="x", checkpoint=tmp_path / "model"), tmp_path / "run")
    assert generator.checkpoints == [tmp_path / "model"]


@pytest.mark.parametrize("given", [{}, {"prompt": "x", "file": "x.txt"}])
def test_exactly_one_prompt_is_asked_for_in_one_line(given):
    with pytest.raises(ConfigError, match=r"give stage\.prompt='\.\.\.' or stage\.file=.*one of them"):
        infer(echo(), **given)


def test_a_prompt_file_that_is_not_there_is_named(tmp_path):
    generator = echo()
    with pytest.raises(ConfigError, match=r"stage\.file=.*none\.txt is not there"):
        execute(infer(generator, file=tmp_path / "none.txt"), tmp_path / "run")
    assert generator.written == []


def test_an_answer_that_was_cut_off_is_said_to_be(tmp_path, caplog):
    class Short(FakeGenerator):
        def write(self, *arguments):
            for sample in super().write(*arguments):
                yield replace(sample, text="<tri", code="", finish_reason="length")

    with caplog.at_level(logging.WARNING, logger="kernelraft"):
        execute(infer(Short(lambda t, n: "x"), prompt="x"), tmp_path)
    assert "cut off at generator.max_new_tokens" in caplog.text


def test_an_answer_that_is_on_disk_is_not_written_again(tmp_path, capsys):
    first, second = echo(), echo()
    execute(infer(first, prompt="x"), tmp_path)
    (tmp_path / "metrics.json").unlink()  # as if the process had been killed before its end
    execute(infer(second, prompt="x"), tmp_path)
    assert len(first.written) == 1 and second.written == []
    assert capsys.readouterr().out.count("# x\n") == 2
