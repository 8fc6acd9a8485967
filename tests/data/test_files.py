import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest

from kernelraft.data import Examples, Samples, Tasks
from kernelraft.data.files import Files
from kernelraft.errors import DataError
from kernelraft.records import Example, Message, Sample, Task
from kernelraft.store import write

TASK = Task(id="t", family="k/f", language="triton", prompt="p", reference="r")
SAMPLE = Sample(id="s", task_id="t", index=0, text="x = 1", code="x = 1")
EXAMPLE = Example(
    id="e",
    task_id="t",
    messages=(Message(role="user", content="p"), Message(role="assistant", content="a", trained=True)),
)


def files(path: Path, split: str | None = None, limit: int | None = None) -> Files:
    return Files(path=path, split=split, limit=limit)


def jsonl(folder: Path, *rows: Any) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_files_keeps_the_contracts(tmp_path: Path):
    for contract in (Tasks, Samples, Examples):
        assert isinstance(files(tmp_path), contract)


@pytest.mark.parametrize("name", ["tasks.jsonl", "tasks.parquet"])
def test_files_reads_tasks_back(tmp_path: Path, name: str):
    tasks = [TASK, Task(id="u", family="k/g", language="triton", prompt="p", reference="r", split="heldout")]
    write(tmp_path / name, tasks)
    assert list(files(tmp_path / name).tasks()) == tasks
    assert list(files(tmp_path).tasks()) == tasks
    assert [task.id for task in files(tmp_path, split="heldout").tasks()] == ["u"]
    assert [task.id for task in files(tmp_path, limit=1).tasks()] == ["t"]


def test_files_reads_a_json_list(tmp_path: Path):
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([{"id": "t", "family": "k/f", "language": "triton", "prompt": "p", "reference": "r"}]))
    assert list(files(path).tasks()) == [TASK]


def test_files_takes_samples_and_examples_from_known_answers(tmp_path: Path):
    answer = "<think>\nplan\n</think>\n<triton>\nx = 1\n</triton>"
    task = Task(id="t", family="k/f", language="triton", prompt="p", reference="r", answer=answer)
    write(tmp_path / "tasks.jsonl", [task])
    [(found, sample)] = files(tmp_path / "tasks.jsonl").samples()
    assert found == task
    assert (sample.text, sample.code, sample.reasoning) == (answer, "x = 1\n", "plan")
    [example] = files(tmp_path / "tasks.jsonl").examples()
    assert [(m.content, m.trained) for m in example.messages] == [("p", False), (answer, True)]


def test_files_reads_kernels_to_judge(tmp_path: Path):
    source = 'class ModelNew:\n    """Use as\n```\nModelNew()\n```\n    """\n'
    path = jsonl(
        tmp_path,
        {"id": "1", "reference": "class Model: ...", "code": source},
        {"id": "2", "reference": "class Model: ...", "code": f"Here:\n```python\n{source[:15]}: ...\n```\n"},
        {"id": "3", "reference": "class Model: ...", "code": "I cannot.", "prompt": "p", "family": "k/f"},
    )
    pairs = list(files(path).samples())
    assert [sample.code for _, sample in pairs] == [source, "class ModelNew:: ...\n"[:15] + ": ...\n", "I cannot."]
    assert all(sample.code in sample.text and sample.task_id == task.id for task, sample in pairs)
    assert pairs[0][0].family == pairs[1][0].family != "k/f"
    assert (pairs[2][0].prompt, pairs[2][0].family, pairs[2][0].split) == ("p", "k/f", "train")


def test_files_does_not_train_on_kernels_that_nobody_judged(tmp_path: Path):
    path = jsonl(tmp_path, {"id": "1", "reference": "r", "code": "x = 1"})
    with pytest.raises(DataError, match="expected examples, found 1 kernels that nobody judged"):
        list(files(path).examples())


def test_files_reads_chats_and_trains_on_the_assistant(tmp_path: Path):
    turns = [("system", "s"), ("user", "u"), ("assistant", "a"), ("user", "v"), ("assistant", "b")]
    path = jsonl(tmp_path, {"messages": [{"role": r, "content": c, "name": None} for r, c in turns], "source": "x"})
    [example] = files(path).examples()
    assert [message.content for message in example.messages if message.trained] == ["a", "b"]
    with pytest.raises(DataError, match="chats, without a task"):
        list(files(path).tasks())


def test_files_reads_its_own_examples(tmp_path: Path):
    write(tmp_path / "examples.parquet", [EXAMPLE])
    assert list(files(tmp_path).examples()) == [EXAMPLE]


def test_files_joins_the_samples_of_a_run(tmp_path: Path):
    write(tmp_path / "tasks.jsonl", [TASK])
    write(tmp_path / "samples.parquet", [SAMPLE])
    assert list(files(tmp_path).samples()) == [(TASK, SAMPLE)]
    write(tmp_path / "tasks.jsonl", [])
    with pytest.raises(DataError, match="sample s is of task t"):
        list(files(tmp_path).samples())


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "expected an object, found list"),
        ("{}", "expected a task .* found the keys none"),
        ('{"question": "q"}', "expected a task .* found the keys question"),
        ('{"id": "1", "code": "c"}', "expected text under 'reference', found the keys id, code"),
        ('{"id": 1, "reference": "r", "code": "c"}', "expected text under 'id', found int"),
        ('{"id": "1", "reference": "r", "code": "c", "famly": "f"}', "found also famly"),
        ('{"id": "1", "family": "f", "language": "triton", "prompt": "p"}', "reference"),
        ('{"messages": "hello"}', "'messages' is no list"),
        ('{"messages": [{"role": "user", "content": "u"}]}', "expected a message of the assistant"),
        ('{"messages": [{"role": "assistant", "content": null}]}', "a message without content"),
        ('{"messages": [{"role": "assistant", "content": "a", "tool_calls": [1]}]}', "found tool_calls"),
        ('{"pytorch_code": "p", "triton_code": "t", "correctness": "yes"}', "'correctness' is neither true nor false"),
    ],
)
def test_files_names_the_line_of_a_bad_row(tmp_path: Path, row: str, words: str):
    path = jsonl(tmp_path, {"id": "0", "reference": "r", "code": "c"})
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(DataError, match=rf"rows\.jsonl:2.*{words}") as error:
        list(files(path).tasks())
    assert "\n" not in str(error.value)


def test_files_refuses_an_id_that_stands_twice(tmp_path: Path):
    row = {"id": "1", "reference": "r", "code": "c"}
    with pytest.raises(DataError, match=r"rows\.jsonl:3: expected a unique id, found 1 of line 1"):
        list(files(jsonl(tmp_path, row, row | {"id": "2"}, row)).samples())


def test_files_says_what_to_do_when_nothing_is_there(tmp_path: Path):
    with pytest.raises(DataError, match=r"none\.jsonl is not there: set data\.path"):
        files(tmp_path / "none.jsonl").tasks()
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(DataError, match=r"expected tasks\.jsonl or tasks\.parquet .* found notes\.txt"):
        files(tmp_path).tasks()
    with pytest.raises(DataError, match="found 1 of split train"):
        list(files(jsonl(tmp_path, {"id": "1", "reference": "r", "code": "c"}), split="test").tasks())


def test_broken_rows_are_named_and_the_others_go_on_where_that_is_asked_for(tmp_path):
    path = tmp_path / "tasks.jsonl"
    write(path, [TASK])
    good = path.read_text()
    other = good.replace(f'"id":"{TASK.id}"', '"id":"another"')
    path.write_text(good + '{"id": 1\n[2]\n{"id": "x"}\n' + good + other)
    told = []
    found = list(files(path).sift(told.append))
    assert [t.id for t in found] == [TASK.id, "another"]
    assert [line.split(":")[1].split()[0] for line in told] == ["2", "3", "4", "5"]
    assert not any("\n" in line for line in told)


def test_a_weight_that_is_neither_0_nor_1_is_refused(tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_text('{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","weight":0.5}]}\n')
    with pytest.raises(DataError, match="expected 0 or 1 under 'weight'"):
        list(files(path).examples())


def test_a_kernel_that_is_not_utf8_is_none_and_the_other_rows_go_on(tmp_path):
    row = {"id": "XX", "reference": "r", "code": "# XX\nclass ModelNew: pass"}
    lines = [json.dumps(row | {"id": name, "code": row["code"].replace("XX", sign)}) for name, sign in (
        ("whole", "ok"), ("escaped", "\udcff"), ("bytes", "XX"),
    )]  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_bytes("\n".join(lines).encode().replace(b"XX", b"\xff\xfe"))
    found = {sample.id: sample for _, sample in files(path).samples()}
    assert [bool(found[name].code) for name in ("whole", "escaped", "bytes")] == [True, False, False]
    write(tmp_path / "samples.jsonl", found.values())
    write(tmp_path / "samples.parquet", found.values())
    assert "\ufffd" in found["bytes"].text


def test_other_rows_that_are_not_utf8_are_refused_by_their_number(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(json.dumps(dataclasses.asdict(TASK)).encode().replace(b"k/f", b"\xff"))
    with pytest.raises(DataError, match=r"rows\.jsonl:1: is not UTF-8"):
        list(files(path).tasks())


def test_ten_megabytes_of_code_are_not_parsed(tmp_path):
    path = jsonl(tmp_path, {"id": "a", "reference": "r", "code": "x = 1\n" * 1_700_000})
    began = time.process_time()
    [(_, sample)] = files(path).samples()
    assert len(sample.code) == 10_200_000 and time.process_time() - began < 5
