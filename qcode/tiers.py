"""How much a model is told and shown, by the size of its context window.

The tiers are data: `prompts/tiers.json`, the smallest window first. Each says which tools
the model is told of, how much its tools show at once, and how many tokens of what else
is known go with the first message. All tools are understood from any model.
"""

from __future__ import annotations

import json
import os
from functools import cache

import qcode.prompts
from qcode.record import Record
from qcode.tools.sizes import Sizes

UNKNOWN = 32_768
"""The window that is assumed where nobody says one."""


class Tier(Record):
    """What suits windows of one size."""

    name: str
    up_to: int | None
    """Tokens of the largest window that it is for; None: of any."""
    tools: tuple[str, ...]
    """Names, in the order in which the model is told of them."""
    map_tokens: int
    """Of a map of the repository; 0: none."""
    memory_tokens: int
    """Of instructions that lie in files, and of what is known of the project."""
    pointed_tokens: int
    """Of what a message points at."""
    skill_tokens: int
    """Of the list of skills, and half as many of that of subagents."""
    summary_tokens: int
    """Of a summary that the model writes when room is made, where one is wanted."""
    sizes: Sizes


def tier_for(window: int | None) -> Tier:
    """Return the tier of a context window in tokens; None: it is not known."""
    size = window or UNKNOWN
    return next(tier for tier in tiers() if tier.up_to is None or size <= tier.up_to)


@cache
def tiers() -> tuple[Tier, ...]:
    """Return all tiers, the smallest first."""
    folder = os.path.dirname(os.path.abspath(qcode.prompts.__file__))
    with open(os.path.join(folder, "tiers.json"), encoding="utf-8") as file:
        rows = json.load(file)
    return tuple(
        Tier(**{**row, "tools": tuple(row["tools"]), "sizes": Sizes(**row["sizes"])})
        for row in rows
    )
