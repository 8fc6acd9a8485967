import pytest

from kernelraft.errors import ConfigError
from kernelraft.generator.replay import Replay
from kernelraft.store import write
from tests.conftest import task


def samples(replay, tasks, attempts=range(2), known=()):
    with replay.open() as writer:
        found = list(writer.write(tasks, attempts, 0, set(known)))
        assert writer.count(tasks, attempts, 0, set(known)) == len(found)
    return found


def test_answers_become_samples_and_tasks_without_one_are_left_out():
    found = samples(Replay(path=None), [task(1), task(2, answer=None)])
    assert [(s.task_id, s.text, s.code) for s in found] == [("t1", task(1).answer, "x = x + 1\n")]


def test_a_file_of_samples_is_written_again_and_known_ones_are_not(tmp_path):
    first = samples(Replay(path=None), [task(1), task(2)])
    write(tmp_path / "samples.jsonl", first)
    again = samples(Replay(path=tmp_path / "samples.jsonl"), [task(2), task(3)])
    assert [(s.task_id, s.text) for s in again] == [("t2", task(2).answer)]
    assert samples(Replay(path=tmp_path / "samples.jsonl"), [task(2)], known=[again[0].id]) == []


def test_replay_has_no_weights_to_change(tmp_path):
    with pytest.raises(ConfigError, match="generator=local"):
        Replay(path=None).at(tmp_path)
