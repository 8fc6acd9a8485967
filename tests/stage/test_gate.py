import logging
import threading
from concurrent.futures import Future

import pytest

from kernelraft.errors import ConfigError, DataError
from kernelraft.records import Reason, Refusal, Task
from kernelraft.stage.gate import Gate
from kernelraft.store import read
from tests.conftest import FakeVerifier, Rows, execute, task

TASKS = [task(n) for n in range(6)]


class Picky(FakeVerifier):
    """Refuses the tasks that `why` gives a reason for."""

    def __init__(self, why):
        super().__init__()
        self.why = why

    def examine(self, task):
        self.asked.append(task.id)
        found = self.why.get(task.id)
        answer = Future()
        answer.set_result(Refusal(id=task.id, family=task.family, reason=found[0], detail=found[1]) if found else None)
        return answer


class Interrupted(Picky):
    """Answers four questions; the wait for the others is interrupted."""

    def examine(self, task):
        if len(self.asked) < 4:
            return super().examine(task)
        answer = Future()
        threading.Timer(0.2, answer.set_exception, [KeyboardInterrupt()]).start()
        return answer


WHY = {
    "t1": (Reason.UNSUPPORTED, "zeros would pass: this task cannot tell an answer from none"),
    "t4": (Reason.UNSUPPORTED, "zeros would pass (with n=8 for 4096)"),
    "t5": (Reason.UNSUPPORTED, "the reference fails: ModuleNotFoundError"),
}


def gate(verifier, tasks=TASKS):
    return Gate(data=Rows(tasks), verifier=verifier)


def test_usable_tasks_and_refusals_are_left_in_the_order_of_the_data(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="kernelraft"):
        metrics = execute(gate(Picky(WHY)), tmp_path)
    usable = [TASKS[0], TASKS[2], TASKS[3]]
    assert list(read(Task, tmp_path / "tasks.jsonl")) == list(read(Task, tmp_path / "tasks.parquet")) == usable
    refused = list(read(Refusal, tmp_path / "refused.jsonl"))
    assert [(one.id, one.reason, one.detail) for one in refused] == [(name, *why) for name, why in WHY.items()]
    assert (metrics["data/tasks"], metrics["data/refused"]) == (3, 3)
    assert "3 of 6 tasks can be used" in caplog.text


def test_the_table_counts_the_reasons_and_names_the_first_task_of_each(tmp_path, capsys):
    execute(gate(Picky(WHY)), tmp_path)
    told = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "can be used 3 50.0%" in told
    assert "refused: zeros would pass 2 33.3% t1" in told
    assert "refused: the reference fails 1 16.7% t5" in told


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        execute(gate(Interrupted(WHY)), tmp_path)
    again = Picky(WHY)
    execute(gate(again), tmp_path)
    assert again.asked == ["t4", "t5"]
    assert [one.id for one in read(Task, tmp_path / "tasks.jsonl")] == ["t0", "t2", "t3"]
    assert [one.id for one in read(Refusal, tmp_path / "refused.jsonl")] == ["t1", "t4", "t5"]


def test_a_task_whose_worker_was_lost_is_examined_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        execute(gate(Interrupted({"t1": (Reason.WORKER_LOST, "the worker was lost twice")})), tmp_path)
    again = Picky({})
    execute(gate(again), tmp_path)
    assert again.asked == ["t1", "t4", "t5"]
    assert list(read(Refusal, tmp_path / "refused.jsonl")) == []


def test_another_task_under_a_known_id_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        execute(gate(Interrupted({})), tmp_path)
    with pytest.raises(DataError, match="task t2 is another than when this run began"):
        execute(gate(Picky({}), [*TASKS[:2], task(2, reference="x + 9")]), tmp_path)


def test_no_task_and_an_id_that_stands_twice_are_errors(tmp_path):
    with pytest.raises(DataError, match="no task to examine"):
        execute(gate(Picky({}), []), tmp_path / "none")
    with pytest.raises(DataError, match="found t1 more than once"):
        execute(gate(Picky({}), [task(1), task(1)]), tmp_path / "twice")


def test_a_verifier_that_examines_no_tasks_is_named(tmp_path):
    with pytest.raises(ConfigError, match="FakeVerifier examines no tasks"):
        execute(gate(FakeVerifier()), tmp_path)
