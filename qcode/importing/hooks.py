"""Hooks of Claude Code and Qwen Code, as entries of `[hooks]` that are told in their words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qcode.extensions.places import Maker
from qcode.hooks.hooks import EVENTS, configured
from qcode.importing.secret import has_secret
from qcode.importing.taken import One, Taken


def take_hooks(into: Taken, table: Mapping[str, Any], maker: Maker, source: str) -> None:
    """Take over what stands under `hooks`, or say why not."""
    for event in table:
        if event not in EVENTS:
            into.leave(f"hooks at {event}", "qcode has no such event", source)
    found = configured([(source, maker, False, table)])
    for problem in found.problems:
        into.leave("a hook", problem.removeprefix(f"{source}: "), source)
    for hook in found.hooks:
        if has_secret(hook.command):
            into.leave(f"a hook at {hook.event}", "there is a key or password in it", source)
            continue
        value: dict[str, Any] = {"matcher": hook.matcher} if hook.matcher else {}
        seconds = int(hook.timeout_s) if hook.timeout_s == int(hook.timeout_s) else hook.timeout_s
        value |= {"command": hook.command, "timeout": seconds, "words": maker}
        into.hooks.append(One(f"hooks.{hook.event}", value, source))
