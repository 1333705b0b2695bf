"""Changing one key of a person's TOML file, and leaving the rest of it as it stands.

Comments, order and line ends stay. The file is replaced as a whole or not at all.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from qcode.errors import UsageError
from qcode.files_safe import read_small

_STRING = re.compile(
    r"\"\"\"(?:[^\"\\]|\\.|\"(?!\"\"))*\"{3,5}|'''(?:[^']|'(?!''))*'{3,5}"
    r"|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'",
    re.DOTALL,
)
_KEY = re.compile(r"[ \t]*(?:([A-Za-z0-9_-]+)|\"([^\"\\\n]*)\"|'([^'\n]*)')[ \t]*(\.|=)[ \t]*")


class _Statement(NamedTuple):
    """A key at the top of a file."""

    key: str
    is_dotted: bool
    """`key.more = …`, which is a part of a table."""
    begin: int
    """Of its value."""
    end: int
    """Where its value ends; a comment may follow."""


def change(file: Path, key: str, value: Any) -> None:
    """Set a key in a file, which is made if there is none.

    Raises:
        UsageError: the file cannot be read or written, or the key stands there in a form that
            is not changed by rule.
    """
    rewrite(file, key, lambda text: changed(text, key, value))


def change_table(file: Path, key: str, name: str, values: Mapping[str, Any] | None) -> None:
    """Set `[key.name]` in a file to these values, or remove it.

    Raises:
        UsageError: as for `change`.
    """
    rewrite(file, f"{key}.{name}", lambda text: changed_table(text, key, name, values))


def rewrite(file: Path, key: str, new: Callable[[str], str]) -> None:
    """Have a file hold what `new` makes of its text; nothing is lost if it raises ValueError.

    Raises:
        UsageError: as for `change`; `key` says what was to be set.
    """
    import fcntl

    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A link stays one: people keep such files elsewhere.
        real = Path(os.path.realpath(file))
        lock = os.open(real.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                data, mode = read_small(real), real.stat().st_mode & 0o777
            except FileNotFoundError:
                data, mode = b"", 0o600
            text = data.decode("utf-8")
            _replace(real, new(text), mode)
        finally:
            os.close(lock)
    except UnicodeDecodeError as error:
        raise UsageError(f"`{file}` is not UTF-8", hint="mend it by hand") from error
    except ValueError as error:
        raise UsageError(f"`{key}` cannot be set in `{file}`: {error}", hint="by hand") from error
    except OSError as error:
        raise UsageError(f"cannot change `{file}`: {error.strerror}") from error


def changed(text: str, key: str, value: Any) -> str:
    """Return the text of a file with a key set; pure.

    Raises:
        ValueError: it is no TOML, or the key is a table that is written in parts.
    """
    import tomllib

    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    before = tomllib.loads(body)
    new = _set(body, key, written(value))
    if tomllib.loads(new) != {**before, key: value}:
        raise ValueError("it is written in a way that only you can change")
    return mark + new


def extended(text: str, key: str, items: Sequence[Any]) -> str:
    """Return the text of a file with some more items in a list, its comments kept; pure.

    Raises:
        ValueError: as for `changed`, or the key holds no list.
    """
    import tomllib

    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    before = tomllib.loads(body)
    if key not in before:
        return changed(text, key, items)
    if not isinstance(before[key], list):
        raise ValueError("it is no list")
    statements = (one for one in _statements(body) if one.key == key and not one.is_dotted)
    if (place := next(statements, None)) is None:
        raise ValueError("it is written in a way that only you can change")
    new = body[: place.begin] + _joined(body[place.begin : place.end], items) + body[place.end :]
    if tomllib.loads(new) != {**before, key: [*before[key], *items]}:
        raise ValueError("it is written in a way that only you can change")
    return mark + new


def _joined(value: str, items: Sequence[Any]) -> str:
    """Return a list as it is written, with some more items behind the last one."""
    inner = value[:-1]
    end = _last(inner)
    head, tail = inner[:end], inner[end:]
    comma = "" if head[-1] in "[," else ","
    if "\n" not in tail:
        gap = "" if head == "[" else " "
        return f"{head}{comma}{gap}{', '.join(map(written, items))}{tail.rstrip()}]"
    line_end = "\r\n" if "\r\n" in tail else "\n"
    # Behind the comment that the last item may have on its line.
    at = tail.rfind("\n") + 1
    rows = "".join(f"  {written(item)},{line_end}" for item in items)
    return f"{head}{comma}{tail[:at]}{rows}{tail[at:]}]"


def _last(text: str) -> int:
    """Return where the last thing of a text ends that is neither space nor comment."""
    at = end = 0
    while at < len(text):
        if string := _STRING.match(text, at):
            at = end = string.end()
        elif text[at] == "#":
            at = _line_end(text, at)
        else:
            at += 1
            end = end if text[at - 1] in " \t\r\n" else at
    return end


def without(text: str, key: str) -> str:
    """Return the text of a file without the line of a key; pure.

    Raises:
        ValueError: it is no TOML, or the key is a table that is written in parts.
    """
    import tomllib

    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    before = tomllib.loads(body)
    new, begin = body, 0
    for statement in _statements(body):
        if statement.key == key and not statement.is_dotted:
            begin = body.rfind("\n", 0, statement.begin) + 1
            new = body[:begin] + body[_line_end(body, statement.end) :]
            break
    if tomllib.loads(new) != {name: value for name, value in before.items() if name != key}:
        raise ValueError("it is written in a way that only you can change")
    return mark + new


def with_entry(text: str, key: str, name: str, values: Mapping[str, Any]) -> str:
    """Return the text of a file with one more `[[key.name]]` at its end; pure.

    Raises:
        ValueError: it is no TOML, or `key.name` is written in a way that takes no more.
    """
    import tomllib

    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    before = tomllib.loads(body)
    table = before.get(key, {})
    present = table.get(name, []) if isinstance(table, dict) else None
    line_end = "\r\n" if "\r\n" in body else "\n"
    lead = "" if not body or body.endswith("\n") else line_end
    gap = line_end if body.strip() else ""
    rows = [f"[[{_bare(key)}.{_bare(name)}]]"]
    rows += [f"{_bare(one)} = {written(value)}" for one, value in values.items()]
    new = body + lead + gap + "".join(f"{row}{line_end}" for row in rows)
    try:
        known = tomllib.loads(new)
    except tomllib.TOMLDecodeError:
        known = {}
    if not isinstance(present, list) or known != {
        **before,
        key: {**table, name: [*present, dict(values)]},
    }:
        raise ValueError("it is written in a way that only you can change")
    return mark + new


def changed_table(text: str, key: str, name: str, values: Mapping[str, Any] | None) -> str:
    """Return the text of a file with `[key.name]` set to these values, or without it; pure.

    Raises:
        ValueError: it is no TOML, or the table is written in a way that is not changed by rule.
    """
    import tomllib

    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    before = tomllib.loads(body)
    wanted = {**before, key: {**before.get(key, {})}}
    wanted[key].pop(name, None)
    new = _without_table(body, key, name)
    if values is not None:
        wanted[key][name] = dict(values)
        line_end = "\r\n" if "\r\n" in body else "\n"
        rows = [f"[{_bare(key)}.{_bare(name)}]"]
        rows += [f"{_bare(one)} = {written(value)}" for one, value in values.items()]
        lead = "" if not new or new.endswith("\n") else line_end
        gap = line_end if new.strip() and not new.endswith(2 * line_end) else ""
        new = new + lead + gap + "".join(f"{row}{line_end}" for row in rows)
    known = tomllib.loads(new)
    if {**known, key: known.get(key, {})} != wanted:
        raise ValueError("it is written in a way that only you can change")
    return mark + new


def _without_table(text: str, key: str, name: str) -> str:
    """Return the text without the lines of a table and of those in it.

    What stands between its last line and the next table is about that one, and stays.
    """

    def word(one: str) -> str:
        forms = "|".join((re.escape(one), re.escape(string(one)), re.escape(f"'{one}'")))
        return f"(?:{forms})"

    head = rf"[ \t]*\[[ \t]*{word(key)}[ \t]*\.[ \t]*{word(name)}[ \t]*(?:\.[^\]\n]*)?\]"
    kept: list[str] = []
    behind: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        if re.match(r"[ \t]*\[", line):
            kept += behind
            behind = []
            inside = re.match(head, line) is not None
        if not inside:
            kept.append(line)
        elif re.match(r"[ \t]*(#|\r?\n)", line):
            # One blank line before the table is enough of a gap behind it, too.
            behind += [line] if line.strip() or not _ends_blank(kept + behind) else []
        else:
            behind = []
    return "".join(kept + behind)


def _ends_blank(lines: list[str]) -> bool:
    return not lines or not lines[-1].strip()


def _bare(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else string(key)


def _set(text: str, key: str, value: str) -> str:
    line_end = "\r\n" if "\r\n" in text else "\n"
    last = 0
    for statement in _statements(text):
        if statement.key == key and not statement.is_dotted:
            return text[: statement.begin] + value + text[statement.end :]
        last = _line_end(text, statement.end)
    line = f"{key} = {value}{line_end}"
    if last:
        lead = "" if text[:last].endswith("\n") else line_end
        return text[:last] + lead + line + text[last:]
    table = re.search(r"^[ \t]*\[", text, re.MULTILINE)
    at = table.start() if table else len(text)
    lead = line_end if text[:at] and not text[:at].endswith("\n") else ""
    return text[:at] + lead + line + (line_end if table else "") + text[at:]


def _statements(text: str) -> Iterator[_Statement]:
    """Yield the keys that stand before the first table."""
    at = 0
    while at < len(text):
        if text[at] in " \t\r\n":
            at += 1
        elif text[at] == "#":
            at = _line_end(text, at)
        elif found := _KEY.match(text, at):
            begin = found.end()
            if is_dotted := found[4] == ".":
                while (more := _KEY.match(text, begin)) is not None:
                    begin = more.end()
                    if more[4] == "=":
                        break
            end = _value_end(text, begin)
            yield _Statement(found[1] or found[2] or found[3] or "", is_dotted, begin, end)
            at = end
        else:
            return


def _value_end(text: str, at: int) -> int:
    """Return where a value ends: before a comment or line end that is in no bracket."""
    depth, end = 0, at
    while at < len(text):
        char = text[at]
        if string := _STRING.match(text, at):
            at = end = string.end()
            continue
        if char == "#":
            if not depth:
                break
            at = _line_end(text, at)
            continue
        if char == "\n" and not depth:
            break
        depth += (char in "[{") - (char in "]}")
        at += 1
        if char not in " \t\r\n":
            end = at
    return end


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def written(value: Any) -> str:
    """Return a value as TOML writes it, on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return string(value)
        case list() | tuple():
            return f"[{', '.join(map(written, value))}]"
        case Mapping():
            return f"{{ {', '.join(f'{string(k)} = {written(v)}' for k, v in value.items())} }}"
        case _:
            raise ValueError(f"TOML has no {type(value).__name__}")


def string(text: str) -> str:
    """Return a string as TOML writes it."""
    # As JSON writes it, but for DEL and for halves of surrogate pairs, which TOML does not take.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return re.sub("\x7f", r"\\u007f", json.dumps(text, ensure_ascii=False))


def _replace(file: Path, text: str, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as new:
            os.fchmod(descriptor, mode)
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise
