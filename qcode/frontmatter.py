"""Markdown with YAML front matter, as skills, commands and subagents are written."""

from __future__ import annotations

import re
from typing import Any

from qcode.errors import QcodeError
from qcode.record import Record

_FENCED = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)(?:^|\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
LONGEST = 64 * 1024
"""Characters of front matter; what is longer is none."""


class Document(Record):
    """A Markdown file in its two parts."""

    fields: dict[str, Any]
    """The front matter, its keys as they are written; empty: there is none."""
    body: str

    def text(self, *names: str) -> str:
        """Return the first of these fields that is given, as one line; else nothing."""
        for name in names:
            value = self.fields.get(name)
            if value is not None and not isinstance(value, (dict, list)):
                return " ".join(_plain(value).split())
        return ""

    def listed(self, *names: str) -> tuple[str, ...] | None:
        """Return the first of these fields that is given as words: a list, or one with commas.

        Commas in brackets part nothing: `Bash(git log:*, git diff:*), Read` has two. None: none
        of them is given.
        """
        for name in names:
            value = self.fields.get(name)
            if isinstance(value, list):
                return tuple(_plain(item).strip() for item in value if item is not None)
            if value is not None and not isinstance(value, dict):
                words = re.split(r",(?![^(]*\))", _plain(value))
                return tuple(filter(None, (word.strip() for word in words)))
        return None


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def split(text: str) -> Document:
    """Return the parts of a file.

    A line `key: value` whose value YAML cannot read (`description: does this: that`), which
    other tools let pass, is taken as it stands.

    Raises:
        QcodeError: there is front matter, and it cannot be read at all.
    """
    found = _FENCED.match(text)
    if found is None:
        return Document({}, text.removeprefix("\ufeff"))
    head = found.group(1)
    if len(head) > LONGEST:
        raise QcodeError(f"its front matter is longer than {LONGEST:,} characters")
    return Document(_fields(head), text[found.end() :])


def _fields(head: str) -> dict[str, Any]:
    if (simple := _simple(head)) is not None:
        return simple
    import yaml

    try:
        read = _read(head)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        plain = _mended(head) or _line_by_line(head)
        if plain is None:
            mark = getattr(error, "problem_mark", None)
            where = f", line {mark.line + 2}" if mark is not None else ""
            problem = getattr(error, "problem", None) or type(error).__name__
            raise QcodeError(f"its front matter is no YAML{where}: {problem}") from error
        return plain
    if read is None:
        return {}
    if not isinstance(read, dict):
        raise QcodeError("its front matter is no YAML mapping of names to values")
    return {str(key): value for key, value in read.items()}


_SIMPLE = re.compile(r"([A-Za-z][\w-]*):[ \t]+([A-Za-z][^\r\n#:{}\[\]&*!|>'\"%@`]*)")
_WORDS = frozenset(["true", "false", "yes", "no", "on", "off", "null", "y", "n"])


def _simple(head: str) -> dict[str, Any] | None:
    """Return what lines of bare words say; None where it takes YAML to know. Most need none."""
    fields: dict[str, Any] = {}
    for line in head.splitlines():
        if not line.strip():
            continue
        match = _SIMPLE.fullmatch(line.rstrip())
        if match is None or match[2].strip().lower() in _WORDS or match[1] in fields:
            return None
        fields[match[1]] = match[2].strip()
    return fields


_UNQUOTED = re.compile(
    r"([A-Za-z][\w-]*:)[ \t]+([^\s'\"\[{|>&*!%@`#].*: .*|\[[^\]]*\][ \t]*[^\s#].*)"
)
"""A field whose value has a colon in it, or is more than a list: `[file] [line]`."""


def _read(head: str) -> Any:
    """Return what YAML makes of it.

    Raises:
        YAMLError, ValueError, RecursionError: nothing.
    """
    return _loader()(head).get_single_data()


def _mended(head: str) -> dict[str, Any] | None:
    """Return the fields where only what has a colon in it lacks its quotes; None: they are worse.

    The lists and mappings beside it are YAML's.
    """
    import yaml

    lines = []
    for line in head.splitlines():
        found = _UNQUOTED.fullmatch(line.rstrip())
        quoted = found[2].replace("'", "''") if found is not None else ""
        lines.append(f"{found[1]} '{quoted}'" if found is not None else line)
    try:
        read = _read("\n".join(lines))
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return {str(key): value for key, value in read.items()} if isinstance(read, dict) else None


def _line_by_line(head: str) -> dict[str, Any] | None:
    """Return the fields of lines `key: value`, whatever the values; None: there are others."""
    fields: dict[str, Any] = {}
    for line in head.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z][\w-]*", key):
            return None
        bare = value.strip()
        quoted = len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\""
        fields[key] = bare[1:-1] if quoted else bare
    return fields


def _loader() -> Any:
    """Return YAML's safe loader without aliases: small files can name themselves without end."""
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                raise yaml.YAMLError("aliases are not taken")
            return super().compose_node(parent, index)

    return Loader
