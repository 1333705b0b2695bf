"""Which files are ignored, and walking a tree without them.

`.gitignore`, `.ignore` and `.rgignore` count, nested ones too, as ripgrep reads
them; a person's global excludes do not, so that all see the same. `.aiignore`,
`.qwenignore` and `.qcodeignore` are written the same and leave out more: nothing
brings back what those of a directory leave out, neither git's rules nor deeper ones.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from qcode import beneath
from qcode.errors import ToolError
from qcode.files_safe import read_small
from qcode.record import Record
from qcode.tools.clip import clip

_FILES = (".gitignore", ".ignore", ".rgignore")
OWN = (".aiignore", ".qwenignore", ".qcodeignore")
"""Files that say what agents are to leave alone; of one directory, the last has the last word."""
_IGNORE_FILES = frozenset((*_FILES, *OWN))
_LONGEST = 4096
"""Characters of a pattern; no path is longer."""
_HELD = 64
"""Directories, one in the other, that are open at once; deeper ones are found anew."""
_MOST = 1000
"""Alternatives of a pattern with braces."""


class Entry(NamedTuple):
    """One file found by `walk`. A tuple, as there are many."""

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
    own: tuple[tuple[Rule, ...], ...] = ()
    """Those of `OWN`, of each directory for itself."""

    def ignore(self, path: str, *, is_directory: bool) -> bool:
        """Return whether a path relative to the root is ignored, its parents aside."""
        if self.rules and _ignores(self.rules, path, is_directory=is_directory):
            return True
        return any(_ignores(own, path, is_directory=is_directory) for own in self.own)

    def below(
        self, directory: str, base: str, prefix: str = "", names: Container[str] | None = None
    ) -> Rules:
        """Return these rules and those of a directory's own ignore files.

        `names` are those in the directory, where they are known.
        """
        rules, own = (
            tuple(
                rule
                for name in files
                if names is None or name in names
                for rule in _read(os.path.join(directory, name), base, prefix)
            )
            for files in (_FILES, OWN)
        )
        if not rules and not own:
            return self
        return Rules((*self.rules, *rules), (*self.own, own) if own else self.own)


def _ignores(rules: tuple[Rule, ...], path: str, *, is_directory: bool) -> bool:
    """Return what the last of the rules that match a path says."""
    name = path[path.rfind("/") + 1 :]
    for rule in reversed(rules):
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


class Left:
    """What the files of `OWN` leave out, told of one path after the other."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        rules = _above(root).below(self._root, "")
        self._rules: dict[str, Rules | None] = {"": Rules((), rules.own)}
        """By directory with a final `/`; None if it is left out itself."""

    def out(self, path: str) -> bool:
        """Whether a file below the root is left out; the path is relative to it."""
        rules = self._at(path[: path.rfind("/") + 1])
        return rules is None or rules.ignore(path, is_directory=False)

    def _at(self, base: str) -> Rules | None:
        if base not in self._rules:
            folder = base[:-1]
            rules = self._at(folder[: folder.rfind("/") + 1])
            if rules is not None and rules.ignore(folder, is_directory=True):
                rules = None
            if rules is not None:
                rules = rules.below(os.path.join(self._root, folder), base, names=OWN)
            self._rules[base] = rules
        return self._rules[base]


def rules_at(root: Path, directory: Path) -> Rules | None:
    """Return the rules in force in a directory below a root; None if it is ignored itself.

    Above the root, ignore files up to the top of its git repository count.
    """
    rules = _above(root).below(str(root), "")
    base, here = "", str(root)
    for part in directory.relative_to(root).parts:
        if part == ".git" or rules.ignore(base + part, is_directory=True):
            return None
        here, base = os.path.join(here, part), f"{base}{part}/"
        rules = rules.below(here, base)
    return rules


def _above(root: Path) -> Rules:
    rules = Rules()
    top = git_top(root) or root
    parts = root.relative_to(top).parts
    for depth in range(len(parts)):
        prefix = "/".join(parts[depth:]) + "/"
        rules = rules.below(str(top.joinpath(*parts[:depth])), "", prefix)
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
    begun = _begun(root, start)
    if begun is not None:
        folder, base, rules = begun
        yield from _walk(folder, str(start), base, rules, 0)


def folders(root: Path, start: Path) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Yield each directory with its files, in no order; else like `walk`, and faster.

    A directory is its path relative to the root with a final `/`, or empty. Its files can
    be asked for their state as long as the next directory is not asked for.
    """
    begun = _begun(root, start)
    if begun is not None:
        folder, base, rules = begun
        yield from _folders(folder, str(start), base, rules, 0)


def _begun(root: Path, start: Path) -> tuple[int, str, Rules | None] | None:
    """Return the descriptor of where a walk begins, its path and rules; None if it cannot be."""
    inside = start == root or root in start.parents
    if not inside:  # a directory a person allowed; its own rules are all there are
        root = start
    rules = rules_at(root, start)
    base = "" if start == root else f"{start.relative_to(root).as_posix()}/"
    try:
        return beneath.open_folder(start, listing=True), base, rules
    except OSError:
        return None


def _walk(
    folder: int, directory: str, base: str, rules: Rules | None, depth: int
) -> Iterator[Entry]:
    """Walk a directory by its descriptor, which is closed."""
    try:
        entries = _entries(folder)
        if rules is not None and depth:  # those of the start are there already
            names = {name for name, _, _ in entries}
            if not names.isdisjoint(_IGNORE_FILES):
                rules = rules.below(directory, base, names=names)
        ignore = rules.ignore if rules is not None and (rules.rules or rules.own) else None
        if depth == _HELD:
            os.close(folder)
            folder = -1
        for name, is_directory, is_link in entries:
            path = base + name
            if ignore is not None and ignore(path, is_directory=is_directory):
                continue
            if not is_directory:
                yield Entry(path, name, is_link)
                continue
            below = os.path.join(directory, name)
            try:
                if folder < 0:
                    inner = beneath.open_folder(Path(below), listing=True)
                else:
                    inner = beneath.open_in(folder, name)
            except OSError:
                continue
            yield from _walk(inner, below, path + "/", rules, min(depth + 1, _HELD))
    finally:
        if folder >= 0:
            os.close(folder)


def _folders(
    folder: int, directory: str, base: str, rules: Rules | None, depth: int
) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Go through a directory by its descriptor, which is closed."""
    try:
        try:
            with os.scandir(folder) as found:
                entries = list(found)
        except OSError:
            return
        if rules is not None and depth:
            names = {entry.name for entry in entries}
            if not names.isdisjoint(_IGNORE_FILES):
                rules = rules.below(directory, base, names=names)
        files: list[os.DirEntry[str]] = []
        inner: list[str] = []
        for entry in entries:
            if entry.name == ".git":
                continue
            if entry.is_dir(follow_symlinks=False):
                inner.append(entry.name)
            else:
                files.append(entry)
        if rules is not None and (rules.rules or rules.own):
            ignore = rules.ignore
            files = [each for each in files if not ignore(base + each.name, is_directory=False)]
            inner = [name for name in inner if not ignore(base + name, is_directory=True)]
        yield base, files
        if depth == _HELD:
            os.close(folder)
            folder = -1
        for name in inner:
            below = os.path.join(directory, name)
            try:
                if folder < 0:
                    next_folder = beneath.open_folder(Path(below), listing=True)
                else:
                    next_folder = beneath.open_in(folder, name)
            except OSError:
                continue
            yield from _folders(next_folder, below, f"{base}{name}/", rules, min(depth + 1, _HELD))
    finally:
        if folder >= 0:
            os.close(folder)


def _entries(folder: int) -> list[tuple[str, bool, bool]]:
    """Return name, whether it is a directory, and whether a link, of all but `.git`."""
    try:
        with os.scandir(folder) as found:
            entries = [
                (entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink())
                for entry in found
                if entry.name != ".git"
            ]
    except OSError:
        return []
    if all(name.isascii() for name, _, _ in entries):
        entries.sort()
    else:
        entries.sort(key=lambda entry: os.fsencode(entry[0]))
    return entries


def _read(file: str, base: str, prefix: str) -> list[Rule]:
    if not os.access(file, os.R_OK):  # mostly there is none
        return []
    try:
        data = read_small(Path(file))
    except OSError:  # what is no ordinary file has no rules
        return []
    lines = data.decode("utf-8", "replace").removeprefix("\ufeff").split("\n")
    rules = [_rule(line.rstrip("\r"), base, prefix) for line in lines]
    return [rule for rule in rules if rule]


def _rule(line: str, base: str, prefix: str) -> Rule | None:
    bare = line.rstrip(" \t")
    line = line[: len(bare) + bare.endswith("\\")]  # `\ ` at the end is a blank that counts
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

    No pattern makes the regex slow, as whoever wrote it may want that: what
    follows a `*` is taken where it comes first and never looked for again.
    That loses no match, since only the last piece is bound to a place. The
    same holds for the parts of a path that follow a `**`.

    Raises:
        re.error: the pattern has a character range that is none, or is too long.
    """
    if len(pattern) > _LONGEST:
        raise re.error("it is too long")
    each = _alternatives(pattern) if braces else [pattern]
    return re.compile(f"(?:{'|'.join(map(_regex, each))})\\Z", re.DOTALL)


def check_glob(pattern: str | None) -> None:
    """Check a glob with braces that the model gave, a `!` in front aside.

    Raises:
        ToolError: it is none.
    """
    if pattern is None:
        return
    if "\0" in pattern:
        raise ToolError("A pattern cannot have a NUL byte; leave it out.")
    if len(pattern) > _LONGEST - 8:  # some put `**/` in front
        raise ToolError(f"{clip(pattern)} is no valid pattern: it is too long.")
    try:
        translate(pattern.removeprefix("!").removeprefix("/"), braces=True)
    except re.error as error:
        raise ToolError(f"{clip(pattern)} is no valid pattern: {error}.") from None


def _regex(pattern: str) -> str:
    """Return the regex of a glob without braces; it has to end where the path ends."""
    groups: list[list[str]] = [[]]
    """The parts between one `**` and the next."""
    parts = _parts(pattern)
    below = parts[-1] == "**"
    for part in parts[:-1] if below else parts:
        if part != "**":
            groups[-1].append(part)
        elif groups[-1] or len(groups) == 1:  # `**/**/` is the same as `**/`
            groups.append([])
    out = []
    for number, group in enumerate(groups):
        is_last = number == len(groups) - 1
        inner = "/".join(group) + ("/" if group and (below or not is_last) else "")
        if not number:
            out.append(inner)
        elif not is_last:
            out.append(f"(?>(?:[^/]*/)*?{inner})")
        elif group:
            # Bound to the end, so there is one place at most, best looked for from there.
            lead = "(?:[^/]*/)*?" if below else "(?:.*/)?"
            out.append(f"(?>{lead}{inner})" if below else lead + inner)
    return "".join(out) + (".+" if below else "")


def _parts(pattern: str) -> list[str]:
    """Return the regex of each part between `/`; `**` as a whole part stays that."""
    parts: list[str] = []
    pieces = [""]
    """Of the part: what stands between its `*`."""
    at = start = 0
    while at <= len(pattern):
        char = pattern[at : at + 1]
        if char in ("", "/"):
            parts.append("**" if pattern[start:at] == "**" else _part(pieces))
            pieces, start = [""], at + 1
        elif char == "*":
            # A row of `*` is one, and pieces that are empty would only cost time.
            if pieces[-1] or len(pieces) == 1:
                pieces.append("")
        elif char == "?":
            pieces[-1] += "[^/]"
        elif char == "[" and (end := _range_end(pattern, at)) > 0:
            body = pattern[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            negated = body[:1] in ("!", "^")
            pieces[-1] += f"(?!/)[{'^' if negated else ''}{body[1:] if negated else body}]"
            at = end
        else:
            if char == "\\" and at + 1 < len(pattern):
                at += 1
            pieces[-1] += re.escape(pattern[at])
        at += 1
    return parts


def _part(pieces: list[str]) -> str:
    first, *inner = pieces
    if not inner:
        return first
    last = inner.pop()
    return first + "".join(f"(?>[^/]*?{piece})" for piece in inner) + "[^/]*" + last


def _alternatives(pattern: str) -> list[str]:
    """Return what a pattern with `{a,b}` stands for; braces without a partner are text.

    Raises:
        re.error: that is too much.
    """
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        pattern = waiting.pop()
        commas = _first_braces(pattern)
        if commas is None:
            done.append(pattern)
        else:
            before, after = pattern[: commas[0]], pattern[commas[-1] + 1 :]
            waiting += [
                before + pattern[start + 1 : end] + after for start, end in pairwise(commas)
            ]
        if len(done) + len(waiting) > _MOST or sum(map(len, waiting)) > 64 * _LONGEST:
            raise re.error("it has too many alternatives")
    return done


def _first_braces(pattern: str) -> list[int] | None:
    """Return the places of the first `{`, of its commas and of its `}`."""
    open_: list[list[int]] = []
    closed: list[list[int]] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif char == "[" and (end := _range_end(pattern, at)) > 0:
            at = end
        elif char == "{":
            open_.append([at])
        elif open_ and char == ",":
            open_[-1].append(at)
        elif open_ and char == "}":
            closed.append([*open_.pop(), at])
            if not open_:
                return closed[-1]
        at += 1
    return min(closed, default=None)
