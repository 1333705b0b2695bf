"""How models get edits wrong, one kind at a time: what is done to a file, or to an edit of it.

A kind changes a case whose right result is known, and keeps that knowledge true. It
returns None where it has nothing to change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from qcode.evals.edits_material import (
    Region,
    Row,
    added,
    contents,
    indentation,
    is_blank,
    kept,
    mutated,
    removed,
    split,
)
from qcode.record import Record

SINGLE, SEVERAL, BLOCKS, CODEX, UNIFIED = FORMS = ("search", "several", "blocks", "codex", "diff")
REPLACING = (SINGLE, SEVERAL, BLOCKS)
PATCHES = (CODEX, UNIFIED)
MARKS = ("...", "# ...", "// ... existing code ...", "# ... existing code ...")
PLACEHOLDERS = ("# ... existing code ...", "// rest of the code remains the same",
                "/* ... */", "# (rest of the function unchanged)", "{/* ... existing code ... */}",
                "// ...", "<!-- rest of the file -->")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """An edit of a file, and how it is going to be written."""

    path: str
    text: str
    regions: tuple[Region, ...]
    must_refuse: bool = False
    is_stale: bool = False
    flags: frozenset[str] = frozenset()
    """How the edit is written; each format knows its own."""
    also: tuple[str, ...] = ()
    """Results that are right as well."""


class Kind(Record):
    """One kind of noise."""

    name: str
    stage: int
    """Kinds are put on in the order of `FILE` to `WRITING`."""
    forms: tuple[str, ...]
    change: Callable[[Case, Random, str], Case | None]


FILE, PLACE, WORDS, INDENT, TRANSPORT, ELISION, WRITING = range(7)
KINDS: dict[str, Kind] = {}
_Change = Callable[[Case, Random, str], Case | None]


def _kind(name: str, stage: int, forms: Sequence[str] = FORMS) -> Callable[[_Change], _Change]:
    def register(change: _Change) -> _Change:
        KINDS[name] = Kind(name, stage, tuple(forms), change)
        return change

    return register


def _flag(name: str, forms: Sequence[str] = FORMS) -> None:
    @_kind(name, WRITING, forms)
    def change(case: Case, _random: Random, _form: str) -> Case | None:
        return replace(case, flags=case.flags | {name})


def _rows(case: Case, change: Callable[[Row], Row | None]) -> Case | None:
    """Return the case with rows changed; None if no row was."""
    regions: list[Region] = []
    for region in case.regions:
        rows = [change(row) or row for row in region.rows]
        regions.append(Region(region.at, tuple(rows), region.is_false))
    return None if tuple(regions) == case.regions else replace(case, regions=tuple(regions))


def _text_of(row: Row) -> str:
    return row.new if row.sign == "+" else row.old


def _with(row: Row, text: str, *, want: str | None = None) -> Row:
    """Return a row with another text, on both sides where it is kept."""
    if row.sign == " ":
        return Row(" ", text, text, row.want)
    if row.sign == "-":
        return Row("-", text, "", "")
    return Row("+", "", text, row.want if want is None else want)


# Files


def _file(name: str) -> Callable[[Callable[[str, Random], str | None]], None]:
    def register(change: Callable[[str, Random], str | None]) -> None:
        @_kind(name, FILE)
        def made(case: Case, random: Random, _form: str) -> Case | None:
            text = change(case.text, random)
            return None if text is None or text == case.text else replace(case, text=text)

    return register


@_file("file: CRLF")
def _crlf_file(text: str, _random: Random) -> str:
    return re.sub("\r?\n", "\r\n", text)


@_file("file: mixed line ends")
def _mixed_file(text: str, random: Random) -> str:
    lines = split(text)
    return "".join(line + (random.choice(["\n", "\r\n"]) if end else "") for line, end in lines)


@_file("file: no final line end")
def _open_file(text: str, _random: Random) -> str | None:
    return text.rstrip("\r\n") or None


@_file("file: BOM")
def _bom_file(text: str, _random: Random) -> str:
    return "\ufeff" + text.removeprefix("\ufeff")


def _sprinkled(text: str, random: Random, pieces: Sequence[str], *, every: int = 6) -> str:
    out = []
    for line, end in split(text):
        if line.strip() and random.randrange(every) == 0:
            at = random.randrange(len(indentation(line)), len(line) + 1)
            line = line[:at] + random.choice(pieces) + line[at:]
        out.append(line + end)
    return "".join(out)


@_file("file: odd separators")
def _separators(text: str, random: Random) -> str:
    return _sprinkled(text, random, ["\f", "\v", "\rx", "\u0085", "\u2028", "\x1c"])


@_file("file: not ASCII")
def _foreign(text: str, random: Random) -> str:
    return _sprinkled(
        text,
        random,
        ["e\u0301", "é", "日本語", "👩‍💻", "ﬁ", "²", "а", "—", "“", "’", "\u00a0"],
        every=3,
    )


@_file("file: long lines")
def _long(text: str, random: Random) -> str:
    return _sprinkled(text, random, ["x = y + 1; " * 400, "lorem ipsum " * 900], every=40)


@_file("file: blanks at line ends")
def _trailing_file(text: str, random: Random) -> str:
    return "".join(
        line + (random.choice([" ", "  ", "\t", "    "]) if random.random() < 0.3 else "") + end
        for line, end in split(text)
    )


@_file("file: tabs")
def _tabbed_file(text: str, _random: Random) -> str:
    return "".join(
        "\t" * (len(lead) // 4) + " " * (len(lead) % 4) + line[len(lead) :] + end
        for line, end in split(text)
        for lead in [indentation(line).expandtabs(4)]
    )


# Places: what else is in the file


def _insert(case: Case, lines: Sequence[str], random: Random) -> tuple[str, int, int] | None:
    """Return the text with lines put in outside of all regions, where, and how many."""
    there = split(case.text)
    spans = [(r.at, r.at + len(r.old())) for r in case.regions]
    free = [
        at
        for at in range(1, len(there))
        if not any(first - 1 < at < last + 1 for first, last in spans)
    ]
    if not free:
        return None
    at = random.choice(free)
    end = there[0][1] or "\n"
    fresh = [(line, end) for line in lines]
    text = "".join(line + e for line, e in [*there[:at], *fresh, *there[at:]])
    return text, at, len(lines)


def _moved(regions: Sequence[Region], at: int, count: int) -> tuple[Region, ...]:
    return tuple(Region(r.at + count * (r.at >= at), r.rows, r.is_false) for r in regions)


def _copied(case: Case, random: Random, mutations: int) -> tuple[Case, int, list[int]] | None:
    """Return the case with its first region copied elsewhere, where, and which lines differ."""
    region = case.regions[0]
    lines = [row.want if row.sign == " " else row.old for row in region.rows if row.sign != "+"]
    changed: list[int] = []
    for index in random.sample(range(len(lines)), min(mutations, len(lines))):
        fresh = mutated(lines[index], random)
        if fresh is not None:
            lines[index] = fresh
            changed.append(index)
    if mutations and not changed:
        return None
    made = _insert(case, lines, random)
    if made is None:
        return None
    text, at, count = made
    return replace(case, text=text, regions=_moved(case.regions, at, count)), at, changed


@_kind("similar sibling", PLACE)
def _sibling(case: Case, random: Random, _form: str) -> Case | None:
    made = _copied(case, random, random.choice([1, 1, 2, 3]))
    return made and made[0]


@_kind("a sibling's line quoted", PLACE)
def _sibling_line(case: Case, random: Random, _form: str) -> Case | None:
    """One line is remembered as the sibling has it; all of them, and the sibling is meant."""
    made = _copied(case, random, random.choice([1, 1, 2, 3]))
    if made is None or len(case.regions) > 1:
        return None
    changed, at, differing = made
    region = changed.regions[0]
    theirs = contents(changed.text)[at : at + len(region.old())]
    index = random.choice(differing)
    rows, line = [], -1
    for row in region.rows:
        line += row.sign != "+"
        rows.append(_with(row, theirs[line]) if row.sign != "+" and line == index else row)
    wrong = Region(region.at, tuple(rows))
    if wrong.old() == theirs:
        meant = Region(at, tuple(kept(r.old) if r.sign == " " else r for r in rows))
        return replace(changed, regions=(meant,))
    return replace(changed, regions=(wrong,))


@_kind("region twice in the file", PLACE)
def _duplicated(case: Case, random: Random, _form: str) -> Case | None:
    made = _copied(case, random, 0)
    return made and replace(made[0], flags=case.flags | {"twice there"})


@_kind("file changed, edit right", PLACE)
def _changed_elsewhere(case: Case, random: Random, _form: str) -> Case | None:
    made = _insert(case, ["# somebody else was here", "changed = 1"], random)
    if made is None:
        return None
    return replace(case, text=made[0], regions=_moved(case.regions, made[1], 2), is_stale=True)


@_kind("file changed at the place", PLACE)
def _changed_here(case: Case, random: Random, _form: str) -> Case | None:
    lines = split(case.text)
    region = case.regions[0]
    index = region.at + random.randrange(len(region.old()))
    fresh = mutated(lines[index][0], random)
    if fresh is None:
        return None
    lines[index] = (fresh, lines[index][1])
    false = Region(region.at, region.rows, is_false=True)
    return replace(
        case, text="".join(map("".join, lines)), is_stale=True, regions=(false, *case.regions[1:])
    )


# Words


@_kind("blanks at line ends", WORDS)
def _trailing(case: Case, random: Random, form: str) -> Case | None:
    def change(row: Row) -> Row | None:
        if random.random() < 0.5:
            return None
        text = _text_of(row)
        fresh = random.choice([text + " ", text + "  ", text + "\t", text.rstrip(" \t")])
        if row.sign == "+" and is_blank(text):
            return None
        if row.sign == " " and form in REPLACING and random.random() < 0.1:
            return Row(" ", fresh, row.new, row.new)
        return _with(row, fresh, want=fresh)

    made = _rows(case, change)
    if made is None:
        return None
    for region in made.regions:
        quoted = [row.old.rstrip() for row in region.rows if row.sign != "+"]
        if any(row.sign == "+" and row.new.rstrip() in quoted for row in region.rows):
            return None
        if any(r.sign == " " and r.old != r.new and quoted.count(r.new.rstrip()) > 1
               for r in region.rows):  # fmt: skip
            return None  # They would be taken for the same line, which keeps its blanks.
    return made


_TYPED = (("'", "’"), ("'", "‘"), ('"', "“"), ('"', "”"), ("-", "–"), ("-", "—"), ("-", "−"),
          ("...", "…"), (" ", "\u00a0"), ("é", "e\u0301"), ("", "\u200b"))  # fmt: skip
_PLAIN = {odd: plain for plain, odd in _TYPED}


@_kind("typographic", WORDS)
def _typographic(case: Case, random: Random, _form: str) -> Case | None:
    def change(row: Row) -> Row | None:
        text = _text_of(row)
        lead = indentation(text)
        body = text[len(lead) :].rstrip(" \t")
        if row.sign == "+" or not body or random.random() < 0.4:
            return None
        if not body.isascii() and random.random() < 0.5:
            for odd, plain in _PLAIN.items():
                body = body.replace(odd, plain)
        else:
            plain, odd = random.choice(_TYPED[:-1])
            body = body.replace(plain, odd)
        return _with(row, lead + body + text[len(lead + text[len(lead) :].rstrip(" \t")) :])

    return _rows(case, change)


def _one(
    case: Case,
    random: Random,
    sign: str,
    change: Callable[[str], str | None],
    *,
    is_false: bool = False,
) -> Case | None:
    """Return the case with the text of one row of a sign changed."""
    spots = [
        (r, i)
        for r, region in enumerate(case.regions)
        for i, row in enumerate(region.rows)
        if row.sign == sign
    ]
    random.shuffle(spots)
    for r, i in spots:
        row = case.regions[r].rows[i]
        fresh = change(_text_of(row))
        if fresh is not None and fresh.strip() != _text_of(row).strip():
            if fresh.strip() in (each.new.strip() for each in case.regions[r].rows):
                return None
            return _put(case, r, i, [_with(row, fresh)], is_false=is_false)
    return None


def _put(
    case: Case, region: int, index: int, rows: Sequence[Row], *, is_false: bool = False
) -> Case:
    """Return the case with one row of a region replaced by others."""
    old = case.regions[region]
    whole = (*old.rows[:index], *rows, *old.rows[index + 1 :])
    fresh = Region(old.at, whole, is_false or old.is_false)
    return replace(case, regions=(*case.regions[:region], fresh, *case.regions[region + 1 :]))


@_kind("comment paraphrased", WORDS)
def _paraphrased(case: Case, random: Random, _form: str) -> Case | None:
    def change(line: str) -> str | None:
        if not re.search(r"#|//|\*|--|\"\"\"|<!--", line):
            return None
        words = line.split(" ")
        if len(words) < 3:
            return None
        words[random.randrange(1, len(words))] = random.choice(["the", "again", "properly", "it"])
        return " ".join(words)

    return _one(case, random, " ", change)


@_kind("identifier misremembered", WORDS)
def _misremembered(case: Case, random: Random, _form: str) -> Case | None:
    return _one(case, random, " ", lambda line: mutated(line, random))


@_kind("removed line misremembered", WORDS)
def _wrong_removed(case: Case, random: Random, _form: str) -> Case | None:
    return _one(case, random, "-", lambda line: mutated(line, random), is_false=True)


@_kind("wanted state in context", WORDS)
def _wanted(case: Case, random: Random, _form: str) -> Case | None:
    """One of several changes is quoted as made: its new line stands as context."""
    spots = [
        (r, i)
        for r, region in enumerate(case.regions)
        for i in range(len(region.rows) - 1)
        if region.rows[i].sign == "-"
        and region.rows[i + 1].sign == "+"
        and region.rows[i - 1 : i] != (removed(region.rows[i - 1].old),)
        and sum(row.sign != " " for row in region.rows) > 2
        and len(region.old()) > 2
    ]
    if not spots:
        return None
    r, i = random.choice(spots)
    rows = case.regions[r].rows
    quoted = Row(" ", rows[i + 1].new, rows[i + 1].new, rows[i].old)
    made = _put(case, r, i + 1, [])
    return _put(made, r, i, [quoted])


@_kind("line left out", WORDS)
def _left_out(case: Case, random: Random, _form: str) -> Case | None:
    spots = [
        (r, i)
        for r, region in enumerate(case.regions)
        for i, row in enumerate(region.rows)
        if row.sign != "+"
        and any(x.sign != "+" and not is_blank(x.old) for x in region.rows[:i])
        and any(x.sign != "+" and not is_blank(x.old) for x in region.rows[i + 1 :])
        and not is_blank(row.old)
    ]
    if not spots:
        return None
    r, i = random.choice(spots)
    return _put(case, r, i, [], is_false=True)


@_kind("line too many", WORDS)
def _too_many(case: Case, random: Random, _form: str) -> Case | None:
    r = random.randrange(len(case.regions))
    rows = case.regions[r].rows
    i = random.randrange(len(rows))
    extra = random.choice(contents(case.text))
    if is_blank(extra) or extra.strip() in ("...", "…"):
        return None
    if extra.strip() in (_text_of(row).strip() for row in rows):
        return None
    row = Row(" ", extra, extra, extra)
    there = rows[i]
    both = [row, there] if random.random() < 0.5 else [there, row]
    return _put(case, r, i, both, is_false=True)


@_kind("blank line too many", WORDS)
def _blank_too_many(case: Case, random: Random, _form: str) -> Case | None:
    r = random.randrange(len(case.regions))
    rows = case.regions[r].rows
    spots = [i for i in range(1, len(rows)) if rows[i - 1].sign == rows[i].sign == " "]
    spots = [i for i in spots if not is_blank(rows[i].old) and not is_blank(rows[i - 1].old)]
    if not spots:
        return None
    i = random.choice(spots)
    return _put(case, r, i, [Row(" ", "", "", ""), rows[i]], is_false=True)


@_kind("two lines swapped", WORDS)
def _swapped(case: Case, random: Random, _form: str) -> Case | None:
    r = random.randrange(len(case.regions))
    rows = list(case.regions[r].rows)
    spots = [
        i
        for i in range(len(rows) - 1)
        if rows[i].sign == rows[i + 1].sign != "+"
        and rows[i].old.strip() != rows[i + 1].old.strip()
        and not is_blank(rows[i].old)
        and not is_blank(rows[i + 1].old)
    ]
    if not spots:
        return None
    i = random.choice(spots)
    one, other = rows[i], rows[i + 1]
    rows[i], rows[i + 1] = _with(one, other.old), _with(other, one.old)
    regions = list(case.regions)
    regions[r] = Region(regions[r].at, tuple(rows), regions[r].is_false or one.sign == "-")
    return replace(case, regions=tuple(regions))


@_kind("context of another file", WORDS)
def _other_file(case: Case, random: Random, _form: str) -> Case | None:
    foreign = ["import sys", "def main(argv):", "    parser = make_parser()", "}", "return 0;"]

    def change(row: Row) -> Row | None:
        return _with(row, random.choice(foreign)) if row.sign == " " else None

    made = _rows(case, change)
    if made is None:
        return None
    regions = [
        Region(r.at, r.rows, r.is_false or r.rows != was.rows)
        for r, was in zip(made.regions, case.regions, strict=True)
    ]
    return replace(case, regions=tuple(regions))


@_kind("lines left out: ...", ELISION)
def _elided(case: Case, random: Random, form: str) -> Case | None:
    r = random.randrange(len(case.regions))
    region = case.regions[r]
    runs = []
    for first in range(1, len(region.rows)):
        last = first
        while last < len(region.rows) and region.rows[last].sign == " ":
            last += 1
        if last - first >= 2 and last < len(region.rows) and region.rows[first - 1].sign == " ":
            runs.append((first, last - 1))
    if not runs:
        return None
    first, last = random.choice(runs)
    lead = indentation(region.rows[first].old)
    mark = lead + random.choice(MARKS)
    rows = (*region.rows[:first], Row("~", mark, mark, ""), *region.rows[last:])
    hidden = tuple(region.rows[first:last])
    regions = list(case.regions)
    regions[r] = Region(region.at, rows)
    made = replace(case, regions=tuple(regions), flags=case.flags | {"elided"})
    if len(regions) > 1 or region.is_false:
        return None
    if any(row.sign == "+" and row.new != row.want for row in region.rows):
        return None  # Other noise is not looked for in such text.
    return replace(
        made, also=(*case.also, expected(case)), must_refuse=form in PATCHES or not hidden
    )


@_kind("placeholder in new text", WORDS)
def _placeholder(case: Case, random: Random, _form: str) -> Case | None:
    r = random.randrange(len(case.regions))
    rows = case.regions[r].rows
    spots = [i for i, row in enumerate(rows) if row.sign == "+"]
    if not spots:
        return None
    i = random.choice(spots)
    mark = random.choice(PLACEHOLDERS)
    if mark in case.text:
        return None
    mark = indentation(rows[i].new) + mark
    return replace(_put(case, r, i, [rows[i], added(mark)]), must_refuse=True)


# Indentation


def _shifted_row(row: Row, change: Callable[[str], str | None]) -> Row | None:
    if row.sign == " ":
        old, new = change(row.old), change(row.new)
        return None if old is None or new is None else Row(" ", old, new, row.want)
    text = _text_of(row)
    if is_blank(text):
        return row
    fresh = change(text)
    return None if fresh is None else _with(row, fresh)


def _reindented(case: Case, change: Callable[[str], str | None]) -> Case | None:
    regions = []
    for region in case.regions:
        rows = [_shifted_row(row, change) for row in region.rows]
        whole = [row for row in rows if row is not None]
        is_done = len(whole) == len(rows)
        if is_done and [r.old for r in whole] == [r.old for r in region.rows]:
            whole = [Row(r.sign, r.old, r.new, r.new if r.sign == "+" else r.want) for r in whole]
        regions.append(Region(region.at, tuple(whole), region.is_false) if is_done else region)
    return None if tuple(regions) == case.regions else replace(case, regions=tuple(regions))


@_kind("indentation shifted", INDENT)
def _shifted(case: Case, random: Random, _form: str) -> Case | None:
    lead = random.choice([" ", "  ", "    ", "        ", "\t"])
    if random.random() < 0.5:
        return _reindented(case, lambda line: line if is_blank(line) else lead + line)
    return _reindented(
        case,
        lambda line: (
            line if is_blank(line) else line.removeprefix(lead) if line.startswith(lead) else None
        ),
    )


@_kind("indentation dropped", INDENT)
def _dropped(case: Case, _random: Random, _form: str) -> Case | None:
    def common(region: Region) -> str:
        leads = [indentation(_text_of(r)) for r in region.rows if not is_blank(_text_of(r))]
        return min(leads, key=len) if leads else ""

    lead = min((common(region) for region in case.regions), key=len)
    if not lead:
        return None
    return _reindented(
        case,
        lambda line: (
            line if is_blank(line) else line.removeprefix(lead) if line.startswith(lead) else None
        ),
    )


@_kind("tabs for blanks or blanks for tabs", INDENT)
def _retabbed(case: Case, random: Random, _form: str) -> Case | None:
    width = random.choice([4, 4, 4, 2, 8])

    def change(line: str) -> str | None:
        lead = indentation(line)
        if is_blank(line) or not lead:
            return line
        if "\t" in lead:
            return lead.expandtabs(width) + line[len(lead) :] if " " not in lead else None
        return None if len(lead) % width else "\t" * (len(lead) // width) + line[len(lead) :]

    return _reindented(case, change)


@_kind("indentation uneven", INDENT)
def _uneven(case: Case, random: Random, form: str) -> Case | None:
    """One line of several, not the first, is quoted with another indentation."""
    r = random.randrange(len(case.regions))
    rows = case.regions[r].rows
    solid = [i for i, row in enumerate(rows) if row.sign != "+" and not is_blank(row.old)]
    if len(solid) < 2:
        return None
    i = random.choice(solid[1:])
    text = rows[i].old
    lead = random.choice(["", " ", "  ", "    "])
    fresh = lead + text if lead else text[1:] if text[0] in " \t" else " " + text
    # In a patch the blank may be a sign, or stand behind one, which explains it.
    return _put(case, r, i, [_with(rows[i], fresh)], is_false=form in REPLACING)


@_kind("first line not indented", INDENT, REPLACING)
def _first_line(case: Case, _random: Random, _form: str) -> Case | None:
    """The text begins where the code of its first line does."""
    rows = case.regions[0].rows
    i = next((i for i, row in enumerate(rows) if row.sign != "+"), 0)
    first = next((i for i, row in enumerate(rows) if row.sign != "-"), i)
    made = case
    for index in {i, first}:
        text = _text_of(rows[index])
        if is_blank(text):
            return None
        row = rows[index]
        if index == i and index != first and row.sign == " ":
            fresh: Row = Row(" ", text.lstrip(" \t"), row.new, row.want)
        else:
            fresh = _with(row, text.lstrip(" \t"))
        made = _put(made, 0, index, [fresh])
    return None if made == case else made


# Transport


def _numbered_as(style: int, number: int, width: int) -> str:
    return (f"{number:>{width}}\t", f"{number:>{width}}→", f"{number:>{width}} | ",
            f"{number:>{width}}: ", f"{number}|")[style]  # fmt: skip


@_kind("line numbers pasted", TRANSPORT)
def _numbers(case: Case, random: Random, form: str) -> Case | None:
    style = random.randrange(5)
    width = random.choice([1, 6])
    is_renumbered, is_bare = random.random() < 0.5, random.random() < 0.5
    shape = re.compile(r" *\d+(\t|→| ?\||:)")
    regions = []
    for region in case.regions:
        rows, old, new = [], region.at, region.at
        for row in region.rows:
            if row.sign == "+" and shape.match(row.new):
                return None
            if row.sign != "+":
                old += 1
            if row.sign != "-":
                new += 1
            head = _numbered_as(style, old, width)
            if row.sign == " ":
                later = _numbered_as(style, new, width) if is_renumbered else head
                if form in PATCHES:
                    later = head
                rows.append(Row(" ", head + row.old, later + row.new, row.want))
            elif row.sign == "-":
                rows.append(removed(head + row.old))
            elif row.sign == "~":
                return None
            else:
                later = "" if is_bare else _numbered_as(style, new, width)
                rows.append(Row("+", "", later + row.new, row.want))
        regions.append(Region(region.at, tuple(rows), region.is_false))
    return replace(case, regions=tuple(regions))


def _transported(case: Case, change: Callable[[str], str]) -> Case | None:
    """Return the case with all texts changed; where no old text is, the new one is meant so."""
    regions = []
    for region in case.regions:
        rows = [
            Row(
                row.sign,
                change(row.old) if row.sign != "+" else "",
                change(row.new) if row.sign != "-" else "",
                row.want,
            )
            for row in region.rows
        ]
        is_seen = any(one.old != row.old for one, row in zip(rows, region.rows, strict=True))
        if not is_seen:
            rows = [
                Row(r.sign, r.old, r.new, change(r.want) if r.sign == "+" else r.want) for r in rows
            ]
        regions.append(Region(region.at, tuple(rows), region.is_false))
    made = replace(case, regions=tuple(regions))
    return None if made == case else made


_ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;"))


@_kind("HTML entities", TRANSPORT)
def _entities(case: Case, random: Random, _form: str) -> Case | None:
    most = random.choice([3, 4, 5])

    def change(text: str) -> str:
        for plain, entity in _ENTITIES[:most]:
            text = text.replace(plain, entity)
        return text

    return _transported(case, change)


@_kind("quotes escaped", TRANSPORT)
def _quotes(case: Case, random: Random, _form: str) -> Case | None:
    signs = random.choice(['"', "'", "\"'"])
    if any(re.search(r"\\[\"']", _text_of(row)) for region in case.regions for row in region.rows):
        return None
    return _transported(case, lambda text: re.sub(f"([{signs}])", r"\\\1", text))


# Writing: flags that the formats know

_flag("edit with CRLF")
_flag("code fence around", REPLACING)
_flag("blank lines around", (SINGLE, SEVERAL))
_flag("over-escaped", (SINGLE,))
_flag("final line end differs", (SINGLE,))
_flag("output cut", (BLOCKS, CODEX))
_flag("prose around", (BLOCKS, CODEX, UNIFIED))
_flag("context without its blank", PATCHES)
_flag("extra blank behind signs", PATCHES)
_flag("less context", PATCHES)
_flag("anchor", (CODEX,))
_flag("two anchors", (CODEX,))
_flag("wrong anchor", (CODEX,))
_flag("unknown anchor", (CODEX,))
_flag("end of file marked", (CODEX,))
_flag("wrong line numbers", PATCHES)
_flag("no line numbers", (UNIFIED,))
_flag("git header", (UNIFIED,))
_flag("names without prefix", (UNIFIED,))
_flag("sent twice")

CONTRARY = (
    {"less context", "removed line misremembered"},
    {"placeholder in new text", "over-escaped"},
    {"context without its blank", "extra blank behind signs"},
    {"region twice in the file", "sent twice"},
    {"HTML entities", "quotes escaped"},
    {"HTML entities", "less context"},
    {"quotes escaped", "less context"},
    {"a sibling's line quoted", "less context"},
    {"HTML entities", "placeholder in new text"},
    {"quotes escaped", "placeholder in new text"},
    {"indentation shifted", "line numbers pasted"},
    {"indentation shifted", "tabs for blanks or blanks for tabs"},
    {"indentation dropped", "tabs for blanks or blanks for tabs"},
    {"line numbers pasted", "over-escaped"},
    {"region twice in the file", "anchor"},
    {"region twice in the file", "two anchors"},
    {"a sibling's line quoted", "context without its blank"},
    {"typographic", "line too many"},
    {"indentation shifted", "less context"},
    {"blanks at line ends", "final line end differs"},
    {"typographic", "line left out"},
    {"sent twice", "less context"},
    {"less context", "wrong anchor"},
    {"comment paraphrased", "indentation uneven"},
    {"identifier misremembered", "indentation uneven"},
    {"region twice in the file", "wrong line numbers"},
    {"less context", "wrong line numbers"},
    {"less context", "anchor"},
    {"less context", "two anchors"},
    {"indentation dropped", "final line end differs"},
    {"two lines swapped", "lines left out: ..."},
    {"region twice in the file", "wrong anchor"},
    {"a sibling's line quoted", "lines left out: ..."},
    {"identifier misremembered", "line too many"},
    {"comment paraphrased", "line too many"},
    {"wanted state in context", "line too many"},
    {"typographic", "final line end differs"},
    {"blanks at line ends", "over-escaped"},
    {"typographic", "over-escaped"},
    {"first line not indented", "over-escaped"},
    {"final line end differs", "over-escaped"},
    {"indentation shifted", "over-escaped"},
    {"indentation dropped", "over-escaped"},
    {"tabs for blanks or blanks for tabs", "over-escaped"},
    {"extra blank behind signs", "less context"},
    {"line too many", "line left out"},
    {"indentation dropped", "extra blank behind signs"},
    {"indentation shifted", "extra blank behind signs"},
    {"end of file marked", "less context"},
    {"indentation shifted", "first line not indented"},
    {"indentation dropped", "first line not indented"},
    {"indentation dropped", "line numbers pasted"},
    {"indentation dropped", "less context"},
    {"indentation uneven", "first line not indented"},
    {"indentation shifted", "context without its blank"},
    {"indentation dropped", "context without its blank"},
    {"tabs for blanks or blanks for tabs", "less context"},
    {"two lines swapped", "less context"},
    {"two lines swapped", "line left out"},
    {"indentation uneven", "less context"},
    {"lines left out: ...", "final line end differs"},
    {"context without its blank", "line left out"},
    {"removed line misremembered", "wanted state in context"},
    {"context without its blank", "line too many"},
    {"context without its blank", "blank line too many"},
    {"context without its blank", "context of another file"},
    {"context without its blank", "indentation uneven"},
    {"context without its blank", "file changed at the place"},
)
"""Pairs of which nobody could tell what is meant, or that undo each other."""


def expected(case: Case) -> str:
    """Return the text as it should become, with line ends as `Ends` leaves them open: plain."""
    lines = contents(case.text)
    out: list[str] = []
    done = 0
    for region in sorted(case.regions, key=lambda each: each.at):
        out += lines[done : region.at]
        done = region.at
        for row in region.rows:
            if row.sign == "+":
                out.append(row.want)
            elif row.sign == " ":
                out.append(lines[done] if row.old == row.new else row.want)
                done += 1
            elif row.sign == "-":
                done += 1
    out += lines[done:]
    is_ended = case.text.endswith("\n")
    return "\n".join(out) + "\n" * (is_ended and bool(out))
