"""A session's messages as one HTML page: nothing in it is run or loaded from anywhere."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from html import escape

from qcode.conversation import is_said
from qcode.journal.loading import Loaded
from qcode.messages import AssistantMessage, Image, Message, ToolMessage, UserMessage
from qcode.noted import Noted
from qcode.ui.page.cards import card
from qcode.ui.page.code import Colours
from qcode.ui.page.prose import Prose
from qcode.ui.page.style import STYLE
from qcode.ui.printable import one_line, printable
from qcode.ui.transcript import facts, spent, title

_MAY_LOAD = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif")
IMAGE_CHARS = 12_000_000
"""Of one picture's Base64; larger ones are named only."""
CONTENTS = 3
"""From so many messages of a person on, the page begins with a list of them."""


def page(session: Loaded) -> str:
    """Return the transcript as a page."""
    return "\n".join([*_Page(session).lines(), ""])


class _Page:
    def __init__(self, session: Loaded) -> None:
        self._session = session
        self._colours = Colours()
        self._prose = Prose(self._colours)
        self._model = ""
        self._number = 0
        """Of the person's message that was shown last."""

    def lines(self) -> Iterator[str]:
        session = self._session
        name = _shown(session.title or title(session.conversation.from_the_start()) or session.id)
        yield "<!doctype html>"
        yield '<html lang="en">'
        yield '<head><meta charset="utf-8">'
        yield f'<meta http-equiv="Content-Security-Policy" content="{_MAY_LOAD}">'
        yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
        yield '<meta name="referrer" content="no-referrer">'
        yield f"<title>{name}</title>"
        yield f"<style>{STYLE}</style></head>"
        yield f"<body><h1>{name}</h1>"
        yield '<dl class="facts">'
        for what, value in facts(session):
            yield f"<dt>{what}</dt><dd>{escape(value)}</dd>"
        yield "</dl>"
        if session.damaged:
            yield (
                f'<p class="note">{session.damaged} damaged entries of the journal '
                "were left out.</p>"
            )
        yield from self._contents()
        yield "<main>"
        conversation = session.conversation
        if conversation.forgotten:
            yield '<div class="old">'
            yield from self._messages(conversation.forgotten)
            yield "</div>"
            count = len(conversation.forgotten)
            yield (
                f'<div class="aside">The {count:,} messages above were forgotten: '
                "the conversation began anew here.</div>"
            )
        aside = [*conversation.archived]
        if aside:
            yield '<div class="old">'
            yield from self._messages(aside)
            yield "</div>"
            yield from _boundary(len(aside), conversation.items)
        live = conversation.items
        yield from self._messages(live[1:] if aside and _is_summary(live) else live)
        yield "</main></body></html>"

    def _contents(self) -> Iterator[str]:
        said = [each for each in self._session.conversation.from_the_start() if is_said(each)]
        if len(said) < CONTENTS:
            return
        yield f"<nav><details><summary>{len(said):,} messages of the person</summary><ol>"
        for number, message in enumerate(said, start=1):
            words = escape(one_line(message.text[:400], 100)) or "(no words)"
            yield f'<li><a href="#p{number}">{words}</a></li>'
        yield "</ol></details></nav>"

    def _messages(self, messages: Sequence[Message]) -> Iterator[str]:
        at = 0
        while at < len(messages):
            message = messages[at]
            at += 1
            results: list[ToolMessage] = []
            if isinstance(message, AssistantMessage):
                while at < len(messages) and isinstance(each := messages[at], ToolMessage):
                    results.append(each)
                    at += 1
            yield from self._message(message, results)

    def _message(self, message: Message, results: Sequence[ToolMessage]) -> Iterator[str]:
        noted = self._session.notes.of(message)
        match message:
            case UserMessage():
                yield from self._user(message, noted)
            case AssistantMessage():
                yield '<article class="model"><header>'
                yield f"<h2>{self._who(noted)}</h2>{_time(noted)}"
                if noted.usage is not None:
                    yield f'<span class="cost">{escape(spent(noted.usage))}</span>'
                yield "</header>"
                if message.reasoning.strip():
                    words = _shown(message.reasoning.strip())
                    yield '<details class="thought"><summary>reasoning</summary>'
                    yield f'<p class="words">{words}</p></details>'
                if message.text.strip():
                    yield f'<div class="prose">{self._prose.html(_text(message.text))}</div>'
                if message.interrupted:
                    yield '<p class="note"><em>(interrupted)</em></p>'
                yield from self._calls(message, results)
                yield "</article>"
            case ToolMessage():
                yield "<article>"
                yield from card(None, message, self._colours)
                yield "</article>"

    def _user(self, message: UserMessage, noted: Noted) -> Iterator[str]:
        if is_said(message):
            self._number += 1
            yield f'<article class="person" id="p{self._number}"><header><h2>Person</h2>'
            link = f'<a class="at" href="#p{self._number}">{self._number}</a>'
        else:
            yield '<article class="qcode"><header><h2>qcode</h2>'
            link = ""
        yield f"{_time(noted)}{link}</header>"
        yield f'<div class="words">{_shown(message.text.strip(chr(10)))}</div>'
        for image in message.images:
            yield _picture(image)
        yield "</article>"

    def _calls(self, message: AssistantMessage, results: Sequence[ToolMessage]) -> Iterator[str]:
        answers = {result.call_id: result for result in reversed(results)}
        for call in message.tool_calls:
            yield from card(call, answers.pop(call.id, None), self._colours)
        for result in answers.values():
            yield from card(None, result, self._colours)

    def _who(self, noted: Noted) -> str:
        """Return who answers; by name where it is another model than before."""
        if not noted.model or noted.model == self._model:
            return "Model"
        self._model = noted.model
        return f"Model · {_shown(one_line(noted.model, 80))}"


def _boundary(count: int, live: Sequence[Message]) -> Iterator[str]:
    yield '<div class="aside">'
    yield f"The {count:,} messages above were put aside to make room in the model's window."
    if _is_summary(live) and isinstance(live[0], UserMessage):
        yield "<details><summary>what the model is told of them instead</summary>"
        yield f'<pre class="words">{_shown(live[0].told.strip(chr(10)))}</pre></details>'
    yield "</div>"


def _is_summary(messages: Sequence[Message]) -> bool:
    first = messages[0] if messages else None
    return isinstance(first, UserMessage) and first.is_summary


def _picture(image: Image) -> str:
    """Return a picture, or its name if it is too large or none."""
    name = _shown(one_line(image.name, 200)) or "picture"
    data = image.data
    is_whole = len(data) <= IMAGE_CHARS and re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", data)
    if image.media_type not in _PICTURES or not is_whole or not _decodes(data):
        return f'<p class="note">(picture: {name})</p>'
    return (
        f'<figure><img src="data:{image.media_type};base64,{data}" alt="{name}">'
        f"<figcaption>{name}</figcaption></figure>"
    )


def _decodes(data: str) -> bool:
    try:
        base64.b64decode(data, validate=True)
    except ValueError:
        return False
    return True


def _time(noted: Noted) -> str:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", noted.at):
        return ""
    return f'<time datetime="{noted.at}">{noted.at[:10]} {noted.at[11:19]} UTC</time>'


def _text(text: str) -> str:
    return printable(text.strip("\n"))


def _shown(text: str) -> str:
    return escape(printable(text))
