"""The Parquet schema of each record, by the stem of the file that holds it."""

import pyarrow as pa

_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string()), ("trained", pa.bool_())])
_TARGET = pa.struct([("said", pa.string()), ("registers", pa.int64()), ("spills", pa.int64()), ("shared", pa.int64())])

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
         ("fast_0", pa.bool_()), ("fast_1", pa.bool_()), ("fast_2", pa.bool_()), ("reward", pa.float64()),
         *((name, pa.float64()) for name in
           ("kernel_us", "kernel_us_low", "kernel_us_high", "reference_us", "reference_us_low",
            "reference_us_high", "compiled_reference_us", "wall_us")),
         ("targets", pa.map_(pa.string(), _TARGET)), ("device", pa.string()), ("mode", pa.string()),
         ("sandbox", pa.list_(pa.string())), ("evaluator", pa.string()), ("seconds", pa.float64())]
    ),
    "examples": pa.schema(
        [("id", pa.string()), ("task_id", pa.string()), ("messages", pa.list_(_MESSAGE))]
    ),
}  # fmt: skip
