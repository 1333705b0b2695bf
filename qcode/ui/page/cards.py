"""Tool calls as cards: what was called with what, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from qcode.messages import ToolCall, ToolMessage
from qcode.ui.page.code import Colours, between, difference, is_difference, is_numbered
from qcode.ui.printable import printable

OPEN_LINES = 14
OPEN_CHARS = 1_500
"""Results that are longer are folded."""
SHORT_CHARS = 240
"""Of an argument that stands in one line with its name."""
_FILES = ("file_path", "path", "notebook_path", "directory")
_BEFORE, _AFTER = ("old_string", "old_str"), ("new_string", "new_str")


def card(call: ToolCall | None, result: ToolMessage | None, colours: Colours) -> Iterator[str]:
    """Yield a call and its result; one of both may be missing."""
    given = _object(call.arguments) if call else None
    failed = result is not None and result.is_error
    name = call.name if call else result.name if result else ""
    mark = " " if result is None else "✗" if failed else "✓"
    said = "failed" if failed else "done" if result else "without a result"
    yield f'<section class="call{" bad" if failed else ""}"><header>'
    yield f'<span class="mark" title="{said}">{mark}</span> <b>{_shown(_line(name))}</b>'
    head = _head(given)
    if head:
        yield f"<code>{_shown(_line(str((given or {})[head])))}</code>"
    if failed:
        yield '<span class="bad-note">error</span>'
    yield "</header>"
    if call is not None:
        if given is not None:
            yield from _arguments({k: v for k, v in given.items() if k != head}, given, colours)
        elif call.arguments.strip():
            yield f'<div class="long"><pre class="words">{_shown(call.arguments)}</pre></div>'
    if result is not None:
        yield from _result(result, _file(given), colours)
    yield "</section>"


def _object(arguments: str) -> dict[str, Any] | None:
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _file(given: Mapping[str, Any] | None) -> str:
    value = (given or {}).get("file_path")
    return value if isinstance(value, str) else ""


def _head(given: Mapping[str, Any] | None) -> str:
    """Return the argument that tells most, if it is short."""
    for name in ("command", "pattern", "query", "name", *_FILES):
        value = (given or {}).get(name)
        if isinstance(value, str) and 0 < len(value) <= 100 and "\n" not in value:
            return name
    return ""


def _arguments(
    given: Mapping[str, Any], every: Mapping[str, Any], colours: Colours
) -> Iterator[str]:
    short, long = [], []
    edits = [*_edits(every)]
    shown_as_edit = {*_BEFORE, *_AFTER, "edits"} if edits else set()
    for name, value in given.items():
        if name in shown_as_edit:
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if len(text) <= SHORT_CHARS and "\n" not in text.strip("\n"):
            short.append(f"<dt>{_shown(_line(name))}</dt><dd>{_shown(text)}</dd>")
        else:
            long.append((name, value if isinstance(value, str) else None, value))
    if short:
        yield f"<dl>{''.join(short)}</dl>"
    for name, text_value, value in long:
        text = json.dumps(value, ensure_ascii=False, indent=2) if text_value is None else text_value
        yield f'<div class="long">{_shown(_line(name))}'
        yield f"<pre>{_code(text, name, _file(every), colours)}</pre></div>"
    for label, lines in edits:
        body = difference(printable(lines))
        yield f'<div class="long">{_shown(_line(label))}<pre>{body}</pre></div>'


def _edits(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the edits of a call, each as its label and the lines of a patch."""
    several = given.get("edits")
    edits = several if isinstance(several, list) else [given]
    for number, edit in enumerate(edits, start=1):
        if not isinstance(edit, dict):
            return
        old = next((edit[name] for name in _BEFORE if name in edit), None)
        new = next((edit[name] for name in _AFTER if name in edit), None)
        if not isinstance(old, str) or not isinstance(new, str):
            return
        where = edit.get("file_path")
        label = f"edit {number}" if several else ""
        if several and isinstance(where, str):
            label += f" · {where}"
        yield label, between(old, new)


def _code(text: str, name: str, file: str, colours: Colours) -> str:
    safe = printable(text.strip("\n"))
    if is_difference(safe):
        return difference(safe)
    if name == "command":
        return colours.code(safe, "bash")
    if name in ("content", "new_source", "new_content"):
        return colours.code(safe, file=file)
    return escape(safe)


def _result(result: ToolMessage, file: str, colours: Colours) -> Iterator[str]:
    text = printable(result.text.strip("\n"))
    if not text.strip():
        yield "<details><summary>no output</summary></details>"
        return
    lines = text.count("\n") + 1
    is_open = lines <= OPEN_LINES and len(text) <= OPEN_CHARS
    label = "result" if is_open else f"result · {lines:,} lines · {len(text):,} characters"
    if is_difference(text):
        body = difference(text)
    elif file and is_numbered(text):
        body = colours.numbered(text, file)
    else:
        body = escape(text)
    yield f"<details{' open' if is_open else ''}><summary>{label}</summary>"
    yield f'<pre tabindex="0">{body}</pre></details>'


def _line(text: str) -> str:
    return " ".join(text.split())


def _shown(text: str) -> str:
    return escape(printable(text))
