"""What is shown of a tool call, a list of things to do, and a model's reasoning: pure.

Each function returns lines of runs; all text in them is printable, and none is wider than the
columns it is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import islice

from qcode.events import ToolFinished
from qcode.messages import ToolCall
from qcode.ui.printable import fit, one_line, printable
from qcode.ui.runs import Line, expanded, length
from qcode.ui.theme import Theme

TODOS = 30
"""Of a list that are shown."""
REASONING_CHARACTERS = 200_000
"""Of what a model thinks that are kept to be shown on request: its end."""
_KEPT_AT_LEAST_S = 1.0
"""A call that takes less does not say how long it took."""

_STATES = {"completed": "done", "in_progress": "doing", "pending": "todo"}
_STYLES = {"done": "dim", "doing": "strong accent", "todo": ""}


def file_of(call: ToolCall) -> str:
    """Return the file that a call names, as it is shown; nothing if it names none."""
    try:
        given = json.loads(call.arguments)
    except ValueError:
        return ""
    name = given.get("file_path") if isinstance(given, dict) else None
    return name if isinstance(name, str) and name == one_line(name, len(name) * 2) else ""


def started(call: ToolCall, summary: str, theme: Theme, columns: int) -> Line:
    """Return the line that a call begins with: `● edit src/app.py`."""
    mark = theme.mark("start")
    rest = one_line(f"{call.name} {summary}", columns - length([(f"{mark} ", "")]))
    name = one_line(call.name, columns)
    if not rest.startswith(name):
        name = ""
    return _cut([(f"{mark} ", "accent"), (name, "strong"), (rest[len(name) :], "")], columns)


def finished(
    event: ToolFinished, theme: Theme, columns: int, *, step: int = 0, whose: str | None = None
) -> Line:
    """Return the line that a call ends with: `  ✓ 3 lines changed (2.0 s) · step 4`.

    `step` is the number by which what it changed can be taken back; `whose` is what the call
    was about, where it may be taken for the end of another one.
    """
    result = event.result
    summary = event.summary or result.text.strip().split("\n", 1)[0]
    if whose is not None:
        summary = f"{result.name} {whose}: {summary}"
    after = f" ({event.duration_s:.1f} s)" if event.duration_s >= _KEPT_AT_LEAST_S else ""
    if step:
        after += f" · step {step}"
    mark = theme.mark("error" if result.is_error else "ok")
    prefix = f"  {mark} "
    # How it went may be long; what stands behind it is told all the same.
    said = one_line(summary, max(columns - len(prefix) - len(after), 1))
    if result.is_error:
        return _cut([(f"{prefix}{said}{after}", "error")], columns)
    return _cut([(prefix, "ok"), (said, ""), (after, "dim")], columns)


def more(count: int, pointer: str = "") -> str:
    """Return what says that lines are left out, and where they are to be seen."""
    where = f" ({pointer})" if pointer else ""
    return f"… {count:,} more line{'s' * (count != 1)}{where}"


def output_line(line: str, theme: Theme, columns: int) -> Line:
    """Return a line that a command printed; it is plain already."""
    bar = theme.mark("output")
    return [(fit(f"  {bar} {expanded(line)}" if bar else f"  {expanded(line)}", columns), "dim")]


def output(
    text: str, theme: Theme, columns: int, *, head: int = 5, tail: int = 5, pointer: str = ""
) -> list[Line]:
    """Return the beginning and the end of what a command printed.

    `pointer` says where the whole is to be seen.
    """
    every = printable(text).rstrip("\n").split("\n") if text.strip() else []
    if len(every) <= head + tail + 1:  # saying that one line is left out takes a line, too
        return [output_line(line, theme, columns) for line in every]
    left_out = more(len(every) - head - tail, pointer)
    last = every[-tail:] if tail else []
    return [output_line(line, theme, columns) for line in (*every[:head], left_out, *last)]


def todos(arguments: str, theme: Theme, columns: int) -> list[Line]:
    """Return the list that a call of `todo_write` is about; empty if it is none."""
    try:
        given = json.loads(arguments)
    except ValueError:
        return []
    every = given.get("todos") if isinstance(given, dict) else None
    if not isinstance(every, list):
        return []
    lines: list[Line] = []
    for entry in islice(every, TODOS):
        if not isinstance(entry, dict):
            return []
        state = _STATES.get(str(entry.get("status")), "todo")
        mark = f"    {theme.mark(state)} "
        content = one_line(str(entry.get("content", "")), max(columns - len(mark), 1))
        lines.append(_cut([(mark, _STYLES[state] or "bullet"), (content, _STYLES[state])], columns))
    if len(every) > TODOS:
        lines.append([(fit(f"    … {len(every) - TODOS:,} more", columns), "dim")])
    return lines


class Reasoning:
    """What a model thought in one go: counted whole, kept up to a bound."""

    def __init__(self) -> None:
        self.words = 0
        self._pieces: list[str] = []
        self._size = 0
        self._in_word = False

    def add(self, safe: str) -> None:
        """Take a printable piece."""
        if not safe:
            return
        words = len(safe.split())
        joined = words and self._in_word and not safe[0].isspace()
        self.words += words - bool(joined)
        self._in_word = not safe[-1].isspace()
        self._pieces.append(safe)
        self._size += len(safe)
        if self._size > 2 * REASONING_CHARACTERS:
            self._pieces = [self.text]
            self._size = len(self._pieces[0])

    @property
    def text(self) -> str:
        """What is kept of it; an ellipsis stands for the beginning if that is not."""
        whole = "".join(self._pieces)
        if len(whole) <= REASONING_CHARACTERS:
            return whole
        return f"…{whole[1 - REASONING_CHARACTERS :]}"

    def end(self, characters: int) -> str:
        """Return the last characters in one line."""
        pieces: list[str] = []
        size = 0
        for piece in reversed(self._pieces):
            pieces.append(piece)
            size += len(piece)
            if size >= characters:
                break
        return " ".join("".join(reversed(pieces))[-characters:].split())


def thought(
    reasoning: Reasoning, seconds: float, theme: Theme, columns: int, *, pointer: str = ""
) -> Line:
    """Return the line that reasoning is folded to: `∴ thought for 3.2 s, 120 words`."""
    count = f"{reasoning.words:,} word{'s' * (reasoning.words != 1)}"
    where = f" ({pointer})" if pointer else ""
    text = f"{theme.mark('thought')} thought for {seconds:.1f} s, {count}{where}"
    return [(fit(text, columns), "dim")]


def _cut(runs: Sequence[tuple[str, str]] | Iterable[tuple[str, str]], columns: int) -> Line:
    line: Line = []
    left = columns
    for text, style in runs:
        shown = fit(text, left) if left > 0 else ""
        if shown:
            line.append((shown, style))
        left -= length([(shown, style)])
        if shown != text:
            break
    return line
