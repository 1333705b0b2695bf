"""The ledger as the model reads it, in no more than so many tokens; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from qcode.compaction.ledger import Ledger
from qcode.compaction.meter import CHARACTERS
from qcode.record import Record

_REQUEST = 1500
"""Characters of an earlier request that stand, whatever else there is."""

Digest = Callable[[str], str]
"""What tells a file's content as it is now, in a few characters; empty: it is gone."""


class _Section(Record):
    title: str
    share: float
    """Of the room, if all sections want more than theirs."""
    rows: Sequence[str]
    urgent: Callable[[int], bool]
    """Whether a row, by its number, goes before all others."""


def render(ledger: Ledger, tokens: int, digest: Digest) -> str:
    """Return the ledger; where room lacks, the oldest and least rows are left out and counted."""
    room = int(tokens * CHARACTERS)
    sections = [section for section in _sections(ledger, digest) if section.rows]
    shares = sum(section.share for section in sections)
    blocks: dict[str, str] = {}
    # Those that need less than their share leave the rest of it to those that need more.
    for section in sorted(sections, key=lambda each: sum(map(len, each.rows)) / each.share):
        block = _fitted(section, int(room * section.share / shares))
        blocks[section.title] = block
        room -= len(block)
        shares -= section.share
    return "\n\n".join(blocks[section.title] for section in sections)


def _sections(ledger: Ledger, digest: Digest) -> Iterator[_Section]:
    earlier = [_clipped(text) for text in ledger.requests]
    yield _Section("Earlier requests", 5, [f"- {text}" for text in earlier], lambda at: at == 0)
    yield _Section("Plan", 2, [f"- {row}" for row in ledger.plan], lambda _at: False)
    failing = [f"- {name}" for name in ledger.failing]
    yield _Section("Tests failing when last run", 2, failing, lambda _at: False)
    yield _Section(
        "Files (digest of the content now)",
        4,
        [
            f"- {note.path} {digest(note.path) or 'gone'}: "
            + ", ".join(
                words
                for words in (
                    f"changed {note.times_changed}×" if note.times_changed else "",
                    f"read {note.times_read}×" if note.times_read else "",
                )
                if words
            )
            for note in ledger.files
        ],
        lambda at: bool(ledger.files[at].times_changed),
    )
    yield _Section(
        "Commands",
        4,
        [
            f"- `{_one_line(note.command)}`{f' ({note.times}×)' if note.times > 1 else ''}: "
            f"{note.outcome}"
            for note in ledger.commands
        ],
        lambda _at: False,
    )
    said = [f"- {each.text}" for each in ledger.said]
    yield _Section("Said and decided", 5, said, lambda at: ledger.said[at].is_decision)


def _fitted(section: _Section, room: int) -> str:
    room -= len(section.title) + 40
    order = sorted(range(len(section.rows)), key=lambda at: (not section.urgent(at), -at))
    taken: list[int] = []
    for at in order:
        size = len(section.rows[at]) + 1
        if size <= room:
            taken.append(at)
            room -= size
    rows = [section.rows[at] for at in sorted(taken)]
    if left_out := len(section.rows) - len(taken):
        rows.append(f"- ({left_out} more: recall)")
    return "\n".join([f"{section.title}:", *rows])


def _clipped(text: str) -> str:
    if len(text) <= _REQUEST:
        return text
    half = _REQUEST // 2
    return f"{text[:half]} […] {text[-half:]}"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 160 else f"{line[:157]}…"
