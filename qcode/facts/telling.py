"""Facts as text: for the model in a few lines, for a person as a list."""

from __future__ import annotations

from collections.abc import Sequence

from qcode.facts.store import Fact
from qcode.manifests import PURPOSES
from qcode.prompts import load

LINES = 20
"""Told to the model at most."""
EACH = 6
"""Of one purpose."""


def told(facts: Sequence[Fact]) -> str:
    """Return what the model is told; nothing if nothing is known."""
    lines: list[str] = []
    for purpose in PURPOSES:
        known = [fact for fact in facts if fact.purpose == purpose]
        # What a person wrote down, then what passed, then the shortest: it says the most.
        known.sort(key=lambda f: (not f.kept, not f.passed, len(f.command)))
        lines += [_line(fact) for fact in known[:EACH]]
    return load("facts/known", facts="\n".join(lines[:LINES])) if lines else ""


def _line(fact: Fact) -> str:
    words = [_outcome(fact)] if fact.last else []
    if fact.last and fact.seconds >= 1:
        words.append(f"takes about {fact.seconds:.0f} s")
    if fact.flaky:
        words.append("flaky: it passed and failed on the same files")
    if fact.kept:
        words.append("the person says so")
    command = " ".join(fact.command.split()).replace("`", "'")
    return f"- {fact.purpose}: `{command}`" + (f" ({'; '.join(words)})" if words else "")


def _outcome(fact: Fact) -> str:
    return f"{fact.last} the last time" if fact.passed else "has only failed so far"


def listed(facts: Sequence[Fact], valid: Sequence[Fact]) -> str:
    """Return the facts for a person, numbered from 1; those that hold no more are marked."""
    if not facts:
        return "nothing is known yet: tests, checks and builds that are run in sessions are noted"
    rows = []
    for number, fact in enumerate(facts, 1):
        words = [f"{fact.passed} passed, {fact.failed} failed"] if fact.last else []
        if fact.last:
            words.append(f"{fact.seconds:g} s")
        words += ["flaky"] if fact.flaky else []
        words.append("yours" if fact.kept else f"{fact.date}, session {fact.session}")
        words += [] if fact in valid else ["expired"]
        rows.append(f"  {number}. {fact.purpose}: {fact.command}  ({'; '.join(words)})")
    return "\n".join(rows)
