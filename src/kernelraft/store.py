"""Records on disk: JSONL and Parquet with one schema a record."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from kernelraft.errors import DataError
from kernelraft.records import Claim, Conversation, Example, Refusal, Sample, Task, Verdict

Record = Task | Sample | Verdict | Conversation | Example | Refusal | Claim
R = TypeVar("R", Task, Sample, Verdict, Conversation, Example, Refusal, Claim)


_ADAPTERS: dict[type, TypeAdapter[Any]] = {
    cls: TypeAdapter(cls) for cls in (Task, Sample, Verdict, Conversation, Example, Refusal, Claim)
}
_ROW_GROUP = 200


def to_row(record: Record) -> dict[str, Any]:
    """Plain data, every field present, in the order of the record."""
    return asdict(record)


def from_row(cls: type[R], row: dict[str, Any]) -> R:
    """The record that `row` describes.

    Raises:
        DataError: a field is missing, unknown or of the wrong type.
    """
    unknown = row.keys() - {f.name for f in fields(cls)}
    if unknown:
        raise DataError(f"a {cls.__name__} has no field {', '.join(sorted(unknown))}")
    try:
        return _ADAPTERS[cls].validate_python(row)  # type: ignore[no-any-return]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or cls.__name__
        raise DataError(f"{cls.__name__}: {where}: {first['msg']}") from None


def dumps(row: dict[str, Any]) -> str:
    """One JSON line, without its end."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


Fault = Callable[[str], None]


def read_rows(
    path: Path, broken: Fault | None = None, *, escaped: bool = False
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line or row number from 1, row) of a .jsonl, .json (a list of objects) or .parquet file.

    `broken` is told of each line that is not a JSON object, in one line that names it; the others go on. With
    `escaped` a byte of a .jsonl file that is not UTF-8 becomes a lone surrogate and breaks no line.

    Raises:
        DataError: no such file, another suffix, or a line that is not a JSON object where `broken` is not given.
    """
    if not path.is_file():
        raise DataError(f"{path} is not there: expected a .jsonl, .json or .parquet file")
    if path.suffix == ".parquet":
        yield from _read_parquet(path)
    elif path.suffix in (".jsonl", ".json"):
        yield from _read_json(path, broken or _refuse, escaped)
    else:
        raise DataError(f"{path}: expected a .jsonl, .json or .parquet file")


def _refuse(fault: str) -> None:
    raise DataError(fault)


def _read_json(path: Path, broken: Fault, escaped: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    if path.suffix == ".json":
        try:
            rows = json.loads(path.read_text())
        except ValueError as error:
            raise DataError(f"{path} is not JSON: {error}") from None
        if not isinstance(rows, list):
            raise DataError(f"{path}: expected a list of objects, found {type(rows).__name__}")
        numbered: Iterable[tuple[int, Any]] = enumerate(rows, 1)
    else:
        numbered = _lines(path, broken, "surrogateescape" if escaped else "strict")
    for number, row in numbered:
        if isinstance(row, dict):
            yield number, row
        else:
            broken(f"{path}:{number}: expected an object, found {type(row).__name__}")


def _lines(path: Path, broken: Fault, errors: str) -> Iterator[tuple[int, Any]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    row = json.loads(line if errors == "strict" else line.decode(errors=errors))
                except ValueError as error:  # UnicodeDecodeError is one
                    broken(f"{path}:{number} is not JSON: {error}")
                else:
                    yield number, row


def _read_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        for batch in pq.ParquetFile(path).iter_batches():
            for row in batch.to_pylist(maps_as_pydicts="strict"):
                number += 1
                yield number, row
    except pa.ArrowException as error:
        raise DataError(f"{path} is not a Parquet file, or damaged: {error}") from None


def read(cls: type[R], path: Path) -> Iterator[R]:
    """The records of a file that this project wrote.

    Raises:
        DataError: the file is missing or a row is not such a record; the line is named.
    """
    for number, row in read_rows(path):
        try:
            yield from_row(cls, row)
        except DataError as error:
            raise DataError(f"{path}:{number}: {error}") from None


def write(path: Path, records: Iterable[Record]) -> int:
    """Write all records as JSONL or Parquet, by the suffix; the file takes its name when complete.

    Returns how many were written.
    """
    count = 0
    with writing(path) as add:
        for record in records:
            add(to_row(record))
            count += 1
    return count


@contextmanager
def writing(path: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that adds a row to a new JSONL or Parquet file, which takes its name when the context is left well.

    The stem names the schema of a Parquet file. Few rows are held in memory.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with _parquet(temporary, path.stem) if path.suffix == ".parquet" else _jsonl(temporary) as add:
            yield add
    except BaseException:
        temporary.unlink(missing_ok=True)  # where the disk is full it stands in the way
        raise
    sync(temporary)
    temporary.rename(path)


@contextmanager
def _jsonl(path: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    with path.open("w", encoding="utf-8") as file:

        def add(row: dict[str, Any]) -> None:
            file.write(dumps(row) + "\n")

        yield add


@contextmanager
def _parquet(path: Path, kind: str) -> Iterator[Callable[[dict[str, Any]], None]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from kernelraft.schemas import SCHEMAS

    schema = SCHEMAS[kind]
    rows: list[dict[str, Any]] = []

    def flush() -> None:
        if rows:
            file.write_table(pa.Table.from_pylist(rows, schema=schema))
            rows.clear()

    def add(row: dict[str, Any]) -> None:
        rows.append(row)
        if len(rows) == _ROW_GROUP:
            flush()

    with pq.ParquetWriter(path, schema) as file:
        yield add
        flush()


def write_json(path: Path, data: Any) -> None:
    """Write `data` as indented JSON; the file takes its name when complete."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sync(temporary)
    temporary.rename(path)


def sync(path: Path) -> None:
    """Make what was written to `path` survive a power cut."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
