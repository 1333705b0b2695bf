"""Which files git ignores, and walking a tree without them.

`.gitignore`, `.ignore` and `.rgignore` count, nested ones too, as ripgrep reads
them; a person's global excludes do not, so that all see the same.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from qcode.record import Record

_FILES = (".gitignore", ".ignore", ".rgignore")


class Entry(Record):
    """One file found by `walk`."""

    path: str
    """Relative to the walk's root, with `/`."""
    name: str
    is_link: bool


class Rule(Record):
    """One line of an ignore file."""

    regex: re.Pattern[str]
    base: str
    """Directory of the ignore file relative to the root, with a final `/`, or empty."""
    prefix: str
    """For an ignore file above the root: the way from there to the root, with a final `/`."""
    name_only: bool
    """The pattern has no `/` and is compared with the last part of the path."""
    ignores: bool
    only_directories: bool


class Rules(Record):
    """The rules in force in one directory; a later rule wins."""

    rules: tuple[Rule, ...] = ()

    def ignore(self, path: str, *, is_directory: bool) -> bool:
        """Return whether a path relative to the root is ignored, its parents aside."""
        name = path[path.rfind("/") + 1 :]
        for rule in reversed(self.rules):
            if rule.only_directories and not is_directory:
                continue
            # A rule is only in force below its base, so the path begins with it.
            if rule.name_only:
                hit = rule.regex.match(name)
            elif rule.prefix:
                hit = rule.regex.match(rule.prefix + path)
            else:
                hit = rule.regex.match(path, len(rule.base))
            if hit:
                return rule.ignores
        return False

    def below(self, directory: str, base: str, prefix: str = "") -> Rules:
        """Return these rules and those of a directory's own ignore files."""
        own = [
            rule for name in _FILES for rule in _read(os.path.join(directory, name), base, prefix)
        ]
        return Rules((*self.rules, *own)) if own else self


def rules_at(root: Path, directory: Path) -> Rules | None:
    """Return the rules in force in a directory below a root; None if it is ignored itself.

    Above the root, ignore files up to the top of its git repository count.
    """
    rules = Rules()
    top = git_top(root) or root
    parts = root.relative_to(top).parts
    for depth in range(len(parts)):
        prefix = "/".join(parts[depth:]) + "/"
        rules = rules.below(str(top.joinpath(*parts[:depth])), "", prefix)
    rules = rules.below(str(root), "")
    base, here = "", str(root)
    for part in directory.relative_to(root).parts:
        if part == ".git" or rules.ignore(base + part, is_directory=True):
            return None
        here, base = os.path.join(here, part), f"{base}{part}/"
        rules = rules.below(here, base)
    return rules


def git_top(directory: Path) -> Path | None:
    """Return the top of the git work tree that a directory lies in."""
    for path in (directory, *directory.parents):
        if (path / ".git").exists():
            return path
    return None


def walk(root: Path, start: Path) -> Iterator[Entry]:
    """Yield the files below a directory in a fixed order (by name, depth first).

    Paths are relative to the root, or to the start where that is not below it.
    Links to directories are not followed and count as files; `.git` is left
    out. A start that is ignored itself was asked for, so all of it is walked.
    """
    inside = start == root or root in start.parents
    if not inside:  # a directory a person allowed; its own rules are all there are
        root = start
    rules = rules_at(root, start)
    base = "" if start == root else f"{start.relative_to(root).as_posix()}/"
    yield from _walk(str(start), base, rules)


def _walk(directory: str, base: str, rules: Rules | None) -> Iterator[Entry]:
    try:
        with os.scandir(directory) as found:
            entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    except OSError:
        return
    for entry in entries:
        name = entry.name
        if name == ".git":
            continue
        is_directory = entry.is_dir(follow_symlinks=False)
        path = base + name
        if rules is not None and rules.ignore(path, is_directory=is_directory):
            continue
        if is_directory:
            inner = rules.below(entry.path, path + "/") if rules is not None else None
            yield from _walk(entry.path, path + "/", inner)
        else:
            yield Entry(path, name, entry.is_symlink())


def _read(file: str, base: str, prefix: str) -> list[Rule]:
    try:
        with open(file, "rb") as opened:
            data = opened.read()
    except OSError:
        return []
    lines = data.decode("utf-8", "replace").removeprefix("\ufeff").split("\n")
    rules = [_rule(line.rstrip("\r"), base, prefix) for line in lines]
    return [rule for rule in rules if rule]


def _rule(line: str, base: str, prefix: str) -> Rule | None:
    line = re.sub(r"(?<!\\)[ \t]+$", "", line)
    if not line or line.startswith("#"):
        return None
    ignores = not line.startswith("!")
    line = line.removeprefix("!")
    only_directories = line.endswith("/")
    line = line.rstrip("/")
    if not line:
        return None
    name_only = "/" not in line
    try:
        regex = translate(line.removeprefix("/"))
    except re.error:
        return None
    return Rule(regex, base, prefix, name_only, ignores, only_directories)


def _range_end(pattern: str, at: int) -> int:
    """Return where the `[` at `at` is closed, or -1; a `]` that comes first is a member."""
    first = at + 1 + (pattern[at + 1 : at + 2] in ("!", "^"))
    return pattern.find("]", first + 1)


@lru_cache(maxsize=4096)
def translate(pattern: str, *, braces: bool = False) -> re.Pattern[str]:
    """Return the regex for a git-style glob; it matches a whole path with `/`.

    `*` and `?` stop at `/`, `**` as a whole part does not. With `braces`,
    `{a,b}` is either.

    Raises:
        re.error: the pattern has a character range that is none.
    """
    out: list[str] = []
    at, depth = 0, 0
    while at < len(pattern):
        char = pattern[at]
        rest = pattern[at:]
        starts_part = at == 0 or pattern[at - 1] == "/"
        if starts_part and rest == "**":
            out.append(".+")
            at += 2
        elif starts_part and rest.startswith("**/"):
            out.append("(?:.*/)?")
            at += 3
        elif char == "*":
            out.append("[^/]*")
            while pattern[at : at + 1] == "*":
                at += 1
        elif char == "?":
            out.append("[^/]")
            at += 1
        elif char == "[" and (end := _range_end(pattern, at)) > 0:
            body = pattern[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            negated = body[:1] in ("!", "^")
            out.append(f"(?!/)[{'^' if negated else ''}{body[1:] if negated else body}]")
            at = end + 1
        elif braces and char == "{" and "}" in rest:
            out.append("(?:")
            depth += 1
            at += 1
        elif depth and char in ",}":
            out.append("|" if char == "," else ")")
            depth -= char == "}"
            at += 1
        else:
            if char == "\\" and at + 1 < len(pattern):
                at += 1
            out.append(re.escape(pattern[at]))
            at += 1
    return re.compile("(?:" + "".join(out) + ")" * (depth + 1) + "\\Z", re.DOTALL)
