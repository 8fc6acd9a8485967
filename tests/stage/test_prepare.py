import logging

import pytest

from kernelraft.errors import DataError
from kernelraft.records import Task
from kernelraft.stage.prepare import Prepare
from kernelraft.store import read
from tests.conftest import Rows, execute, task


def prepare(*tasks):
    return Prepare(data=Rows(tasks))


def refused(tmp_path, *tasks):
    """The one line with which these tasks are refused; nothing is left of them."""
    with pytest.raises(DataError) as error:
        execute(prepare(*tasks), tmp_path)
    assert not list(tmp_path.glob("tasks.*")) and "\n" not in str(error.value)
    return str(error.value)


def test_tasks_are_left_in_their_order_in_both_formats_with_a_count_a_split(tmp_path, caplog):
    tasks = [task(3, split="pool"), task(1), task(2, split="pool")]
    with caplog.at_level(logging.INFO, logger="kernelraft"):
        metrics = execute(prepare(*tasks), tmp_path)
    assert list(read(Task, tmp_path / "tasks.jsonl")) == list(read(Task, tmp_path / "tasks.parquet")) == tasks
    assert (metrics["data/tasks"], metrics["data/pool"], metrics["data/train"]) == (3, 2, 1)
    assert "3 tasks: 2 pool, 1 train" in caplog.text


def test_a_family_in_two_splits_is_refused(tmp_path):
    told = refused(tmp_path, task(1), task(2, family="ew/add1", split="heldout"), task(3))
    assert "1 families stand in more than one split (ew/add1: heldout, train)" in told


def test_a_family_may_have_many_tasks_of_one_split(tmp_path):
    execute(prepare(task(1, split="heldout"), task(2, family="ew/add1", split="heldout"), task(3)), tmp_path)


@pytest.mark.parametrize("same", ["x + 1", "\nx + 1  \n"])
def test_an_equal_problem_in_two_splits_is_refused_whatever_its_name_and_family(tmp_path, same):
    told = refused(tmp_path, task(1), task(2, reference=same, split="heldout"), task(3))
    assert "1 problems stand in more than one split" in told and "t1" in told and "t2" in told


def test_an_equal_problem_twice_in_one_split_is_no_leak(tmp_path):
    execute(prepare(task(1), task(2, reference="x + 1")), tmp_path)


def test_tasks_without_a_reference_are_told_apart_by_their_prompts(tmp_path):
    execute(prepare(task(1, reference=""), task(2, reference="", split="heldout")), tmp_path / "apart")
    (tmp_path / "same").mkdir()
    told = refused(tmp_path / "same", task(1, reference=""), task(2, reference="", prompt="add 1 to x", split="test"))
    assert "problems stand in more than one split" in told


def test_an_id_that_stands_twice_is_refused(tmp_path):
    told = refused(tmp_path, task(1), task(2), task(2, reference="x + 9", family="ew/add9"))
    assert "1 task ids stand twice, t2 first" in told
