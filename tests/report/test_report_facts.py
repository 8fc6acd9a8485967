import json
import os

import pytest

from kernelraft.errors import DataError
from kernelraft.report.facts import collect, outcomes
from kernelraft.report.folder import steps


def test_steps_stand_in_the_order_of_the_pipeline_with_their_parts(run_folder):
    names = [step.name for step in collect(run_folder, None).steps]
    assert names == ["prepare", "before", "raft", "raft/gate-0", "raft/cycle-1", "after", "control"]


def test_steps_stand_in_the_order_in_which_they_began_where_no_pipeline_says_it(run_folder):
    (run_folder / "config.json").unlink()
    for at, name in enumerate(["control", "after", "raft", "before", "prepare"]):
        config = run_folder / name / "config.json"
        config.write_text("{}")
        os.utime(config, (at, at))
    tops = [step.name for step in collect(run_folder, None).steps if "/" not in step.name]
    assert tops == ["control", "after", "raft", "before", "prepare"]


def test_benchmarks_are_compared_as_a_reader_does(run_folder):
    facts = collect(run_folder, None)
    assert [benchmark.step for benchmark in facts.benchmarks] == ["before", "control", "after"]
    before, control, after = facts.benchmarks
    assert (before.pass_at[1].low, before.pass_at[1].high) == (0.15, 0.35)
    assert before.change is None
    assert control.change.value == pytest.approx(0.25)
    assert after.change.value == pytest.approx(0.75)
    assert after.change.low <= after.change.value <= after.change.high
    assert facts.over_control.value == pytest.approx(0.5)
    assert after.kinds == {"ew": 1.0}


def test_abstained_samples_count_neither_way(run_folder):
    path = run_folder / "before/verdicts.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1] |= {"status": "abstain", "reason": "WORKER_LOST", "reward": None}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert collect(run_folder, None).benchmarks[0].tasks == {"t1": 0.5, "t2": 0.0}


def test_of_a_repeated_training_step_the_last_row_counts(run_folder):
    assert collect(run_folder, None).losses == {"raft": {20: 2.0, 40: 1.0}}


def test_rounds_take_from_samples_what_was_not_logged(run_folder):
    rounds = collect(run_folder, None).rounds["raft"]
    assert rounds.gate == {0: 1.0, 1: 0.75}
    assert rounds.pass_rate == {1: 0.5}
    assert rounds.kept == {1: 1.0}


def test_samples_that_were_trained_on_are_marked(run_folder):
    cycle = next(step for step in collect(run_folder, None).steps if step.name == "raft/cycle-1")
    assert [judged.trained for judged in cycle.judged] == [True, False]
    assert outcomes(cycle) == {"pass": 1, "WRONG_VALUE": 1}


def test_times_do_not_count_a_part_twice(run_folder):
    (run_folder / "raft/cycle-1/metrics.json").write_text('{"wall_s": 30.0}')
    times = {step.name: step.seconds for step in collect(run_folder, None).times}
    assert times == {"prepare": 0.5, "before": 3.0, "raft": 70.0, "after": 3.0, "control": 3.0}


def test_an_unfinished_run_shows_what_is_there(run_folder):
    after = run_folder / "after"
    (after / "metrics.json").unlink()
    (after / "config.json").write_text("{}")
    (after / ".spent.json").write_text("1.5\n")
    whole = (after / "verdicts.jsonl").read_text()
    (after / "verdicts.jsonl").write_text(whole[: len(whole) - 20])
    (run_folder / "raft/cycle-1").rename(run_folder / "raft/.cycle-1")
    facts = collect(run_folder, None)
    found = {step.name: step for step in facts.steps}
    assert (found["after"].finished, found["after"].seconds) == (False, 1.5)
    assert outcomes(found["after"])["unjudged"] == 1
    assert not found["raft/cycle-1"].finished
    assert [benchmark.step for benchmark in facts.benchmarks] == ["before", "control"]
    assert facts.over_control is None


def test_a_run_of_one_stage_is_its_own_step(run_folder):
    facts = collect(run_folder / "after", None)
    assert [step.name for step in facts.steps] == ["after"]
    assert [benchmark.step for benchmark in facts.benchmarks] == ["after"]
    assert facts.title == "after"


def test_totals_of_a_pipeline_are_no_step(run_folder):
    (run_folder / "metrics.json").write_text('{"benchmark/after/pass@1": 1.0, "wall_s": 99.0}')
    assert "small" not in [step.name for step in steps(run_folder)]


def test_numbers_that_are_not_finite_are_left_out(run_folder):
    with (run_folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 60, "at": 5.0, "train/raft/loss": NaN}\n')
    assert 60 not in collect(run_folder, None).losses["raft"]


@pytest.mark.parametrize(("name", "said"), [("gone", "is not there"), ("empty", "nothing to report")])
def test_a_folder_that_is_no_run_is_refused(tmp_path, name, said):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=said):
        collect(tmp_path / name, None)


def test_a_damaged_line_is_named(run_folder):
    path = run_folder / "before/samples.jsonl"
    path.write_text(path.read_text() + '{"id": 3}\n')
    with pytest.raises(DataError, match=r"samples\.jsonl:5"):
        collect(run_folder, None)
