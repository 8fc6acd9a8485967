"""Ask a model: one prompt, a file of them, or over HTTP as long as it is served."""

import asyncio
import logging
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated, ClassVar, Protocol, runtime_checkable

from pydantic import Field

from kernelraft.component import component
from kernelraft.console import progress
from kernelraft.data.asked import Asked, asked_in, prompt_of
from kernelraft.errors import ConfigError, Refused, StageError
from kernelraft.generator import Generator
from kernelraft.generator.chat import Chat, Converser, Paid, Request, sample_of
from kernelraft.generator.local import Local
from kernelraft.journal import Journal
from kernelraft.records import Sample, digest
from kernelraft.runs import Run
from kernelraft.spending.forecast import GUESS, at_most
from kernelraft.tracker import Metrics

log = logging.getLogger("kernelraft")


@runtime_checkable
class Answering(Generator, Converser, Protocol):
    """A generator that answers messages."""


@component
class Infer:
    """Prints the answers on standard output, in the order of the prompts, and leaves samples.jsonl; or serves."""

    REPEATS: ClassVar[bool] = True

    generator: Answering
    checkpoint: Path | None
    prompt: str | None
    file: Path | None
    serve: bool
    host: str
    port: Annotated[int, Field(ge=0, le=65535)]

    def __post_init__(self) -> None:
        if [self.prompt is not None, self.file is not None, self.serve].count(True) != 1:
            raise ConfigError(
                "stage=infer: give stage.prompt='...', stage.file=<a text or .jsonl file> or stage.serve=true, one of "
                "them"
            )
        if self.serve and not isinstance(self.generator, Local):
            raise ConfigError("stage.serve=true serves a model of one's own: generator=local")

    def execute(self, run: Run) -> Metrics:
        generator = self.generator.at(self.checkpoint) if self.checkpoint else self.generator
        if isinstance(generator, Local) and self.serve:
            return {"serve/calls": float(asyncio.run(self._serve(generator, run.dir)))}
        asked = asked_in(self.file) if self.file else [prompt_of(self.prompt, "stage.prompt")]
        if isinstance(generator, Paid):
            generator.check()
            tokens = round(sum(len(message.content) for talk in asked for message in talk) / GUESS)
            generator.confirm(run.dir, at_most(len(asked), 1, tokens, generator.max_tokens, batch=generator.batch))
        with Journal(Sample, run.dir / "samples.jsonl") as samples:
            keys = asyncio.run(self._ask_all(generator, run, asked, samples))
            made = [samples.records[key] for key in keys if key in samples]
        if not made:
            raise StageError(f"none of {len(asked)} prompts was answered; the lines above say why")
        for sample in made:
            sys.stdout.write(sample.text + "\n")
        cut = sum(sample.finish_reason == "length" for sample in made)
        if cut:
            log.warning("%d of %d answers were cut off: more room is generator.max_new_tokens=", cut, len(made))
        return {"infer/answers": float(len(made)), "infer/tokens": float(sum(s.completion_tokens for s in made))}

    async def _ask_all(self, generator: Answering, run: Run, asked: list[Asked], samples: Journal[Sample]) -> list[str]:
        """Write the answers that are not there yet; the keys of all of them, in order."""
        async with generator.converse(run.dir) as chat:
            keys = [digest(chat.name, run.seed, number, *talk) for number, talk in enumerate(asked)]
            with progress("answers", len(asked)) as bar:

                async def one(key: str, talk: Asked) -> None:
                    if key not in samples:
                        await _answer(chat, key, talk, samples)
                    bar.advance()

                await asyncio.gather(*(one(key, talk) for key, talk in zip(keys, asked, strict=True)))
        return keys

    def _listening(self) -> socket.socket:
        """Take the port before the model is loaded; who calls until then finds nobody."""
        taken = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        try:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind((self.host, self.port))
        except OSError as error:
            taken.close()
            raise ConfigError(f"stage.host={self.host} stage.port={self.port}: {error.strerror or error}") from None
        return taken

    async def _serve(self, generator: Local, folder: Path) -> int:
        """Answer until SIGINT or SIGTERM; how many calls there were."""
        over = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, over.set)
        model = generator.model
        served = str(model.adapter) if model.adapter else model.name
        with self._listening() as port:
            async with generator.converse(folder) as chat:
                from aiohttp import web

                from kernelraft.generator.server.app import Server

                server = Server(chat, served)
                runner = web.AppRunner(server.app(), access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
                await runner.setup()
                await web.SockSite(runner, port).start()
                host, at, *_ = port.getsockname()
                log.info("%s is served at http://%s:%d/v1; Ctrl-C ends it", served, host, at)
                await over.wait()
                await runner.cleanup()
        return server.answered


async def _answer(chat: Chat, key: str, talk: Asked, samples: Journal[Sample]) -> None:
    request = Request(key=key, messages=talk, batch=True)
    try:
        reply = await chat.reply(request)
    except Refused as error:
        log.warning("not answered: %s", error)
        return
    samples.append(sample_of(request, reply, chat.name))
