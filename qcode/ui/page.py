"""A session's messages as one HTML page: nothing in it is run or loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from qcode.journal import Loaded
from qcode.messages import AssistantMessage, Message, ToolMessage, UserMessage
from qcode.ui.printable import printable
from qcode.ui.transcript import arguments, facts, title

_STYLE = (
    "body{max-width:60rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit;margin:.5rem 0}"
    "pre.code{font:.875rem/1.4 ui-monospace,monospace;background:#8881;padding:.75rem}"
    ".reasoning{opacity:.7;border-left:3px solid #8888;padding-left:.75rem}"
    "h2{font-size:1rem;margin:1.5rem 0 0}dt{float:left;clear:left;width:9rem}"
    ":root{color-scheme:light dark}"
)

_MAY_LOAD = "default-src 'none'; style-src 'unsafe-inline'"


def page(session: Loaded) -> str:
    """Return the transcript as a page."""
    name = _shown(title(session.messages) or session.id)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_MAY_LOAD}">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{name}</title>",
            f"<style>{_STYLE}</style>",
            f"<h1>{name}</h1>",
            "<dl>",
            *(f"<dt>{what}</dt><dd>{escape(value)}</dd>" for what, value in facts(session)),
            "</dl>",
            *(
                [f"<p>{session.damaged} damaged entries of the journal were left out.</p>"]
                if session.damaged
                else []
            ),
            *(line for message in session.messages for line in _message(message)),
            "</html>",
            "",
        ]
    )


def _message(message: Message) -> Iterator[str]:
    match message:
        case UserMessage(text, is_nudge):
            yield f"<h2>{'qcode' if is_nudge else 'Person'}</h2>"
            yield _block(text)
        case AssistantMessage():
            yield "<h2>Model</h2>"
            if message.reasoning.strip():
                yield _block(message.reasoning, "reasoning")
            if message.text.strip():
                yield _block(message.text)
            if message.interrupted:
                yield "<p><em>(interrupted)</em></p>"
            for call in message.tool_calls:
                yield f"<p><strong>{_shown(call.name)}</strong></p>"
                yield _block(arguments(call), "code")
        case ToolMessage():
            error = " (error)" if message.is_error else ""
            words = f"result of {_shown(message.name)}{error}"
            yield f"<details open><summary>{words}</summary>"
            yield f"{_block(message.text, 'code')}</details>"


def _block(text: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    # A newline right behind the tag would be swallowed.
    return f"<pre{attribute}>\n{_shown(text.strip(chr(10)))}</pre>"


def _shown(text: str) -> str:
    return escape(printable(text))
