"""The Parquet schema of each record, by the stem of the file that holds it."""

import pyarrow as pa

_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string()), ("trained", pa.bool_())])

SCHEMAS: dict[str, pa.Schema] = {
    "tasks": pa.schema(
        [(name, pa.string()) for name in
         ("id", "family", "language", "prompt", "reference", "tests", "answer", "split")]
    ),
    "samples": pa.schema(
        [("id", pa.string()), ("task_id", pa.string()), ("index", pa.int64()), ("text", pa.string()),
         ("code", pa.string()), ("reasoning", pa.string()), ("turn", pa.int64()), ("model", pa.string()),
         ("finish_reason", pa.string()), ("prompt_tokens", pa.int64()), ("completion_tokens", pa.int64())]
    ),
    "verdicts": pa.schema(
        [("id", pa.string()), ("status", pa.string()), ("reason", pa.string()), ("detail", pa.string()),
         ("compiled", pa.bool_()), ("correct", pa.bool_()), ("speedup", pa.float64()),
         ("reward", pa.float64()), ("targets", pa.map_(pa.string(), pa.string())), ("device", pa.string()),
         ("evaluator", pa.string()), ("seconds", pa.float64())]
    ),
    "examples": pa.schema(
        [("id", pa.string()), ("task_id", pa.string()), ("messages", pa.list_(_MESSAGE))]
    ),
}  # fmt: skip
