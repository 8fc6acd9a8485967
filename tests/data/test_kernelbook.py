import json
import re
from pathlib import Path
from typing import Any, NoReturn

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from kernelraft.composition import HOME
from kernelraft.data import Samples, Tasks, hub, kernelbook
from kernelraft.data.kernelbook import KernelBook
from kernelraft.errors import ConfigError, DataError


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(datasets, "load_dataset", refuse)


def book(path: Path | None, **changes: Any) -> KernelBook:
    return KernelBook(path=path, **({"revision": "abc", "test_share": 0.5, "limit": None} | changes))


def row(number: int, entry: str = "", **changes: Any) -> dict[str, Any]:
    entry = entry or f"Module{number}"
    texts = {"python_code": f"class {entry}: pass\n", "triton_code": f"class {entry}New: pass\n"}
    return {"uuid": number * 7, "entry_point": entry, "licenses": ["MIT"], **texts, **changes}


def written(folder: Path, *rows: dict[str, Any], suffix: str = "jsonl") -> Path:
    path = folder / f"rows.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    else:
        path.write_text(json.dumps(rows) if suffix == "json" else "".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_kernelbook_holds_tasks_and_samples(tmp_path: Path) -> None:
    assert isinstance(book(tmp_path), Tasks)
    assert isinstance(book(tmp_path), Samples)


@pytest.mark.parametrize("suffix", ["jsonl", "json", "parquet"])
def test_kernelbook_yields_rows_in_their_order(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path, *(row(n) for n in (5, 2, 9)), suffix=suffix)
    assert [task.id for task in book(path).tasks()] == ["kernelbook/35", "kernelbook/14", "kernelbook/63"]


def test_a_task_holds_the_module_and_its_program(tmp_path: Path) -> None:
    ((task, sample),) = book(written(tmp_path, row(1, "Relu"))).samples()
    assert (task.family, task.kind, task.language) == ("kernelbook/Relu", "kernelbook", "triton")
    assert task.reference == "class Relu: pass\n"
    assert task.answer == sample.text == "<triton>\nclass ReluNew: pass\n</triton>"
    assert sample.code == "class ReluNew: pass\n"
    assert (sample.id, sample.task_id, sample.index) == (task.id, task.id, 0)
    assert "ReluNew" in task.prompt and "class Relu: pass" in task.prompt and "ModelNew" not in task.prompt


def test_a_reference_whose_module_is_not_its_last_class_names_it(tmp_path: Path) -> None:
    code = "class Scale: pass\n\nclass Loss: pass\n"
    ((task, _),) = book(written(tmp_path, row(1, "Scale", python_code=code))).samples()
    assert task.reference == "class Scale: pass\n\nclass Loss: pass\n\nModel = Scale\n"
    assert task.reference.rstrip() in task.prompt
    assert task.fixes == ("the reference says that its module is Scale",)


def test_tasks_are_those_of_the_samples(tmp_path: Path) -> None:
    path = written(tmp_path, *(row(n) for n in range(9)))
    assert list(book(path).tasks()) == [task for task, _ in book(path).samples()]


def test_a_row_without_an_id_has_its_number(tmp_path: Path) -> None:
    rows = [{key: value for key, value in row(n).items() if key != "uuid"} for n in (4, 5)]
    assert [task.id for task in book(written(tmp_path, *rows)).tasks()] == ["kernelbook/1", "kernelbook/2"]


def test_modules_of_one_name_are_in_one_split(tmp_path: Path) -> None:
    path = written(tmp_path, *(row(n, f"Name{n % 40}") for n in range(200)))
    splits: dict[str, set[str]] = {}
    for task in book(path).tasks():
        splits.setdefault(task.family, set()).add(task.split)
    assert len(splits) == 40
    assert all(len(found) == 1 for found in splits.values())
    assert set.union(*splits.values()) == {"train", "test"}


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.1, 10, 50), (0.5, 110, 190), (0.9, 240, 299)])
def test_the_share_of_test_is_about_as_asked(tmp_path: Path, share: float, low: int, high: int) -> None:
    path = written(tmp_path, *(row(n) for n in range(300)))
    assert low <= sum(task.split == "test" for task in book(path, test_share=share).tasks()) <= high


def test_a_greater_share_takes_from_train_alone(tmp_path: Path) -> None:
    path = written(tmp_path, *(row(n) for n in range(100)))
    few, many = ({t.id for t in book(path, test_share=s).tasks() if t.split == "test"} for s in (0.2, 0.4))
    assert few < many


def test_limit_keeps_the_first_and_reads_no_further(tmp_path: Path) -> None:
    path = written(tmp_path, row(1), row(2), row(3, triton_code=None))
    assert [task.id for task in book(path, limit=2).tasks()] == ["kernelbook/7", "kernelbook/14"]


@pytest.mark.parametrize("column", ["entry_point", "python_code", "triton_code"])
@pytest.mark.parametrize("value", [None, 3, "gone"])
def test_kernelbook_names_the_row_and_the_column_when_it_holds_no_text(tmp_path: Path, column: str, value: Any) -> None:
    broken = {**row(2), column: value}
    if value == "gone":
        del broken[column]
    with pytest.raises(DataError, match=f"row 2: expected text under {column}, found uuid, ") as raised:
        list(book(written(tmp_path, row(1), broken)).tasks())
    assert "\n" not in str(raised.value)


def test_kernelbook_refuses_what_holds_no_row(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(DataError, match=r"rows.jsonl: expected rows, found none$"):
        list(book(path).tasks())


@pytest.mark.parametrize("name", ["nothing.parquet", "folder"])
def test_kernelbook_refuses_a_path_that_is_no_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="is not there"):
        list(book(tmp_path / name).tasks())


@pytest.mark.parametrize("changes", [{"limit": 0}, {"test_share": 1.0}, {"test_share": -0.1}, {"revision": None}])
def test_kernelbook_refuses_fields_that_make_no_sense(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, ValueError)):
        book(tmp_path, **changes)


@pytest.mark.parametrize("where", [hub, kernelbook])
def test_the_hub_is_not_asked_when_there_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Any) -> None:
    monkeypatch.delattr(where, "rows")
    assert len(list(book(written(tmp_path, row(1))).tasks())) == 1


def test_without_a_path_the_hub_is_asked_for_the_pinned_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load(repository: str, **how: Any) -> list[dict[str, Any]]:
        asked.append((repository, how))
        return [row(1)]

    monkeypatch.setattr(datasets, "load_dataset", load)
    fields = yaml.safe_load((HOME / "conf" / "data" / "kernelbook.yaml").read_text())
    revision = fields["revision"]
    assert fields["path"] is None and re.fullmatch("[0-9a-f]{40}", revision)
    assert [task.id for task in book(None, revision=revision).tasks()] == ["kernelbook/7"]
    how = {"split": "train", "revision": revision, "data_files": "dataset_permissive.parquet"}
    assert asked == [("GPUMODE/KernelBook", how)]
