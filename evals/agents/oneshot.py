"""The baseline: one request with all files, whole files back. What a loop has to beat."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import qcode
from qcode.errors import ToolError, UsageError
from qcode.evals.agents import Outcome, Work
from qcode.evals.agents.counting import Counting
from qcode.evals.agents.outside import WINDOW, price_of
from qcode.evals.harness.trial import Conduct
from qcode.markdown import fence_of, is_end_of
from qcode.prompts import load
from qcode.providers.connection import HttpError, parse_origin
from qcode.providers.http import HttpClient
from qcode.record import Record
from qcode.workspace import Workspace

NAME = "oneshot"

_CHARS_PER_TOKEN = 3
"""Of code, on the safe side."""
_MAX_FILE_BYTES = 1 << 20
_PATH = re.compile(r"[\w.][\w./ ()+@-]*")
_NAMED = re.compile(r"[\w./-]+")
_AROUND = " \t*`#:>"
"""What models put around a path."""


class Part(Record):
    """A file as the model wrote it; no path: it gave none."""

    path: str
    text: str


class Oneshot:
    """Asks once. It runs nothing, so that it can be of no harm but in the files it writes."""

    name = NAME
    keeps_requests = True

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def version(self) -> str:
        return qcode.__version__

    async def work(self, work: Work, environ: Mapping[str, str]) -> Outcome:
        """Ask the model, and write what it answers."""
        try:
            counting = Counting(
                work.endpoint,
                work.limits,
                work.artefacts,
                self._environ,
                price=price_of(work.endpoint),
            )
        except UsageError as error:
            return Outcome(None, "", error=str(error))
        began = time.monotonic()
        async with counting:
            try:
                async with asyncio.timeout(work.limits.time_s):
                    reply = await self._ask(work, counting.base_url, environ)
            except TimeoutError:
                spent = counting.tally.effort(time.monotonic() - began)
                return Outcome(None, "", "time limit", spent)
            except (HttpError, ValueError) as error:
                failure = counting.tally.failure
                spent = counting.tally.effort(time.monotonic() - began)
                why = f"the endpoint failed: {failure.problem}" if failure else ""
                return Outcome(1, "", str(error), spent, error=why)
            effort = counting.tally.effort(time.monotonic() - began)
        (work.artefacts / "agent.out").write_text(
            reply, encoding="utf-8", errors="backslashreplace"
        )
        parts = read_parts(reply)
        written = write_parts(work.folder, parts, _asked_for(work.prompt))
        conduct = Conduct(edits=len(parts), failed_edits=len(parts) - len(written))
        return Outcome(0, reply, "answered", effort, conduct)

    async def _ask(self, work: Work, base_url: str, environ: Mapping[str, str]) -> str:
        window = work.endpoint.context_window or WINDOW
        answer_tokens = min(8192, window // 2)
        room = max(0, window - answer_tokens - len(work.prompt) // 2 - 500) * _CHARS_PER_TOKEN
        named = set(_names(work.prompt))
        files = await asyncio.to_thread(read_files, work.folder, named, room, environ)
        body = {
            "model": work.endpoint.model,
            "max_tokens": answer_tokens,
            "messages": [
                {"role": "system", "content": load("oneshot/system")},
                {"role": "user", "content": _message(work.prompt, files)},
            ],
        }
        client = HttpClient(parse_origin(base_url), connect_timeout_s=10.0, environ={})
        kind = [("Content-Type", "application/json")]
        exchange = await client.start("POST", "/chat/completions", kind, json.dumps(body).encode())
        reply = bytearray()
        try:
            while (data := await exchange.receive(work.limits.time_s)) is not None:
                reply += data
        finally:
            exchange.close()
            await client.close()
        head = exchange.head
        if head is None or head.status != 200:
            raise ValueError(f"status {head.status if head else 0}: {_words(bytes(reply))}")
        return _content(json.loads(bytes(reply)))


def _names(text: str) -> Iterator[str]:
    """Yield what looks like a file in a text: it ends in a dot and a word."""
    for found in _NAMED.findall(text):
        stem, dot, _ = found.rstrip("./-").rpartition(".")
        if stem and dot:
            yield found.rstrip("./-")


def read_files(
    folder: Path, named: Iterable[str], room: int, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return texts by path, as many as fit into `room` characters; those that are named first.

    They are those that git knows or does not ignore; links and what is no UTF-8 are left out.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=folder,
        env={"PATH": environ.get("PATH", ""), "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nowhere"},
        capture_output=True,
    )
    if listed.returncode == 0:
        paths = [name for name in listed.stdout.decode(errors="replace").split("\0") if name]
    else:  # no repository
        paths = [one.relative_to(folder).as_posix() for one in folder.rglob("*")]
    wanted = set(named)
    paths = sorted(set(paths), key=lambda path: (path not in wanted, path))
    texts: dict[str, str] = {}
    for path in paths:
        file = folder / path
        try:
            if file.is_symlink() or not file.is_file() or file.stat().st_size > _MAX_FILE_BYTES:
                continue
            # Bytes, because universal newlines would hide which ones the file has.
            text = file.read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            continue
        if (room := room - len(text) - len(path) - 10) < 0:
            break
        texts[path] = text
    return texts


def read_parts(reply: str) -> list[Part]:
    """Return the files in an answer, with the path that stands before each fence."""
    parts: list[Part] = []
    fence, path, before = "", "", ""
    inside: list[str] = []
    for line in reply.splitlines(keepends=True):
        bare = line.rstrip("\r\n")
        if not fence:
            if fence := fence_of(bare):
                path, inside = _path(before), []
            elif bare.strip():
                before = bare
        elif is_end_of(fence, bare):
            parts.append(Part(path, "".join(inside)))
            fence = before = ""
        else:
            inside.append(line)
    return parts  # an open fence is a file that was cut off, and worse than none


def write_parts(folder: Path, parts: Sequence[Part], asked: Sequence[str]) -> list[str]:
    """Write the files, and return their paths; none outside of the folder, none of git's.

    A single one without a path goes to the single file that the task asks for: small models
    forget to say it.
    """
    workspace = Workspace.at(folder)
    written: list[str] = []
    for part in parts:
        path = part.path
        if not path and len(parts) == 1 and len(asked) == 1:
            path = asked[0]
        try:
            if not path or workspace.guards(path):
                continue
            target = workspace.resolve(path)
            if not workspace.contains(target) or target.is_dir():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(part.text.encode(errors="replace"))
        except (OSError, ToolError):
            continue
        written.append(path)
    return written


def _message(prompt: str, files: Mapping[str, str]) -> str:
    fence = _fence(files.values())
    shown = "\n\n".join(
        f"{path}\n{fence}\n{text}{'' if text.endswith(chr(10)) else chr(10)}{fence}"
        for path, text in files.items()
    )
    # Small models copy the path of an example, so it is one that the task names, if it does.
    example = next(iter(_asked_for(prompt)), "path/of/the/file")
    return load("oneshot/task", fence=fence, example=example, prompt=prompt, files=shown)


def _fence(texts: Iterable[str]) -> str:
    """Return a fence that is longer than any in the texts."""
    longest = max((len(run) for text in texts for run in re.findall("`{3,}", text)), default=2)
    return "`" * (longest + 1)


def _asked_for(prompt: str) -> list[str]:
    """Return the files that a task names, in order, tests left out."""
    named = dict.fromkeys(name.strip(".") for name in _names(prompt))
    return [name for name in named if not PurePosixPath(name).name.startswith("test_")]


def _path(line: str) -> str:
    bare = line.strip(_AROUND)
    is_path = _PATH.fullmatch(bare) and ("." in bare or "/" in bare or bare.isalnum())
    return bare if is_path and len(bare.split()) < 4 else ""


def _content(answer: Any) -> str:
    """Return the words of a chat answer.

    Raises:
        ValueError: it is none.
    """
    try:
        return str(answer["choices"][0]["message"]["content"] or "")
    except (LookupError, TypeError):
        raise ValueError("what it answered is no chat answer") from None


def _words(reply: bytes) -> str:
    try:
        return str(json.loads(reply)["error"]["message"])[:200]
    except (ValueError, LookupError, TypeError):
        return reply[:200].decode(errors="replace")
