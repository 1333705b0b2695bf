"""What `bench_edits` edits: real files, and edits of them whose right result is known."""

from __future__ import annotations

import os
import re
import sysconfig
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random

from qcode.record import Record

SUFFIXES = frozenset(
    {
        ".py",
        ".pyi",
        ".js",
        ".jsx",
        ".mjs",
        ".ts",
        ".tsx",
        ".c",
        ".h",
        ".cc",
        ".go",
        ".rs",
        ".java",
        ".sh",
        ".sql",
        ".css",
        ".html",
        ".xml",
        ".md",
        ".rst",
        ".txt",
        ".yaml",
        ".yml",
        ".toml",
        ".json",
        ".ini",
        ".cfg",
        ".mk",
    }
)
NAMES = frozenset({"Makefile", "Dockerfile"})
SMALLEST, LARGEST = 200, 60_000
_WORD = re.compile(r"[A-Za-z_]\w{2,}")
_NUMBER = re.compile(r"\b\d+\b")
_FRESH = ("result", "limit", "offset", "handler", "buffer", "count", "is_ready", "options")
_CLOSERS = ("}", ")", "]", "end", "")


class Row(Record):
    """One line of an edit: kept (` `), removed (`-`) or added (`+`)."""

    sign: str
    old: str
    """As the edit's old text has it."""
    new: str
    """As the edit's new text has it."""
    want: str
    """As the file should have it."""


class Region(Record):
    """Lines of a file from an index on, and what becomes of them."""

    at: int
    rows: tuple[Row, ...]
    is_false: bool = False
    """Whether what it quotes is not there, so that it must not be applied."""

    def old(self) -> list[str]:
        """Return the old lines as quoted."""
        return [row.old for row in self.rows if row.sign != "+"]

    def new(self) -> list[str]:
        """Return the new lines as written."""
        return [row.new for row in self.rows if row.sign != "-"]


def kept(line: str) -> Row:
    """Return the row of a line that stays."""
    return Row(" ", line, line, line)


def removed(line: str) -> Row:
    """Return the row of a line that goes."""
    return Row("-", line, "", "")


def added(line: str) -> Row:
    """Return the row of a new line."""
    return Row("+", "", line, line)


def places() -> list[Path]:
    """Return where files are taken from if nothing else is said: they are on every machine."""
    here = Path(__file__).resolve().parents[1]
    return [Path(sysconfig.get_paths()["stdlib"]), here]


def sources(folders: Sequence[Path], random: Random, most: int = 600) -> list[tuple[str, str]]:
    """Return files of the folders, name and text, as many of each kind as there are."""
    found: dict[str, list[Path]] = {}
    for folder in folders:
        for path in _files(folder):
            found.setdefault(path.suffix or path.name, []).append(path)
    for paths in found.values():
        random.shuffle(paths)
    out: list[tuple[str, str]] = []
    kinds = sorted(found)
    while kinds and len(out) < most:
        for kind in list(kinds):
            text = _text(found[kind].pop())
            if text is not None:
                out.append((f"src/file{kind}" if kind[:1] == "." else kind, text))
            if not found[kind]:
                kinds.remove(kind)
    return out


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(n for n in folders if n[0] != "." and n not in ("__pycache__", "build"))
        for name in sorted(names):
            path = Path(parent, name)
            if (path.suffix in SUFFIXES or name in NAMES) and path.is_file():
                yield path


def _text(path: Path) -> str | None:
    try:
        data = path.read_bytes()
        text = data.decode()
    except (OSError, UnicodeDecodeError):
        return None
    return text if SMALLEST <= len(data) <= LARGEST and "\0" not in text else None


def split(text: str) -> list[tuple[str, str]]:
    r"""Return the lines of a text with their ends; only `\n` and `\r\n` are ends."""
    pieces = re.split(r"(\r?\n)", text)
    lines = list(zip(pieces[::2], pieces[1::2], strict=False))
    return [*lines, (pieces[-1], "")] if pieces[-1] else lines


def contents(text: str) -> list[str]:
    """Return the lines of a text without ends and byte order mark."""
    return [line for line, _ in split(text.removeprefix("\ufeff"))]


def indentation(line: str) -> str:
    """Return the blanks and tabs that a line begins with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def is_blank(line: str) -> bool:
    """Whether a line has only blanks and tabs."""
    return not line.strip(" \t")


def mutated(line: str, random: Random) -> str | None:
    """Return a line with one word or number changed, as an edit would."""
    body = line.strip(" \t")
    words = list(_WORD.finditer(line))
    numbers = list(_NUMBER.finditer(line))
    if numbers and random.random() < 0.3:
        match = random.choice(numbers)
        return line[: match.start()] + str(int(match[0][:9]) + 1) + line[match.end() :]
    if words and len(body) < 2000:
        match = random.choice(words)
        fresh = random.choice([f"{match[0]}_new", random.choice(_FRESH), f"get_{match[0]}"])
        return line[: match.start()] + fresh + line[match.end() :]
    return None


def plan(lines: Sequence[str], random: Random, taken: Sequence[range] = ()) -> Region | None:
    """Return an edit of a region that stands in the lines once, and overlaps none taken."""
    if len(lines) < 8:
        return None
    size = random.choice([1, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30])
    size = min(size, len(lines))
    at = random.randrange(len(lines) - size + 1)
    if any(at < span.stop + 1 and span.start - 1 < at + size for span in taken):
        return None
    old = list(lines[at : at + size])
    if all(map(is_blank, old)) or not any(map(str.isalnum, "".join(old))):
        return None
    if sum(list(lines[i : i + size]) == old for i in range(len(lines) - size + 1)) != 1:
        return None
    rows = _changed(old, lines, random)
    if rows is None or [r.old for r in rows if r.sign != "+"] != old:
        return None
    if old == [r.new for r in rows if r.sign != "-"]:
        return None
    return Region(at, tuple(rows))


def _changed(old: Sequence[str], lines: Sequence[str], random: Random) -> list[Row] | None:
    head = min(random.choice([0, 1, 1, 2, 3]), len(old) - 1)
    tail = min(random.choice([0, 1, 1, 2, 3]), len(old) - 1 - head)
    core = old[head : len(old) - tail]
    rows = [kept(line) for line in old[:head]]
    kind = random.choice(["modify", "modify", "modify", "insert", "insert", "delete", "replace",
                          "wrap", "two", "blanks"])  # fmt: skip
    middle: list[Row] | None
    if kind == "modify":
        middle = _modified(core, random, random.choice([1, 1, 2, 3]))
    elif kind == "two":
        middle = _modified(core, random, 2)
        if middle is not None:
            middle = [*_inserted(core, lines, random), *middle]
    elif kind == "insert":
        cut = random.randrange(len(core) + 1)
        fresh = _inserted(core, lines, random)
        middle = [*map(kept, core[:cut]), *fresh, *map(kept, core[cut:])]
    elif kind == "delete":
        first = random.randrange(len(core))
        last = min(len(core), first + random.randint(1, 5))
        middle = [*map(kept, core[:first]), *map(removed, core[first:last]),
                  *map(kept, core[last:])]  # fmt: skip
    elif kind == "replace":
        first = random.randrange(len(core))
        last = min(len(core), first + random.randint(1, 4))
        fresh = _inserted(core[first:], lines, random)
        middle = [*map(kept, core[:first]), *map(removed, core[first:last]), *fresh,
                  *map(kept, core[last:])]  # fmt: skip
    elif kind == "wrap":
        lead = indentation(next((line for line in core if not is_blank(line)), ""))
        step = "\t" if "\t" in lead else "    "
        moved = [line if is_blank(line) else step + line for line in core]
        middle = [*map(removed, core), added(f"{lead}if {random.choice(_FRESH)}:"),
                  *map(added, moved)]  # fmt: skip
    else:
        middle = _blanks_changed(core, random)
    if middle is None:
        return None
    there = {row.old.strip() for row in middle if row.sign != "+"} | {
        line.strip() for line in (*old[:head], *old[len(old) - tail :])
    }
    fresh_lines = {row.new.strip() for row in middle if row.sign == "+"}
    if kind not in ("wrap", "blanks") and any(map(str.isalnum, "".join(there & fresh_lines))):
        return None  # How old and new lines pair up would be a matter of taste.
    whole = [*rows, *middle, *(kept(line) for line in old[len(old) - tail :])]
    for one, other in pairwise(whole):
        if (
            is_blank(one.old or one.new)
            and is_blank(other.old or other.new)
            and one.sign != other.sign
        ):
            return None  # Which of them is new would be so too.
    return whole


def _modified(core: Sequence[str], random: Random, count: int) -> list[Row] | None:
    chosen = set(random.sample(range(len(core)), min(count, len(core))))
    rows: list[Row] = []
    for index, line in enumerate(core):
        fresh = mutated(line, random) if index in chosen else None
        rows += [kept(line)] if fresh is None else [removed(line), added(fresh)]
    return rows if any(row.sign != " " for row in rows) else None


def _inserted(core: Sequence[str], lines: Sequence[str], random: Random) -> list[Row]:
    lead = indentation(next((line for line in core if not is_blank(line)), ""))
    step = "\t" if "\t" in lead else random.choice(["    ", "    ", "  "])
    word = random.choice(_FRESH)
    fresh = [f"{lead}{word} = compute({random.randint(2, 99)})"]
    if random.random() < 0.4:
        fresh += [f"{lead}if {word} > {random.randint(2, 99)}:", f'{lead}{step}raise_it("a & b")']
    if random.random() < 0.2:
        fresh.append(f'{lead}print("{word} isn\'t <set>\\n")')
    if random.random() < 0.2:
        fresh.append("")
    if random.random() < 0.3:
        other = random.choice(lines)
        if not is_blank(other) and other.strip() not in _CLOSERS:
            fresh.append(other)
    return [added(line) for line in fresh]


def _blanks_changed(core: Sequence[str], random: Random) -> list[Row] | None:
    """Return a change of blanks alone: indentation, blanks at line ends, or an empty line."""
    kind = random.randrange(3)
    index = random.randrange(len(core))
    line = core[index]
    head, tail = [kept(each) for each in core[:index]], [kept(each) for each in core[index + 1 :]]
    if kind == 0:
        return [*head, kept(line), added(""), *tail]
    if is_blank(line):
        return [*head, removed(line), *tail]
    if kind == 1 and line != line.rstrip(" \t"):
        return [*head, removed(line), added(line.rstrip(" \t")), *tail]
    fresh = line[1:] if line[0] in " \t" and random.random() < 0.5 else f"  {line}"
    return [*head, removed(line), added(fresh), *tail]
