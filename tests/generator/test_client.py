"""What holds for every provider: tries, faults, several keys, what is kept on disk."""

import asyncio
import json
import logging

import pytest

from kernelraft.errors import ConfigError, GeneratorUnavailable, Refused
from kernelraft.generator import Generator
from kernelraft.generator.chat import Converser, Paid
from tests.conftest import task
from tests.providers.recipes import KEY, compatible, error_of, replies, request
from tests.providers.script import TRANSIENT, Said
from tests.providers.server import Loopback

MANY = [request(n) for n in range(40)]


def rows(folder, name="ledger.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_a_recipe_is_a_generator_and_converses_and_is_paid(provider, tmp_path):
    with Loopback() as server:
        recipe = provider(server, tmp_path)
    assert isinstance(recipe, Generator) and isinstance(recipe, Converser) and isinstance(recipe, Paid)
    with pytest.raises(ConfigError, match="generator=local"):
        recipe.at(tmp_path)


@pytest.mark.parametrize("fault", [*TRANSIENT, "408", "409", "503", "empty"])
def test_a_transient_fault_is_tried_again(provider, tmp_path, fault):
    with Loopback(faults=[fault, fault]) as server:
        patience_s = 0.3 if fault == "timeout" else 10.0  # a busy machine may be slow without a fault
        (reply,) = replies(provider(server, tmp_path, timeout_s=patience_s), [request(0)])
        assert reply.tries == 3 and reply.text and server.count("served") == 1 and server.count(fault) == 2


@pytest.mark.parametrize("fault", ["reset", "malformed", "500"])
def test_a_reply_that_is_not_streamed_is_tried_again_too(tmp_path, fault):
    with Loopback(faults=[fault]) as server:
        (reply,) = replies(compatible(server, tmp_path, stream=False), [request(0)])
        assert (reply.tries, reply.finish_reason, reply.usage.output_tokens > 0) == (2, "stop", True)


def test_all_are_answered_though_a_fifth_of_the_calls_fail(provider, tmp_path):
    with Loopback(fault_rate=0.2, kinds=TRANSIENT) as server:
        found = replies(provider(server, tmp_path, timeout_s=1.0), MANY)
        assert [reply.text for reply in found] == [server.said([{"role": "user", "content": f"do {n}"}]).text
                                                   for n in range(40)]  # fmt: skip
        assert server.stats()["repeated"] == 0 and server.count("served") == 40 < server.count()


def test_retry_after_is_obeyed_and_is_no_try(provider, tmp_path):
    with Loopback(faults=["429-after"] * 4, retry_after_s=0.1) as server:
        (reply,) = replies(provider(server, tmp_path, tries=1), [request(0)])
        assert reply.tries == 5 and reply.seconds >= 0.4


def test_after_all_tries_the_run_ends_in_one_line(provider, tmp_path):
    with Loopback(fault_rate=1.0, kinds=("500",)) as server:
        error = error_of(provider(server, tmp_path, tries=3), [request(0)])
        assert isinstance(error, GeneratorUnavailable) and server.count("500") == 3
    assert "gave up on a call after 3 tries: 500" in str(error) and "\n" not in str(error)


def test_a_wrong_key_ends_the_run_before_anything_is_asked(provider, tmp_path):
    with Loopback(keys={"another"}) as server:
        error = error_of(provider(server, tmp_path), MANY)
        assert isinstance(error, GeneratorUnavailable) and server.bodies == [] and server.count("401") == 1
    assert "TEST_KEY at http" in str(error) and "the key is not accepted" in str(error) and KEY not in str(error)


def test_a_401_at_a_server_that_lists_no_models_ends_the_run_after_one_call(tmp_path):
    with Loopback(fault_rate=1.0, kinds=("401",), lists_models=False) as server:
        error = error_of(compatible(server, tmp_path), MANY)
        assert isinstance(error, GeneratorUnavailable) and server.count("401") == 1


@pytest.mark.parametrize(("fault", "told"), [("403", "not allowed"), ("404", "generator.model=")])
def test_a_permanent_error_is_not_tried_again(provider, tmp_path, fault, told):
    with Loopback(faults=[fault]) as server:
        error = error_of(provider(server, tmp_path), [request(0)])
        assert isinstance(error, GeneratorUnavailable) and told in str(error) and server.count() == 1


def test_a_bad_request_ends_one_conversation_and_not_the_run(provider, tmp_path):
    with Loopback(faults=[None, "400"]) as server:
        recipe = provider(server, tmp_path, concurrency=1)
        error = error_of(recipe, [request(0), request(1), request(2)])
        assert isinstance(error, Refused) and server.count("400") == 1 and server.count("served") == 2


def test_when_every_call_is_bad_it_is_the_settings_and_the_run_ends(provider, tmp_path):
    with Loopback(fault_rate=1.0, kinds=("400",)) as server:
        recipe = provider(server, tmp_path, concurrency=1)
        error = error_of(recipe, MANY, which=GeneratorUnavailable)
        assert "the first 3 calls were refused" in str(error) and server.count("400") == 3


def test_a_missing_key_and_a_key_in_the_config_are_one_line_each(provider, tmp_path, monkeypatch):
    monkeypatch.delenv("TEST_KEY")
    with Loopback() as server:
        with pytest.raises(GeneratorUnavailable, match="TEST_KEY is not set, export it"):
            replies(provider(server, tmp_path), [request(0)])
        with pytest.raises(ConfigError, match="names of environment variables") as refused:
            provider(server, tmp_path, keys=["sk-ant-0123"])
        assert "0123" not in str(refused.value) and server.count() == 0


def test_an_unknown_model_and_an_unreachable_server_are_one_line_each(provider, tmp_path):
    with Loopback(models=("another",)) as server:
        error = error_of(provider(server, tmp_path), [request(0)])
    assert isinstance(error, GeneratorUnavailable) and "no model tiny" in str(error)
    error = error_of(provider(server, tmp_path), [request(0)])  # it has ended
    assert isinstance(error, GeneratorUnavailable) and "cannot be reached" in str(error)


def test_several_servers_with_their_keys_are_used_side_by_side(provider, tmp_path, monkeypatch):
    monkeypatch.setenv("KEY_2", "second")
    with Loopback(keys={KEY}, latency_s=0.05) as one, Loopback(keys={"second"}, latency_s=0.05) as two:
        path = "" if provider.__name__ == "claude" else "/v1"
        urls = [f"{server.url}{path}" for server in (one, two)]
        replies(provider(one, tmp_path, base_urls=urls, keys=["TEST_KEY", "KEY_2"]), MANY)
        assert min(one.count("served"), two.count("served")) >= 15


def test_servers_of_two_models_are_refused(tmp_path):
    with Loopback(models=("a",)) as one, Loopback(models=("b",)) as two:
        recipe = compatible(one, tmp_path, model=None, base_urls=[f"{s.url}/v1" for s in (one, two)])
        error = error_of(recipe, [request(0)])
    assert "expected one model on all of generator.base_urls, found a, b" in str(error)


def test_no_more_calls_are_in_flight_than_concurrency_says(provider, tmp_path):
    with Loopback(latency_s=0.05) as server:
        replies(provider(server, tmp_path, concurrency=7), MANY)
        assert server.most == 7


def test_hundreds_of_calls_are_in_flight_at_once(provider, tmp_path):
    with Loopback(latency_s=2.0) as server:
        found = replies(provider(server, tmp_path, concurrency=600, timeout_s=60.0), [request(n) for n in range(600)])
        assert len(found) == 600 and server.most > 512


def test_what_is_on_disk_is_not_asked_again(provider, tmp_path):
    with Loopback() as server:
        first = replies(provider(server, tmp_path), MANY[:20])
        again = replies(provider(server, tmp_path), MANY)
        assert again[:20] == first and server.count("served") == 40
    ledger = rows(tmp_path)
    assert len(ledger) == 40 and len({row["key"] for row in ledger}) == 40


def test_a_reply_whose_ledger_row_was_lost_is_booked_and_a_torn_one_is_asked_again(provider, tmp_path):
    with Loopback() as server:
        replies(provider(server, tmp_path), MANY[:4])
        ledger, kept = tmp_path / "ledger.jsonl", tmp_path / ".replies.jsonl"
        ledger.write_text("".join(ledger.read_text().splitlines(keepends=True)[:2]))
        kept.write_bytes(kept.read_bytes()[:-20])
        replies(provider(server, tmp_path), MANY[:4])
        assert server.count("served") == 5
    assert len({row["key"] for row in rows(tmp_path)}) == 4


def test_a_full_disk_is_one_line_and_what_was_there_stays(provider, tmp_path, monkeypatch):
    with Loopback() as server:
        replies(provider(server, tmp_path), MANY[:2])
        before = (tmp_path / ".replies.jsonl").read_bytes()

        def full(fd):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("kernelraft.generator.api.replies.os.fsync", full)
            error = error_of(provider(server, tmp_path), MANY[:4])
        assert isinstance(error, GeneratorUnavailable) and "No space left on device: make room" in str(error)
        assert (tmp_path / ".replies.jsonl").read_bytes() == before
        assert len(replies(provider(server, tmp_path), MANY[:4])) == 4


def test_no_key_is_in_what_is_left_or_logged(provider, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    with Loopback(faults=["500", "reset"]) as server:
        replies(provider(server, tmp_path), MANY[:3])
    assert KEY not in caplog.text
    for path in tmp_path.rglob("*"):
        assert KEY.encode() not in path.read_bytes()


def test_traffic_says_what_is_under_way(provider, tmp_path):
    async def look(recipe):
        async with recipe.converse(tmp_path) as client:
            work = [asyncio.create_task(client.reply(one)) for one in MANY]
            await asyncio.sleep(0.3)
            during = client.traffic()
            await asyncio.gather(*work)
            return during, client.traffic()

    with Loopback(latency_s=0.5, faults=["500"]) as server:
        during, after = asyncio.run(look(provider(server, tmp_path, concurrency=10)))
    assert (during.in_flight, during.waiting) == (10, 30) and "500" in during.last_error
    assert (after.in_flight, after.waiting, after.retries) == (0, 0, 1)


def test_a_stage_that_asks_once_gets_samples(provider, tmp_path):
    tasks = [task(n) for n in range(5)]
    with Loopback(lambda talk: Said(f"<triton>\n{talk[-1]['content']}\n</triton>", "why")) as server:
        with provider(server, tmp_path).open() as writer:
            assert writer.count(tasks, range(2), 0, set()) == 10
            samples = {s.id: s for s in writer.write(tasks, range(2), 0, set())}
            known = set(list(samples)[:4])
            assert writer.count(tasks, range(2), 0, known) == 6
            assert {s.id for s in writer.write(tasks, range(2), 0, known)} == set(samples) - known
        assert server.count("served") == 10
    assert {(s.task_id, s.index) for s in samples.values()} == {(t.id, n) for t in tasks for n in range(2)}
    assert all(s.code in s.text and s.model == "tiny" and s.completion_tokens and s.dollars for s in samples.values())


def test_an_error_reaches_the_stage_that_asks_once(provider, tmp_path):
    with (
        Loopback(faults=["403"]) as server,
        provider(server, tmp_path).open() as writer,
        pytest.raises(GeneratorUnavailable, match="not allowed"),
    ):
        list(writer.write([task(1)], range(3), 0, set()))


def test_a_call_that_never_ends_well_while_others_do_ends_its_conversation_alone(provider, tmp_path):
    def moody(talk):
        if "do 1" in talk[-1]["content"]:
            raise RuntimeError("this one breaks the server")
        return Said("fine")

    with Loopback(moody) as server:
        recipe = provider(server, tmp_path, tries=3, first_delay_s=0.1)
        error = error_of(recipe, [request(0), request(1), request(2)])
        assert isinstance(error, Refused) and "gave up on a call after 3 tries" in str(error)
        assert server.count("served") == 2


def test_refused_prompts_at_the_end_of_a_run_do_not_look_like_wrong_settings(provider, tmp_path):
    with Loopback() as server:
        replies(provider(server, tmp_path), MANY[:3])
        server.script.faults[:] = ["400"] * 3
        error = error_of(provider(server, tmp_path), MANY[3:7], which=GeneratorUnavailable, else_none=True)
        assert error is None and server.count("400") == 3
