import logging
from contextlib import asynccontextmanager

import pytest

from kernelraft.errors import ConfigError, DataError, Refused, StageError
from kernelraft.generator.chat import Reply, Traffic
from kernelraft.records import Message, Sample, digest
from kernelraft.spending.usage import Usage
from kernelraft.stage.infer import Infer
from kernelraft.store import read
from tests.conftest import execute


class Echo:
    """A generator that answers with what it was asked; refuses what is in `refused`."""

    name = "echo"

    def __init__(self, refused=(), finish="stop"):
        self.refused, self.finish, self.asked, self.checkpoints = refused, finish, [], []

    def at(self, checkpoint):
        self.checkpoints.append(checkpoint)
        return self

    def open(self):
        raise NotImplementedError

    @asynccontextmanager
    async def converse(self, folder):
        yield self

    async def reply(self, request):
        said = " | ".join(f"{m.role}: {m.content}" for m in request.messages)
        self.asked.append(said)
        if said in self.refused:
            raise Refused("too long")
        text, used = f"<triton>\n# {said}\n</triton>", Usage(input_tokens=3, cache_read_tokens=4, output_tokens=5)
        return Reply(text=text, finish_reason=self.finish, model="echo", usage=used, dollars=0.25, seconds=1.5)

    def traffic(self):
        return Traffic()


def infer(generator, **changes):
    fields = {"checkpoint": None, "prompt": None, "file": None, "serve": False, "host": "127.0.0.1", "port": 0}
    return Infer(generator=generator, **fields | changes)


def test_the_answer_is_printed_alone_and_kept(tmp_path, capsys):
    execute(infer(Echo(), prompt="add 1 to x"), tmp_path)
    assert capsys.readouterr().out == "<triton>\n# user: add 1 to x\n</triton>\n"
    [sample] = read(Sample, tmp_path / "samples.jsonl")
    assert sample.code == "# user: add 1 to x\n"


def test_a_sample_says_what_it_was_asked_and_what_it_cost(tmp_path):
    execute(infer(Echo(), prompt="add 1 to x"), tmp_path)
    [sample] = read(Sample, tmp_path / "samples.jsonl")
    assert sample.task_id == digest(Message(role="user", content="add 1 to x"))
    assert (sample.model, sample.dollars, sample.seconds) == ("echo", 0.25, 1.5)
    assert (sample.prompt_tokens, sample.cached_tokens, sample.completion_tokens) == (7, 4, 5)


def test_a_text_file_is_one_prompt_given_as_it_is(tmp_path, capsys):
    (tmp_path / "prompt.txt").write_text("first line\n  second, größer\n", encoding="utf-8")
    execute(infer(Echo(), file=tmp_path / "prompt.txt"), tmp_path / "run")
    assert "# user: first line\n  second, größer\n" in capsys.readouterr().out


def test_each_row_of_a_file_is_answered_in_its_order(tmp_path, capsys):
    rows = (
        '{"prompt": "one"}\n{"messages": [{"role": "system", "content": "be"}, {"role": "user", "content": "two"}]}\n'
    )
    (tmp_path / "p.jsonl").write_text(rows)
    generator = Echo()
    metrics = execute(infer(generator, file=tmp_path / "p.jsonl"), tmp_path / "run")
    assert generator.asked == ["user: one", "system: be | user: two"] and metrics["infer/answers"] == 2
    out = capsys.readouterr().out
    assert out.index("user: one") < out.index("user: two")
    assert len(list(read(Sample, tmp_path / "run/samples.jsonl"))) == 2


def test_a_prompt_that_comes_twice_is_answered_twice(tmp_path):
    (tmp_path / "p.jsonl").write_text('{"prompt": "one"}\n' * 2)
    assert execute(infer(Echo(), file=tmp_path / "p.jsonl"), tmp_path / "run")["infer/answers"] == 2


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ('{"prompt": "x"}\n{"text": "x"}\n', r"p\.jsonl:2: expected 'prompt' or 'messages', found text"),
        ('{"prompt": ""}\n', r"p\.jsonl:1: expected a prompt, found nothing"),
        ('{"messages": [{"role": "tool", "content": "x"}]}\n', r":1: expected a role of system, user, assistant"),
        ('{"messages": [{"role": "assistant", "content": "x"}]}\n', r":1: the last message is the assistant's"),
        ('{"messages": "x"}\n', ":1: expected messages as a list"),
        ("", "is empty"),
    ],
)
def test_a_row_without_a_prompt_is_named_before_anything_is_asked(tmp_path, rows, why):
    (tmp_path / "p.jsonl").write_text(rows)
    generator = Echo()
    with pytest.raises(DataError, match=why):
        execute(infer(generator, file=tmp_path / "p.jsonl"), tmp_path / "run")
    assert generator.asked == []


def test_the_checkpoint_is_what_answers(tmp_path):
    generator = Echo()
    execute(infer(generator, prompt="x", checkpoint=tmp_path / "model"), tmp_path / "run")
    assert generator.checkpoints == [tmp_path / "model"]


@pytest.mark.parametrize("given", [{}, {"prompt": "x", "file": "x.txt"}, {"prompt": "x", "serve": True}])
def test_exactly_one_way_to_ask_is_wanted_in_one_line(given):
    with pytest.raises(ConfigError, match=r"give stage\.prompt='\.\.\.', stage\.file=.* or stage\.serve=true, one"):
        infer(Echo(), **given)


def test_only_a_model_of_ones_own_is_served():
    with pytest.raises(ConfigError, match="serves a model of one's own: generator=local"):
        infer(Echo(), serve=True)


def test_a_prompt_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.txt is not there"):
        execute(infer(Echo(), file=tmp_path / "none.txt"), tmp_path / "run")


def test_an_answer_that_was_cut_off_is_said_to_be(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="kernelraft"):
        execute(infer(Echo(finish="length"), prompt="x"), tmp_path)
    assert "1 of 1 answers were cut off: more room is generator.max_new_tokens=" in caplog.text


def test_one_prompt_that_is_refused_does_not_stop_the_others(tmp_path, caplog):
    (tmp_path / "p.jsonl").write_text('{"prompt": "one"}\n{"prompt": "two"}\n')
    with caplog.at_level(logging.WARNING, logger="kernelraft"):
        metrics = execute(infer(Echo(refused=["user: one"]), file=tmp_path / "p.jsonl"), tmp_path / "run")
    assert metrics["infer/answers"] == 1 and "not answered: too long" in caplog.text
    with pytest.raises(StageError, match="none of 1 prompts was answered"):
        execute(infer(Echo(refused=["user: x"]), prompt="x"), tmp_path / "other")


def test_an_answer_that_is_on_disk_is_not_written_again(tmp_path, capsys):
    first, second = Echo(), Echo()
    execute(infer(first, prompt="x"), tmp_path)
    (tmp_path / "metrics.json").unlink()  # as if the process had been killed before its end
    execute(infer(second, prompt="x"), tmp_path)
    assert len(first.asked) == 1 and second.asked == []
    assert capsys.readouterr().out.count("user: x\n") == 2
