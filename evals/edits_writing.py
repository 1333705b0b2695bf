"""An edit as a model writes it, in each format; and the results that are right for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from random import Random

from qcode.editing import patch
from qcode.editing.outcome import Refused
from qcode.editing.replace import Replacement, replace
from qcode.evals.edits_material import (
    Region,
    contents,
    indentation,
    is_blank,
    split,
)
from qcode.evals.edits_noise import BLOCKS, CODEX, REPLACING, Case
from qcode.record import Record


class Written(Record):
    """What the engine is given."""

    text: str
    """The patch; empty for calls of search and replace."""
    must_refuse: bool = False
    pairs: tuple[tuple[str, str], ...] = ()
    """Old and new texts, where the format has such."""
    is_placed: bool = False
    """Whether something besides the lines says where they are."""


class _Files:
    """One file, as the engine's source."""

    def __init__(self, case: Case) -> None:
        self._case = case

    def read(self, path: str) -> str | None:
        return self._case.text if path == self._case.path else None

    def similar(self, path: str) -> Sequence[str]:
        return ()

    def changed_since_seen(self, path: str) -> bool:
        return self._case.is_stale


def write(case: Case, form: str, random: Random) -> Written | None:
    """Return a case in a format; None if it cannot be written so."""
    if "less context" in case.flags and any(region.is_false for region in case.regions):
        return None  # What is false might be left out.
    if form not in REPLACING:
        return _codex(case, random) if form == CODEX else _unified(case, random)
    ends = "\n" if form == BLOCKS or random.random() < 0.5 else ""
    pairs: list[tuple[str, str]] = []
    for region in case.regions:
        old, new = region.old(), region.new()
        end = ends or "\n" * (old[-1] == "" or new[-1:] == [""] or not new)
        pairs.append(("\n".join(old) + end, "\n".join(new) + end if new else ""))
    if "code fence around" in case.flags:
        fence = random.choice(["```", "```python", "~~~"])
        pairs = [(_fenced(old, fence), _fenced(new, fence)) for old, new in pairs]
    if "blank lines around" in case.flags:
        head, tail = "\n" * random.randint(0, 2), "\n" * random.randint(1, 2)
        pairs = [(head + o.rstrip("\n") + "\n" + tail, head + n.rstrip("\n") + "\n" + tail)
                 for o, n in pairs]  # fmt: skip
        for region in case.regions:
            if any(is_blank(text) for text in (*region.old()[::len(region.old()) - 1 or 1],
                                               *region.new()[-1:], *region.new()[:1])):  # fmt: skip
                return None
    must_refuse = case.must_refuse
    if "over-escaped" in case.flags:
        pairs = [(_escaped(o), _escaped(n)) for o, n in pairs]
    if "final line end differs" in case.flags:
        o, n = pairs[0]
        pairs = [(o.removesuffix("\n") if o.endswith("\n") else o + "\n", n)]
        if not n or not case.text.endswith("\n"):
            return None
    if "edit with CRLF" in case.flags:
        pairs = [(o.replace("\n", "\r\n"), n.replace("\n", "\r\n")) for o, n in pairs]
    if form != BLOCKS:
        return Written("", must_refuse, tuple(pairs))
    text = _blocks(case.path, pairs, random)
    if "prose around" in case.flags:
        text = f"Here is the change you asked for:\n\n{text}\n\nIt should work now.\n"
    if "output cut" in case.flags:
        text = text[: random.randrange(text.rindex("SEARCH"), text.rindex(" REPLACE"))]
        must_refuse = True
    if "edit with CRLF" in case.flags:
        text = re.sub("\r?\n", "\r\n", text)
    return Written(text, must_refuse, tuple(pairs))


def _fenced(text: str, fence: str) -> str:
    return f"{fence}\n{text.removesuffix(chr(10))}\n{fence[:3]}\n" if text else text


def _escaped(text: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    return text


def _blocks(path: str, pairs: Sequence[tuple[str, str]], random: Random) -> str:
    width = random.choice([7, 7, 5, 9])
    is_fenced = random.random() < 0.3
    out = []
    for number, (old, new) in enumerate(pairs):
        head = f"{path}\n" if number == 0 or random.random() < 0.5 else ""
        block = f"{'<' * width} SEARCH\n{old}{'=' * width}\n{new}{'>' * width} REPLACE\n"
        out.append(head + (f"```\n{block}```\n" if is_fenced else block))
    return "\n".join(out)


def _rows(case: Case, region: Region, random: Random, *, is_codex: bool) -> list[str]:
    rows = list(region.rows)
    if "less context" in case.flags:
        least = 0 if any(row.sign == "-" for row in rows) else 1
        while sum(r.sign != "+" for r in rows) > least and rows[0].sign == " ":
            del rows[0]
        while sum(r.sign != "+" for r in rows) > least and rows[-1].sign == " ":
            del rows[-1]
        if all(is_blank(row.old) for row in rows if row.sign != "+"):
            return []
    out = []
    extra = " " * ("extra blank behind signs" in case.flags)
    for row in rows:
        text = row.new if row.sign == "+" else row.old
        sign = " " if row.sign == "~" else row.sign
        if sign == " " and not text and random.random() < 0.5:
            out.append("")
        elif sign == " " and "context without its blank" in case.flags:
            out.append(text)
        else:
            out.append(sign + (extra if text else "") + text)
    if is_codex and "end of file marked" in case.flags:
        out.append("*** End of File")
    return out


def _codex(case: Case, random: Random) -> Written | None:
    lines = contents(case.text)
    out = [f"*** Update File: {case.path}"]
    must_refuse = case.must_refuse
    for region in sorted(case.regions, key=lambda each: each.at):
        rows = _rows(case, region, random, is_codex=True)
        if not rows:
            return None
        anchors: list[str] = []
        if "anchor" in case.flags or "two anchors" in case.flags:
            anchors = _enclosing(lines, region.at)
            if not anchors:
                return None
            anchors = anchors[-2:] if "two anchors" in case.flags else anchors[-1:]
        if "unknown anchor" in case.flags:
            anchors = ["def nobody_wrote_this(self, argument):"]
        if "wrong anchor" in case.flags:
            wrong = _elsewhere(lines, region, random)
            if wrong is None:
                return None
            anchors, must_refuse = [wrong], True
        if anchors:
            out += [f"@@ {anchor}" for anchor in anchors]
        elif "wrong line numbers" in case.flags:
            out.append(f"@@ -{random.randint(1, 900)},7 +{random.randint(1, 900)},7 @@")
        else:
            out.append("@@")
        out += rows
    text = "\n".join(["*** Begin Patch", *out, "*** End Patch"])
    if "prose around" in case.flags:
        text = f"I will apply this:\n```\n{text}\n```\nDone.\n"
    if "output cut" in case.flags:
        text = text[: random.randrange(text.index("@@"), text.rindex(" Patch"))]
        must_refuse = True
    if "edit with CRLF" in case.flags:
        text = re.sub("\r?\n", "\r\n", text)
    is_placed = bool(case.flags & {"anchor", "two anchors", "wrong anchor"})
    return Written(text, must_refuse, is_placed=is_placed)


def _enclosing(lines: Sequence[str], at: int) -> list[str]:
    """Return the lines that open the blocks around an index, outermost first."""
    found: list[str] = []
    depth = next((len(indentation(x).expandtabs(4)) for x in lines[at:] if not is_blank(x)), 0)
    for line in reversed(lines[:at]):
        here = len(indentation(line).expandtabs(4))
        if here < depth and not is_blank(line):
            if not any(map(str.isalnum, line)) or line.strip() != line.strip(" \t"):
                break
            found.insert(0, line.strip())
            depth = here
    return found


def _elsewhere(lines: Sequence[str], region: Region, random: Random) -> str | None:
    """Return a line that stands once and opens a block that the region is not in."""
    spots = []
    for at in range(len(lines) - 1):
        line = lines[at]
        depth = len(indentation(line).expandtabs(4))
        if not re.match(r"\s*(def|class|func|fn|function|impl) ", line):
            continue
        if is_blank(lines[at + 1]) or len(indentation(lines[at + 1]).expandtabs(4)) <= depth:
            continue
        end = next((i for i in range(at + 1, len(lines)) if not is_blank(lines[i])
                    and len(indentation(lines[i]).expandtabs(4)) <= depth
                    and lines[i].strip()[:1].isalpha()), len(lines))  # fmt: skip
        if end < region.at or at > region.at + len(region.old()):
            spots.append(line.strip())
    spots = [s for s in spots if sum(x.strip().startswith(s) for x in lines) == 1]
    return random.choice(spots) if spots else None


def _unified(case: Case, random: Random) -> Written | None:
    prefix = ("", "") if "names without prefix" in case.flags else ("a/", "b/")
    out = []
    if "git header" in case.flags:
        out += [f"diff --git a/{case.path} b/{case.path}", "index 83db48f..bf269f4 100644"]
    stamp = random.choice(["", "", "\t2024-01-01 10:00:00 +0000"])
    out += [f"--- {prefix[0]}{case.path}{stamp}", f"+++ {prefix[1]}{case.path}{stamp}"]
    total = len(contents(case.text))
    shift = 0
    for region in sorted(case.regions, key=lambda each: each.at):
        rows = _rows(case, region, random, is_codex=False)
        if not rows:
            return None
        old, new = len(region.old()), len(region.new())
        skipped = 0
        if "less context" in case.flags:
            skipped = next((i for i, row in enumerate(region.rows) if row.sign != " "), 0)
            if rows and rows[0][:1] in ("", " "):
                skipped -= 1
        at = region.at + 1 + skipped
        if "wrong line numbers" in case.flags:
            at = random.randint(1, total + 50)
            old, new = random.randint(0, 9), random.randint(1, 9)
        name = random.choice(["", "", " def other_function(self):"])
        if "no line numbers" in case.flags:
            out.append(random.choice(["@@", "@@ ... @@"]))
        else:
            out.append(f"@@ -{at},{old} +{at + shift},{new} @@{name}")
        shift += new - old
        out += rows
        if region.at + old == total and not case.text.endswith("\n") and random.random() < 0.5:
            out = _marked(out)
    text = "\n".join(out) + "\n"
    if "prose around" in case.flags:
        text = f"The fix:\n\n```diff\n{text}```\n\nThat is all.\n"
    if "edit with CRLF" in case.flags:
        text = re.sub("\r?\n", "\r\n", text)
    return Written(text, case.must_refuse)


def _marked(rows: list[str]) -> list[str]:
    r"""Return a diff's rows with the mark for a missing line end where it belongs."""
    mark = "\\ No newline at end of file"
    if rows[-1][:1] == "+":
        for index in range(len(rows) - 1, -1, -1):
            if rows[index][:1] == "-":
                return [*rows[: index + 1], mark, *rows[index + 1 :], mark]
            if rows[index][:1] != "+":
                break
        return rows
    return [*rows, mark] if rows[-1][:1] == " " else rows


def run(case: Case, written: Written) -> str | None:
    """Return the text that the engine makes of a case; None if it refuses."""
    if written.text:
        made = patch.apply(written.text, _Files(case))
        if isinstance(made, Refused):
            return None
        if len(made) != 1 or made[0].path != case.path:
            return "(another file)"
        return made[0].after
    edited = replace(
        case.text,
        [Replacement(old, new) for old, new in written.pairs],
        changed_since_seen=case.is_stale,
    )
    return None if isinstance(edited, Refused) else edited.text


def is_right(case: Case, written: Written, got: str) -> bool:
    """Whether a result is one of those that the edit may have."""
    if got.startswith("\ufeff") != case.text.startswith("\ufeff"):
        return False
    if not _has_own_ends(case, got):
        return False
    allowed = [*case.also]
    if "elided" not in case.flags and not written.must_refuse:
        meant = _meant(case, written)
        allowed += [] if meant is None else [meant]
        if "final line end differs" in case.flags:
            # A line end in the new text alone is a blank line, as where the text stands exactly.
            ended = _meant(case, written, ends="\n")
            allowed += [] if ended is None else [ended]
    return _plain(got) in map(_plain, allowed)


def _plain(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def _has_own_ends(case: Case, got: str) -> bool:
    """Whether lines end as the file's do, and those outside of the edit as they did."""
    before = split(case.text.removeprefix("\ufeff"))
    after = split(got.removeprefix("\ufeff"))
    ends = {end for _, end in before if end}
    if len(ends) < 2:
        return {end for _, end in after if end} <= ends or not ends
    if case.also or not case.regions:
        return True
    first = min(r.at for r in case.regions)
    last = max(r.at + sum(row.sign != "+" for row in r.rows) for r in case.regions)
    tail = len(before) - last
    head = [*zip(before[:first], after[:-1][:first], strict=False)]
    foot = [*zip(before[len(before) - tail :], after[len(after) - tail :], strict=False)]
    return all(one[1] == other[1] for one, other in [*head, *foot] if one[0] == other[0])


def _meant(case: Case, written: Written, *, ends: str = "") -> str | None:
    """Return the right result in plain line ends; None if there is none.

    Text that stands in the file exactly and once is replaced there as it is given;
    other edits become what is known to be meant.
    """
    text = _plain(case.text)
    is_ended = text.endswith("\n")
    whole = text if is_ended else text + "\n"
    lines = contents(whole)
    splices: list[tuple[int, int, str]] = []
    for number, region in enumerate(case.regions):
        if written.pairs:
            literal = _literal(whole, *written.pairs[number])
        else:
            literal = None if written.is_placed else _literal_lines(lines, region)
        if literal is not None:
            splices.append(literal)
            continue
        if region.is_false:
            return None
        start, end, new = _wanted(lines, region)
        splices.append((start, end, new + ends))
    splices.sort()
    if any(one[1] > two[0] for one, two in pairwise(splices)):
        return None
    for start, end, new in reversed(splices):
        whole = whole[:start] + new + whole[end:]
    if whole and not whole.endswith("\n"):
        whole += "\n"
    return whole if is_ended or not whole else whole[:-1]


def _start(lines: Sequence[str], at: int) -> int:
    return sum(len(line) + 1 for line in lines[:at])


def _wanted(lines: Sequence[str], region: Region) -> tuple[int, int, str]:
    out: list[str] = []
    at = region.at
    for row in region.rows:
        if row.sign == "+":
            out.append(row.want)
            continue
        if row.sign != "-":
            out.append(lines[at] if row.old == row.new else row.want)
        at += 1
    return _start(lines, region.at), _start(lines, at), "".join(f"{line}\n" for line in out)


def _literal_lines(lines: Sequence[str], region: Region) -> tuple[int, int, str] | None:
    old = region.old()
    found = [at for at in range(len(lines) - len(old) + 1) if lines[at : at + len(old)] == old]
    if len(found) != 1:
        return None
    end = found[0] + len(old)
    new = "".join(f"{line}\n" for line in region.new())
    return _start(lines, found[0]), _start(lines, end), new


def _literal(text: str, old: str, new: str) -> tuple[int, int, str] | None:
    """Return the splice of an edit that stands in a text exactly and once, by the rules for it."""
    old, new = old.replace("\r\n", "\n"), new.replace("\r\n", "\n")
    at = [m.start() for m in re.finditer(f"(?={re.escape(old)})", text)] if old else []
    at = [a for a in at if not (_joined(text, a) or _joined(text, a + len(old)))]
    if len(at) != 1:
        return None
    start, end = at[0], at[0] + len(old)
    before = text[text.rfind("\n", 0, start) + 1 : start]
    if before and is_blank(before):
        # Lines quoted with too little indentation are rather shifted, unless they are replaced.
        if is_blank(old[:1]) and "\n" in new.rstrip("\n"):
            return None
        if old.endswith("\n") and not new.endswith("\n"):
            return None
        first, becomes = old.split("\n")[0], new.split("\n")[0]
        if indentation(first) != indentation(becomes) or (
            first != becomes and first in new.split("\n")
        ):
            return None
    if start == 0 or text[start - 1] == "\n":
        if not new and not old.endswith("\n") and text[end : end + 1] == "\n":
            end += 1
        elif new and old.endswith("\n") and not new.endswith("\n"):
            new += "\n"
    return start, end, new


def _joined(text: str, at: int) -> bool:
    pair = text[at - 1 : at + 1] if at else ""
    return len(pair) == 2 and all(c.isascii() and (c.isalnum() or c == "_") for c in pair)
