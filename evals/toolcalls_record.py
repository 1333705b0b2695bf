"""Asking a served model every prompt once, and keeping its replies as they came."""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qcode.context import output_limit, system_prompt
from qcode.errors import QcodeError
from qcode.local import server, state
from qcode.local.cpu import this_cpu, threads
from qcode.local.engine import choose
from qcode.local.fetch import fetch
from qcode.local.process import stop
from qcode.messages import JsonObject, UserMessage
from qcode.paths import data_dir
from qcode.providers import Delta, Provider, Request, ToolSpec
from qcode.providers.chat_body import BodyRenderer, Dialect
from qcode.providers.prompted import PromptedProvider
from qcode.tools import default_tools
from qcode.tools.schema import schema

FOLDER = Path(__file__).resolve().parent / "toolcalls"
WORKSPACE = FOLDER / "workspace"
SERVINGS = ("text", "qcode", "prompted")
"""The model's own chat template, or qcode's; `prompted` is the first with the tools in the
system prompt, as qcode asks a server of its user's own that has such a model."""
CONTEXT = 16_384
"""Tokens; what `qcode local up` serves with."""
MAX_TOKENS = 400
"""Of a reply. qcode allows more, but what is wanted here is short, and a small model that
has begun to repeat itself does so to the end."""
SILENCE_S = 600.0
"""Reading a prompt takes minutes on a slow machine."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a person asks, and what a first call could sensibly be."""

    id: str
    text: str
    tools: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """One recorded answer."""

    id: str
    prompt: str
    deltas: tuple[JsonObject, ...]
    """Each `choices[0].delta`, as it came."""
    finish_reason: str | None
    error: str = ""
    """What the server said instead of an answer."""

    @property
    def content(self) -> str:
        """The text of the answer."""
        return "".join(delta.get("content") or "" for delta in self.deltas)


@dataclass(frozen=True, slots=True)
class Served:
    """A model server that answers now."""

    port: int
    model: str


def prompts() -> tuple[Prompt, ...]:
    """Return the prompts in their fixed order; kinds are mixed, so any beginning is a sample."""
    lines = (FOLDER / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return tuple(Prompt(one["id"], one["prompt"], tuple(one["tools"])) for one in found)


def request(text: str, max_tokens: int) -> Request:
    """Return what qcode would ask first of all, with another limit."""
    return Request(
        system_prompt(),
        (UserMessage(text),),
        tuple(ToolSpec(one.name, one.description, schema(one.params)) for one in default_tools()),
        min(max_tokens, output_limit(CONTEXT, None)),
    )


@contextlib.contextmanager
def serve(model: str, serving: str, folder: Path) -> Iterator[Served]:
    """Serve an embedded model for as long as the context lasts, beside one that may run already.

    `folder` is absolute and gets the server's log.

    Raises:
        QcodeError: it cannot be fetched or served.
    """
    note = Notes()
    with state.locked(note):
        fetched = fetch(model, progress=note)
        engine = choose(this_cpu(), data_dir() / "servers", note)
    wanted = server.Serving(
        model=fetched.path,
        id=fetched.id,
        port=server.free_port(0),
        context=CONTEXT,
        threads=threads(),
        template=server.template_for(fetched) if serving == "qcode" else None,
    )
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    started = server.start(server.command(engine, wanted, folder), log)
    try:
        size = fetched.path.stat().st_size
        server.wait(started.pid, started.started, wanted.port, log, size, note)
        yield Served(wanted.port, wanted.id)
    finally:
        stop(started.pid, started.started)
        started.detach()


class Named(Provider):
    """The name of a model, by which `PromptedProvider` chooses its style; it is asked nothing."""

    def __init__(self, model: str) -> None:
        self._model = model

    @property
    def model(self) -> str:
        return self._model

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        raise NotImplementedError
        yield  # makes it a generator

    async def close(self) -> None:
        raise NotImplementedError


class Notes:
    """Tells what takes long in lines on stderr."""

    def update(self, label: str, done: int, total: int | None) -> None:
        """Show nothing: there may be no terminal."""

    def note(self, text: str) -> None:
        """Print one line."""
        print(text, file=sys.stderr, flush=True)


def record(model: str, serving: str, out: Path, max_tokens: int) -> None:
    """Ask all prompts that `out` has no answer to yet, and add the answers.

    Raises:
        QcodeError: the model cannot be served, or stopped answering.
    """
    known = {reply.id for reply in load(out)} if out.exists() else set()
    asked = [prompt for prompt in prompts() if prompt.id not in known]
    if not asked:
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        serve(model, serving, out.with_suffix(".server").resolve()) as served,
        out.open("a", encoding="utf-8") as file,
    ):
        body = BodyRenderer(served.model, {}, Dialect())
        prompted = PromptedProvider(Named(served.model)) if serving == "prompted" else None
        for number, prompt in enumerate(asked, start=1):
            begun = time.monotonic()
            native = request(prompt.text, max_tokens)
            asked_for = prompted.translate(native) if prompted else native
            answer = ask(served.port, body.render(asked_for))
            seconds = round(time.monotonic() - begun, 1)
            head = {"id": prompt.id, "model": served.model, "serve": serving}
            line = {**head, "prompt": prompt.text, "max_tokens": max_tokens, "seconds": seconds}
            file.write(json.dumps({**line, **answer}, ensure_ascii=False) + "\n")
            file.flush()
            print(f"{number}/{len(asked)} {prompt.id}: {seconds} s", flush=True)


def ask(port: int, body: bytes) -> JsonObject:
    """Send one request and return what came: `deltas`, `finish_reason`, `usage`, or `error`.

    Raises:
        QcodeError: the server is gone.
    """
    connection = http.client.HTTPConnection(server.HOST, port, timeout=SILENCE_S)
    out: JsonObject = {"deltas": [], "finish_reason": None}
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", body, headers)
        answer = connection.getresponse()
        if answer.status != 200:
            return {**out, "error": answer.read().decode(errors="replace")}
        for line in answer:
            name, _, data = line.partition(b":")
            # Lines without a name are comments: the server still reads the prompt.
            if name == b"data" and data.strip() != b"[DONE]":
                _take(json.loads(data), out)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise QcodeError(f"the model server stopped answering: {error}") from error
    finally:
        connection.close()
    return out


def _take(chunk: Any, out: JsonObject) -> None:
    if chunk.get("error"):
        out["error"] = json.dumps(chunk["error"], ensure_ascii=False)
    if chunk.get("usage"):
        out["usage"] = chunk["usage"]
    for choice in chunk.get("choices", [])[:1]:
        if choice.get("delta"):
            out["deltas"].append(choice["delta"])
        out["finish_reason"] = choice.get("finish_reason") or out["finish_reason"]


def load(file: Path) -> tuple[Reply, ...]:
    """Return the replies in a recording."""
    found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return tuple(
        Reply(
            one["id"],
            one["prompt"],
            tuple(one["deltas"]),
            one["finish_reason"],
            one.get("error", ""),
        )
        for one in found
    )
