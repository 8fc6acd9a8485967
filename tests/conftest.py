"""What several tests share: a small model recipe, examples, a trainer recipe, a judge that needs no process."""

import gc
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from kernelraft.model.scratch import Scratch
from kernelraft.records import Example, Message, Reason, Sample, Status, Task, Verdict
from kernelraft.runs import Run
from kernelraft.tracker.none import NoTracker
from kernelraft.trainer.full import Full
from tests.servers import Roots

gc.set_threshold(100_000, 50, 100)  # by default it looks through torch's half a million objects again and again

LOOP = {
    "lr": 4e-3, "epochs": None, "steps": 12, "batch_size": 4, "accumulate": 1, "max_length": 256,
    "optimizer": "muon", "weight_decay": 0.1, "warmup": 0.1, "final_lr": 0.1, "clip": 1.0, "embedding_noise": 0.2,
    "recompute": False, "validation_share": 0.0, "evaluate_every": 4, "patience": None, "save_every": 5,
    "log_every": 1, "accelerator": "cpu", "devices": 1, "precision": "32-true", "threads": 1, "tokens": None,
    "compile": False, "threshold": 0.0, "metric": "train/validation_loss", "mode": "min", "keep_last": 1,
    "keep_best": 1, "max_hours": None, "num_nodes": 1, "strategy": "auto",
    "cuda_graphs": True,
}  # fmt: skip

SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
    "intermediate_size": 64, "max_position_embeddings": 256, "tie_word_embeddings": True,
}  # fmt: skip

AFMOE = {
    "hidden_size": 64, "intermediate_size": 64, "moe_intermediate_size": 64, "num_hidden_layers": 2,
    "num_dense_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "num_experts": 4,
    "num_experts_per_tok": 2, "num_shared_experts": 1, "sliding_window": 64, "max_position_embeddings": 256,
    "mup_enabled": True,
}  # fmt: skip


_MOE = {
    "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 32, "num_experts_per_tok": 2, "max_position_embeddings": 256,
}  # fmt: skip

FAMILIES = {
    "llama": SIZES | {"num_key_value_heads": 1},
    "qwen2": SIZES,  # biases
    "afmoe": AFMOE | {"sliding_window": 8},
    "qwen3_moe": _MOE | {"moe_intermediate_size": 32, "num_experts": 4},
    "gpt_oss": _MOE | {"num_local_experts": 4, "sliding_window": 8},  # sinks, biases, transposed experts
}


def scratch(architecture="llama", adapter=None, **sizes):
    return Scratch(
        name=f"small {architecture}", architecture=architecture, config=sizes or SIZES, vocabulary=400,
        dtype="float32", attention="eager" if architecture == "gpt_oss" else "sdpa",
        lora_targets=["q_proj", "k_proj", "v_proj", "o_proj"], adapter=adapter,
    )  # fmt: skip


FIRST = (
    "tests/generator/test_client.py", "tests/conversation", "tests/generator/test_batches.py", "tests/kernel",
    "tests/generator/test_limits.py", "tests/test_corpus_verdicts.py", "tests/test_demo_run.py",
    "tests/trainer/test_launching.py", "tests/trainer/test_speed.py", "tests/trainer/test_reference.py",
    "tests/verifier",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    """The longest files first, so that two processes end together; those that wait stand beside ones that do not."""
    items.sort(key=lambda item: next((n for n, path in enumerate(FIRST) if item.nodeid.startswith(path)), len(FIRST)))


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory):
    """The tests' own secret and cache, not the user's; the secret is always the same, and so are inputs of trials."""
    with pytest.MonkeyPatch.context() as patch:
        state = tmp_path_factory.mktemp("state")
        (state / "kernelraft").mkdir()
        (state / "kernelraft/secret").write_text("5e" * 32)
        patch.setenv("XDG_STATE_HOME", str(state))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def roots():
    """What the evaluator's servers are forked from, where a test is not about how they start."""
    opened = Roots()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def forked_servers(roots):
    """A pool that is opened in this module has them."""
    with roots.serving():
        yield


@pytest.fixture
def small_model():
    return scratch()


@pytest.fixture
def small_afmoe():
    return scratch("afmoe", **AFMOE)


def trainer(**changes):
    return Full(**(LOOP | changes))


def task(n, **fields):
    known = {"family": f"ew/add{n}", "language": "triton", "prompt": f"add {n} to x", "reference": f"x + {n}"}
    return Task(id=f"t{n}", **(known | {"answer": f"<triton>\nx = x + {n}\n</triton>"} | fields))


def example(n):
    t = task(n)
    messages = (Message(role="user", content=t.prompt), Message(role="assistant", content=t.answer, trained=True))
    return Example(id=f"e{n}", task_id=t.id, messages=messages)


@pytest.fixture
def examples():
    return [example(n) for n in range(20)]


class FakeVerifier:
    """PASS where `right` says so of (task, code); counts what it was asked. For tests of stages alone."""

    evaluator = "fake"

    def __init__(self, right=lambda task, code: True, abstain=lambda task, code: False, why=Reason.WORKER_LOST):
        self.right, self.abstain, self.why, self.asked = right, abstain, why, []

    @contextmanager
    def open(self):
        yield self

    def submit(self, task, sample):
        self.asked.append(sample.id)
        future = Future()
        future.set_result(self._verdict(task, sample))
        return future

    def _verdict(self, task, sample):
        if self.abstain(task, sample.code):
            return Verdict(
                id=sample.id, status=Status.ABSTAIN, reason=self.why, reward=None, detail="gone", seconds=0.1
            )
        if self.right(task, sample.code):
            return Verdict(
                id=sample.id, status=Status.PASS, reason=None, reward=1.0, compiled=True, correct=True, seconds=0.1
            )
        return Verdict(
            id=sample.id, status=Status.FAIL, reason=Reason.WRONG_VALUE, reward=0.0, correct=False, seconds=0.1
        )


class FakeGenerator:
    """Writes what `text` says of (task, attempt); counts the samples that it wrote."""

    def __init__(self, text):
        self.text, self.written, self.checkpoints = text, [], []

    def at(self, checkpoint):
        self.checkpoints.append(checkpoint)
        return self

    @contextmanager
    def open(self):
        yield self

    def _missing(self, tasks, attempts, seed, known):
        keys = [(t, n, f"{t.id}/{n}/{seed}") for t in tasks for n in attempts]
        return [(t, n, key) for t, n, key in keys if key not in known]

    def count(self, tasks, attempts, seed, known):
        return len(self._missing(tasks, attempts, seed, known))

    def write(self, tasks, attempts, seed, known):
        for t, n, key in self._missing(tasks, attempts, seed, known):
            code = self.text(t, n)
            self.written.append(key)
            yield Sample(id=key, task_id=t.id, index=n, text=f"<triton>\n{code}</triton>", code=code)


class Rows:
    """A data source that holds what it was given, and can be given nothing."""

    def __init__(self, tasks=(), pairs=(), examples=()):
        self._tasks, self._pairs, self._examples = list(tasks), list(pairs), list(examples)

    def tasks(self):
        yield from self._tasks

    def samples(self):
        yield from self._pairs

    def examples(self):
        yield from self._examples


def execute(stage, folder, seed=0):
    """Run a stage in a folder, whatever made the folder, and finish it."""
    with Run.open(folder, seed, None, NoTracker()) as run:
        return run.finish(stage.execute(run))
