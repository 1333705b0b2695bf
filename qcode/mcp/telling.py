"""What the model is told of the tools of servers: names first, in a bounded number of tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

CHARACTERS = 1700
"""Of the whole list: with the tool that calls them under 600 tokens of a model's, measured with
Qwen's tokenizer on names like those of common servers (3.1 characters a token at least)."""
_WORDS = 60
"""Characters of a description."""


def listed(tools: Mapping[str, Sequence[tuple[str, str]]], most: int = CHARACTERS) -> str:
    """Return the tools, a line a server or a tool; as much of them as there is room for.

    `tools` has by server each tool's name and description. With room each is told with the
    beginning of its description, with less its name alone; with still less a server's first
    names, and how many more there are.
    """
    told = {server: list(its) for server, its in tools.items() if its}
    if not told:
        return ""
    full = "\n".join(
        f"- {server}:{name}{_about(about)}" for server, its in told.items() for name, about in its
    )
    if len(full) <= most:
        return full
    names = "\n".join(_names(server, its, len(its)) for server, its in told.items())
    if len(names) <= most:
        return names
    for each in (40, 20, 12, 8, 5, 3, 1):
        some = "\n".join(_names(server, its, each) for server, its in told.items())
        if len(some) <= most:
            return some
    servers = ", ".join(f"{server} ({len(its)})" for server, its in told.items())
    return f"servers with their numbers of tools: {servers}"[:most]


def names_server(told: str, server: str) -> bool:
    """Whether a text that holds such lists names a server in one of them."""
    name = re.escape(server)
    listed_so = rf"^(- )?{name}:|\b{name} \(\d+\)"
    return "`use_tool`" in told and re.search(listed_so, told, re.MULTILINE) is not None


def _about(description: str) -> str:
    line = " ".join(description.split())
    sentence = re.split(r"(?<=[a-z0-9)])[.:;]\s|\n", line, maxsplit=1)[0].rstrip(".")
    if len(sentence) > _WORDS:
        sentence = sentence[:_WORDS].rsplit(" ", 1)[0]
    return f": {sentence}" if sentence else ""


def _names(server: str, tools: Sequence[tuple[str, str]], most: int) -> str:
    shown = ", ".join(name for name, _ in tools[:most])
    left = len(tools) - most
    more = f", and {left} more (ask for `{server}`)" if left > 0 else ""
    return f"{server}: {shown}{more}"
