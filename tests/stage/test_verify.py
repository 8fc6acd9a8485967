import json
import logging
from concurrent.futures import Future

import pytest

from kernelraft.data.files import Files
from kernelraft.errors import DataError, VerifierUnavailable
from kernelraft.records import Sample, Status, Verdict
from kernelraft.stage.verify import Verify
from kernelraft.store import read, read_rows
from tests.conftest import FakeVerifier, Rows, execute, task


def sample(n, code=None):
    code = f"program {n}" if code is None else code
    return Sample(id=f"s{n}", task_id=f"t{n}", index=0, text=code, code=code)


PAIRS = [(task(n), sample(n)) for n in range(6)]


def verify(verifier, data=None, max_abstain=1.0):
    return Verify(data=data or Rows(pairs=PAIRS), verifier=verifier, max_abstain=max_abstain)


def files(path):
    return Files(path=path, split=None, limit=None)


def jsonl(folder, *rows):
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row(n, **changes):
    return {"id": f"s{n}", "reference": "x", "code": f"program {n}"} | changes


class Backwards(FakeVerifier):
    """Answers the last question first, when all have been asked."""

    def __init__(self, expected):
        super().__init__()
        self.expected, self.open_questions = expected, []

    def submit(self, task, sample):
        future = Future()
        self.asked.append(sample.id)
        self.open_questions.append((future, self._verdict(task, sample)))
        if len(self.asked) == self.expected:
            for waiting, verdict in reversed(self.open_questions):
                waiting.set_result(verdict)
        return future


class Stopped(FakeVerifier):
    """Is interrupted at the question after the first `after` ones."""

    def __init__(self, after):
        super().__init__(right=lambda task, code: code != "program 2")
        self.after = after

    def submit(self, task, sample):
        if len(self.asked) == self.after:
            raise KeyboardInterrupt
        return super().submit(task, sample)


def test_verdicts_stand_in_the_order_of_the_input_whatever_was_judged_first(tmp_path):
    execute(verify(Backwards(len(PAIRS))), tmp_path)
    assert [v.id for v in read(Verdict, tmp_path / "verdicts.jsonl")] == [s.id for _, s in PAIRS]


def test_verdicts_are_the_same_in_both_formats(tmp_path):
    execute(verify(FakeVerifier(right=lambda t, code: code.endswith("1"))), tmp_path)
    rows = [values for _, values in read_rows(tmp_path / "verdicts.jsonl")]
    assert rows == [values for _, values in read_rows(tmp_path / "verdicts.parquet")]
    assert [values["reward"] for values in rows] == [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("after", [0, 1, 4, 5])
def test_a_stopped_run_judges_what_is_left_and_ends_with_the_same_file(tmp_path, after):
    whole = Stopped(after=len(PAIRS))
    execute(verify(whole), tmp_path / "whole")
    stopped = Stopped(after)
    with pytest.raises(KeyboardInterrupt):
        execute(verify(stopped), tmp_path / "run")
    assert not (tmp_path / "run/metrics.json").exists()
    again = Stopped(after=len(PAIRS))
    execute(verify(again), tmp_path / "run")
    assert stopped.asked + again.asked == whole.asked
    written = [(tmp_path / name / "verdicts.jsonl").read_bytes() for name in ("whole", "run")]
    assert written[0] == written[1]


def test_a_verdict_that_was_cut_off_while_it_was_written_is_judged_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        execute(verify(Stopped(after=3)), tmp_path)
    path = tmp_path / "verdicts.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    again = FakeVerifier()
    execute(verify(again), tmp_path)
    assert again.asked == ["s2", "s3", "s4", "s5"]


def test_equal_programs_under_two_ids_have_a_verdict_each(tmp_path):
    pairs = [(task(1), sample(n, "the same")) for n in (7, 3, 5)]
    execute(verify(FakeVerifier(), Rows(pairs=pairs)), tmp_path)
    assert [v.id for v in read(Verdict, tmp_path / "verdicts.jsonl")] == ["s7", "s3", "s5"]


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (row(0), r"rows\.jsonl:3: expected a unique id, found s0 of line 1"),
        (row(2, code=5), r"rows\.jsonl:3: expected text under 'code', found int"),
        (row(2, cod="x"), r"rows\.jsonl:3: .* found also cod"),
        ({"id": "s2", "code": "x"}, r"rows\.jsonl:3: expected text under 'reference'"),
    ],
)
def test_a_bad_row_is_named_before_anything_is_judged(tmp_path, bad, told):
    verifier = FakeVerifier()
    with pytest.raises(DataError, match=told):
        execute(verify(verifier, files(jsonl(tmp_path, row(0), row(1), bad))), tmp_path / "run")
    assert verifier.asked == [] and not (tmp_path / "run/verdicts.jsonl").exists()


def test_a_row_without_a_program_is_left_out_aloud(tmp_path, caplog):
    trace = {"sample_key": "a", "pytorch_code": "x", "triton_code": "y", "correctness": True, "fast_0": True}
    path = jsonl(tmp_path, trace, trace | {"sample_key": "b", "triton_code": None})
    with caplog.at_level(logging.INFO, logger="kernelraft"):
        execute(verify(FakeVerifier(), files(path)), tmp_path / "run")
    assert len(list(read(Verdict, tmp_path / "run/verdicts.jsonl"))) == 1
    assert "1 samples, left out 1 traces without code" in caplog.text


def test_no_sample_at_all_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no sample to judge"):
        execute(verify(FakeVerifier(), Rows()), tmp_path)


def test_what_nobody_could_judge_has_a_row_without_a_reward_and_no_part_in_the_pass_rate(tmp_path):
    verifier = FakeVerifier(right=lambda t, code: t.id == "t1", abstain=lambda t, code: t.id in ("t4", "t5"))
    metrics = execute(verify(verifier), tmp_path)
    rewards = [v.reward for v in read(Verdict, tmp_path / "verdicts.jsonl")]
    assert rewards == [0.0, 1.0, 0.0, 0.0, None, None]
    assert metrics["verify/pass_rate"] == 1 / 4
    assert metrics["verify/abstain_rate"] == pytest.approx(2 / 6)
    assert metrics["verify/kernels"] == 6


def test_a_run_that_ended_as_too_many_abstained_judges_them_anew_when_it_is_run_again(tmp_path):
    pairs = [(task(n), sample(n)) for n in range(30)]
    broken = FakeVerifier(abstain=lambda t, code: t.id != "t0")
    with pytest.raises(VerifierUnavailable, match="run the same command again"):
        execute(verify(broken, Rows(pairs=pairs), max_abstain=0.1), tmp_path)
    mended = FakeVerifier()
    execute(verify(mended, Rows(pairs=pairs), max_abstain=0.1), tmp_path)
    assert {v.status for v in read(Verdict, tmp_path / "verdicts.jsonl")} == {Status.PASS}
    assert "s0" not in mended.asked


def test_another_program_under_a_known_id_is_refused_not_given_the_old_verdict(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        execute(verify(Stopped(3)), tmp_path)
    changed = [(t, sample(n, "changed") if n == 1 else s) for n, (t, s) in enumerate(PAIRS)]
    with pytest.raises(DataError, match="sample s1 has other code than when this run began"):
        execute(verify(FakeVerifier(), Rows(pairs=changed)), tmp_path)


def test_an_id_that_stands_twice_is_an_error(tmp_path):
    with pytest.raises(DataError, match="a different id for every sample, found s1 more than once"):
        execute(verify(FakeVerifier(), Rows(pairs=[*PAIRS, (task(1), sample(1))])), tmp_path)
