"""What suits a model by its name: how it is told to change files, and what it is told besides.

The families are data: `prompts/families.json`, and the first that a name belongs to holds.
Each says which names it takes (`names`, `not`: regular expressions, looked for in lower
case), of which sizes (`up_to`, `from`: billions of parameters, where the name tells them),
and what differs from the usual.
"""

from __future__ import annotations

import json
import os
import re
from functools import cache
from typing import Any

import qcode.prompts
from qcode.edit_formats import DEFAULT, EditFormat
from qcode.record import Record

_SIZE = re.compile(r"(?<![a-z0-9.])(?:(\d{1,2})x)?(\d{1,4}(?:\.\d{1,2})?)b(?![a-z0-9])")
"""`1.5b`, `8x7b`; not `a3b`, the active part of a larger model."""


class Family(Record):
    """What suits some models."""

    name: str
    system: str = "system"
    """Which of the prompts is the system prompt."""
    edit_format: EditFormat = DEFAULT
    surroundings: bool = True
    """Whether the first message says where it takes place."""
    shown: bool = False
    """Whether messages come with the files that they are about (`qcode.showing`)."""
    map: bool = False
    """Whether the first message comes with a map of the repository."""


def family_of(model: str) -> Family:
    """Return the family of a model, as far as its name tells."""
    name = model.lower()
    size = billions(name)
    return next(family for row, family in _families() if _belongs(row, name, size))


def family_named(name: str) -> Family:
    """Return a family by its name; the last one, which is for all others, where there is none."""
    families = [family for _row, family in _families()]
    return next((one for one in families if one.name == name), families[-1])


def billions(model: str) -> float | None:
    """Return how many billions of parameters a model has by its name; None: it does not say."""
    found = _SIZE.findall(model.lower())
    return max((int(times or 1) * float(each) for times, each in found), default=None)


def _belongs(row: dict[str, Any], name: str, size: float | None) -> bool:
    if "names" in row and not re.search(row["names"], name):
        return False
    if "not" in row and re.search(row["not"], name):
        return False
    if "up_to" in row and (size is None or size > row["up_to"]):
        return False
    return "from" not in row or size is None or size >= float(row["from"])


@cache
def _families() -> tuple[tuple[dict[str, Any], Family], ...]:
    folder = os.path.dirname(os.path.abspath(qcode.prompts.__file__))
    with open(os.path.join(folder, "families.json"), encoding="utf-8") as file:
        rows = json.load(file)
    known = Family.__match_args__
    return tuple(
        (row, Family(**{key: value for key, value in row.items() if key in known})) for row in rows
    )
