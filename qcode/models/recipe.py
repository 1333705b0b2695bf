"""A way of serving a model, as records: what to run, whether it fits, what to expect."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from types import MappingProxyType

from qcode.record import Record


class Command(Record):
    """One command line."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = MappingProxyType({})

    def line(self) -> str:
        """Return it as a shell takes it."""
        before = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*before, shlex.join(self.argv)])

    def lines(self, width: int = 96) -> str:
        """Return it over as many lines as it takes, an option and its value together."""
        groups = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        for word in self.argv:
            follows = groups and groups[-1].startswith("-") and " " not in groups[-1]
            if follows and not word.startswith("-"):
                groups[-1] += f" {shlex.quote(word)}"
            else:
                groups.append(shlex.quote(word))
        rows = [""]
        for group in groups:
            if rows[-1] and len(rows[-1]) + len(group) + 3 > width:
                rows.append(f"  {group}")
            else:
                rows[-1] += f" {group}" if rows[-1] else group
        return " \\\n".join(rows)


class Recipe(Record):
    """How one server serves one model on one machine."""

    server: str
    """`llama.cpp`, `vLLM`, `SGLang`, `Ollama` or `LM Studio`."""
    fits: bool
    why: str
    """That it fits and how, or what would be needed: one line."""
    commands: tuple[Command, ...] = ()
    """To be run in this order; none where it does not fit."""
    use: Command | None = None
    """How qcode is told of it."""
    install: str = ""
    quantisation: str = ""
    context: int | None = None
    """Tokens."""
    weights_gb: float | None = None
    cache_gb: float | None = None
    """Of keys and values, for all of the context."""
    needed_gb: float | None = None
    """Memory, wherever it is; what would be needed at least where it does not fit."""
    tokens_per_second: float | None = None
    """Written, an estimate; see `qcode.models.speed`."""
    notes: tuple[str, ...] = ()
