"""`make edits`: edits of real files with the faults that models make; none may be made wrong.

    make edits ARGS="--n 20000"
    python evals/bench_edits.py --n 100000 --seed 7 --jobs 2 --from DIR

Each case takes a file and an edit of it whose right result is known, puts one or two
kinds of noise on it, and writes it in one of the formats. The engine may make the right
result of it, or refuse. The table counts both, and what is neither; the exit code is 1
if there is any. `--show N` prints cases of the latter as vectors.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random

from qcode.evals.edits_material import Region, contents, is_blank, places, plan, sources
from qcode.evals.edits_noise import (
    CONTRARY,
    FILE,
    FORMS,
    INDENT,
    KINDS,
    PATCHES,
    PLACE,
    SEVERAL,
    TRANSPORT,
    WORDS,
    Case,
    expected,
)
from qcode.evals.edits_writing import Written, is_right, run, write
from qcode.record import Record

NONE = "(none)"
RIGHT, REFUSED, WRONG = "right", "refused", "WRONG"
SLOW_S = 1.0


class Made(Record):
    """One case, what was written, and what came of it."""

    form: str
    kinds: tuple[str, ...]
    case: Case
    written: Written
    got: str | None
    verdict: str
    seconds: float
    seed: str = ""


def make(files: Sequence[tuple[str, str]], seed: str) -> Made | None:
    """Return the case that belongs to a seed, judged; None if its noise finds no hold."""
    random = Random(seed)
    form = random.choice(FORMS)
    names = [name for name, kind in KINDS.items() if form in kind.forms]
    count = random.choice([0, 1, 1, 1, 1, 2, 2, 2, 2, 2])
    chosen = sorted(random.sample(names, count), key=lambda name: KINDS[name].stage)
    is_doubly_moved = sum(KINDS[name].stage == INDENT for name in chosen) > 1
    if is_doubly_moved or any(pair <= set(chosen) for pair in CONTRARY):
        return None
    path, text = random.choice(files)
    case = Case(path, text, ())
    for name in chosen:
        if KINDS[name].stage == FILE:
            changed = KINDS[name].change(case, random, form)
            if changed is None:
                return None
            case = changed
    lines = contents(case.text)
    regions: list[Region] = []
    wanted = random.randint(2, 4) if form == SEVERAL else 2 if random.random() < 0.1 else 1
    if form == FORMS[0]:
        wanted = 1
    for _ in range(wanted):
        region = plan(lines, random, [range(r.at, r.at + len(r.old())) for r in regions])
        if region is None:
            return None
        regions.append(region)
    case = dataclasses.replace(case, regions=tuple(regions))
    stages = {KINDS[name].stage for name in chosen}
    for name in [*chosen, ""]:
        is_worded = not name or KINDS[name].stage >= TRANSPORT
        if is_worded and _is_elsewhere(case, form, stages):
            return None
        if name and KINDS[name].stage != FILE:
            changed = KINDS[name].change(case, random, form)
            if changed is None:
                return None
            case = changed
        if name and KINDS[name].stage in (PLACE, WORDS):
            now = contents(case.text)
            if any(region.is_false and _stands(now, region.old()) for region in case.regions):
                return None
            if any(
                region.is_false and "..." in map(str.strip, region.old()) for region in case.regions
            ):
                return None  # Such a line stands for others, be it in the file or not.
    written = write(case, form, random)
    if written is None:
        return None
    if "sent twice" in case.flags:
        if any(_places(contents(case.text), region.old()) > 1 for region in case.regions):
            return None  # The second edit is as good for the other place.
        first, _ = _outcome(case, written)
        if first is None:
            return None
        if INDENT in {KINDS[name].stage for name in chosen} and not _has_words(case):
            return None  # By how much a line is to be moved is not known then.
        fresh = "".join(
            row.new for region in case.regions for row in region.rows if row.sign == "+"
        )
        if not any(map(str.isalnum, fresh)):
            return None  # Nothing but a brace or blank line is added: it may be wanted twice.
        case = dataclasses.replace(case, text=first, is_stale=False, also=())
        written = Written(written.text, must_refuse=True, pairs=written.pairs)
    got, seconds = _outcome(case, written)
    if got is None:
        verdict = REFUSED
    else:
        verdict = RIGHT if is_right(case, written, got) else WRONG
    return Made(form, tuple(chosen), case, written, got, verdict, seconds, seed)


def _stands(lines: Sequence[str], old: Sequence[str]) -> bool:
    return _places(lines, old) > 0


def _places(lines: Sequence[str], old: Sequence[str]) -> int:
    """Return how often lines stand among others, but for blanks at line ends and around them."""
    there = [at for at, line in enumerate(old) if not is_blank(line)] or [0]
    solid = [line.rstrip(" \t") for line in old[there[0] : there[-1] + 1]]
    plain = [line.rstrip(" \t") for line in lines]
    size = len(solid)
    return sum(plain[at : at + size] == solid for at in range(len(plain) - size + 1))


def _is_elsewhere(case: Case, form: str, stages: set[int]) -> bool:
    """Whether what is quoted stands somewhere else but for its indentation, or reads otherwise.

    In a patch, lines whose indentation lacks one blank are those that lack their sign.
    """
    lines = contents(case.text)
    is_inexact = bool(stages & {WORDS, INDENT} or "extra blank behind signs" in case.flags)
    bare = [line.strip(" \t") for line in lines]
    for region in case.regions:
        old = region.old()
        size = len(old)
        solid = [at for at, line in enumerate(old) if not is_blank(line)] or [0]
        head, part = solid[0], [line.strip(" \t") for line in old[solid[0] : solid[-1] + 1]]
        places = [
            at for at in range(len(bare) - len(part) + 1) if bare[at : at + len(part)] == part
        ]
        if is_inexact and places and places != [region.at + head]:
            return True
        if "context without its blank" in case.flags:
            signed = [
                row.old if row.sign == "-" else row.old.removeprefix(" ")
                for row in region.rows
                if row.sign != "+"
            ]
            if any(lines[at : at + size] == signed for at in range(len(lines) - size + 1)):
                return True
        if form in PATCHES and INDENT in stages:
            raw = [
                row.old if row.sign == "-" else f" {row.old}"
                for row in region.rows
                if row.sign != "+"
            ]
            if [line.rstrip() for line in raw] == [
                line.rstrip() for line in lines[region.at : region.at + size]
            ]:
                return True
    return False


def _has_words(case: Case) -> bool:
    """Whether more than blanks is changed."""
    sides: list[list[str]] = [[], []]
    for region in case.regions:
        sides[0] += [row.old.strip() for row in region.rows if row.sign == "-" and row.old.strip()]
        sides[1] += [row.new.strip() for row in region.rows if row.sign == "+" and row.new.strip()]
    return sides[0] != sides[1]


def _outcome(case: Case, written: Written) -> tuple[str | None, float]:
    """Return what the engine makes of a case, and how long it took."""
    began = time.perf_counter()
    try:
        got = run(case, written)
    except Exception as error:  # noqa: BLE001 - whatever it is, it counts as wrong
        got = f"(raised {error!r})"
    return got, time.perf_counter() - began


def vector(made: Made) -> dict[str, object]:
    """Return a case as a vector for `tests/vectors.py edits`."""
    edit: object = made.written.text
    if not edit:
        edits = [{"old_string": old, "new_string": new} for old, new in made.written.pairs]
        edit = edits[0] if len(edits) == 1 else edits
    kinds = {"codex": "apply_patch", "diff": "unified_diff"}
    found: dict[str, object] = {
        "id": made.seed,
        "description": f"{made.form}: {' + '.join(made.kinds) or NONE}",
        "format": kinds.get(made.form, "search_replace"),
        "path": made.case.path,
        "file_before": made.case.text,
        "edit": edit,
    }
    if made.case.is_stale:
        found["snapshot"] = "another text\n"
    if made.written.must_refuse or any(region.is_false for region in made.case.regions):
        found["expected"] = {"error": "not_found"}
    else:
        found["expected"] = {"file_after": expected(made.case)}
    return found


class Count(Record):
    """What came of a number of cases."""

    verdicts: Counter[tuple[str, str, bool, str]]
    """By kind, format, whether it was alone, and verdict."""
    seconds: float
    slowest: float
    wrong: list[Made]
    slow: list[Made]


def measure(folders: Sequence[Path], seed: int, numbers: range, *, most_shown: int = 1000) -> Count:
    """Make and judge the cases of some numbers."""
    files = sources(folders, Random(f"files {seed}"))
    verdicts: Counter[tuple[str, str, bool, str]] = Counter()
    total = slowest = 0.0
    wrong: list[Made] = []
    slow: list[Made] = []
    for number in numbers:
        made = None
        for attempt in range(50):
            made = make(files, f"{seed}:{number}:{attempt}")
            if made is not None:
                break
        if made is None:
            continue
        for kind in made.kinds or (NONE,):
            verdicts[kind, made.form, len(made.kinds) < 2, made.verdict] += 1
        verdicts["total", made.form, True, made.verdict] += 1
        total += made.seconds
        slowest = max(slowest, made.seconds)
        if made.verdict == WRONG and len(wrong) < most_shown:
            wrong.append(made)
        if made.seconds > SLOW_S:
            slow.append(made)
    return Count(verdicts, total, slowest, wrong, slow)


def table(verdicts: Counter[tuple[str, str, bool, str]]) -> str:
    """Return right / refused / WRONG by kind and format, alone and with another kind."""
    rows: list[list[str]] = [["noise", *FORMS]]
    for kind in [NONE, *KINDS, "total"]:
        for alone in (True, False):
            cells = []
            for form in FORMS:
                counts = [verdicts[kind, form, alone, v] for v in (RIGHT, REFUSED, WRONG)]
                cells.append(" / ".join(map(str, counts)) if any(counts) else "")
            if any(cells):
                rows.append([kind if alone else "  … and another", *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in [*lines[:1], "  ".join("-" * w for w in widths),
                                                *lines[1:]])  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, return the exit code."""
    parser = argparse.ArgumentParser(
        prog="bench_edits.py", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--n", type=int, default=20_000, help="cases (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes (%(default)s)")
    parser.add_argument(
        "--from", dest="folders", type=Path, action="append", metavar="DIR",
        help="take files from here (the standard library and the repository)",
    )  # fmt: skip
    parser.add_argument("--show", type=int, default=5, metavar="N", help="wrong ones (%(default)s)")
    parser.add_argument("--out", type=Path, help="put all wrong ones there, as vectors")
    options = parser.parse_args(argv)
    folders = options.folders or places()
    size = -(-options.n // options.jobs)
    parts = [range(at, min(options.n, at + size)) for at in range(0, options.n, size)]
    if len(parts) < 2:
        counts = [measure(folders, options.seed, part) for part in parts]
    else:
        with ProcessPoolExecutor(options.jobs) as pool:
            waiting = [pool.submit(measure, folders, options.seed, part) for part in parts]
            counts = [each.result() for each in waiting]
    verdicts: Counter[tuple[str, str, bool, str]] = Counter()
    for count in counts:
        verdicts.update(count.verdicts)
    wrong = [made for count in counts for made in count.wrong]
    print(table(verdicts))
    total = sum(n for (kind, *_), n in verdicts.items() if kind == "total")
    seconds = sum(count.seconds for count in counts)
    slowest = max(count.slowest for count in counts)
    print(f"\n{total} cases: {len(wrong)} wrong; {1e3 * seconds / max(1, total):.2f} ms each, "
          f"slowest {slowest:.2f} s")  # fmt: skip
    for made in wrong[: options.show]:
        print(json.dumps(vector(made)))
    if options.out:
        shown = [{**vector(made), "got": made.got} for made in wrong]
        options.out.write_text("".join(json.dumps(each) + "\n" for each in shown))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
