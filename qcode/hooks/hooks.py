"""What is configured: which programs, at which moments, for which calls.

The form is that of Claude Code's and Qwen Code's settings, also in qcode's TOML:

```
[[hooks.PreToolUse]]
matcher = "Bash|run_shell_command"
[[hooks.PreToolUse.hooks]]
type = "command"
command = "~/bin/check"
timeout = 10
```

In qcode's own files a rule or a hook may say `words = "claude"` or `"qwen"`: it was written for
that tool, and is told of calls in its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from qcode.extensions.places import MAKERS, Maker
from qcode.record import Record

EVENTS = (
    *("PreToolUse", "PostToolUse", "PostToolUseFailure", "PermissionRequest"),
    *("UserPromptSubmit", "SessionStart", "SessionEnd", "Stop", "SubagentStop", "PreCompact"),
    "Notification",
)
TIMEOUT_S = 60.0
_MOST_S = 600.0


class Hook(Record):
    """One program at one event."""

    event: str
    command: str
    """As a shell takes it."""
    matcher: str = ""
    """A regular expression for a whole name (of a tool, usually); empty: every one."""
    timeout_s: float = TIMEOUT_S
    maker: Maker = "qcode"
    """In whose words it is told of calls."""
    source: str = ""
    """Where it stands, for a person."""
    is_project: bool = False
    """Whether it came with the project: then it is run in the sandbox."""

    def means(self, names: Iterable[str]) -> bool:
        """Whether it is for what has one of these names."""
        if self.matcher in ("", "*"):
            return True
        return any(re.fullmatch(self.matcher, name) for name in names if name)


class Configured(Record):
    """All hooks, and what of the configuration cannot be used."""

    hooks: tuple[Hook, ...] = ()
    problems: tuple[str, ...] = ()


def configured(
    tables: Iterable[tuple[str, Maker, bool, Mapping[str, Any]]],
) -> Configured:
    """Return the hooks of some tables: each its source, whose words it has, whether it came with
    the project, and what stands under `hooks`.
    """
    hooks: list[Hook] = []
    problems: list[str] = []
    for source, maker, is_project, table in tables:
        for event, rules in table.items():
            if event not in EVENTS:
                if maker == "qcode":
                    problems.append(f"{source}: there is no hook event `{event}`")
                continue  # other tools have more, which mean nothing here
            for rule in rules if isinstance(rules, list) else (rules,):
                for made in _of(rule, event):
                    if isinstance(made, str):
                        problems.append(f"{source}: a hook at {event} is left out: {made}")
                    else:
                        hooks.append(_placed(made, source, maker, is_project=is_project))
    return Configured(tuple(hooks), tuple(problems))


def _placed(hook: Hook, source: str, maker: Maker, *, is_project: bool) -> Hook:
    from qcode.record import replace

    # Only qcode's own files say whose words they are in; another tool's are in its own.
    words = hook.maker if maker == "qcode" else maker
    return replace(hook, source=source, maker=words, is_project=is_project)


def _of(rule: Any, event: str) -> Iterable[Hook | str]:
    """Yield the hooks of a rule, or what is wrong with it."""
    if not isinstance(rule, Mapping):
        yield "it is no table"
        return
    matcher = rule.get("matcher", "")
    if not isinstance(matcher, str):
        yield "its `matcher` is no string"
        return
    try:
        re.compile(matcher if matcher != "*" else "")
    except re.error as error:
        yield f"its `matcher` `{matcher}` is no regular expression: {error}"
        return
    inner = rule.get("hooks")
    # A rule may be a hook itself: one table less to write.
    for one in inner if isinstance(inner, list) else (rule,):
        if not isinstance(one, Mapping):
            yield "it is no table"
            continue
        if one.get("type", "command") != "command":
            yield f"its type `{one.get('type')}` is not known here"
            continue
        command, limit = one.get("command"), one.get("timeout", TIMEOUT_S)
        if not isinstance(command, str) or not command.strip() or "\0" in command:
            yield "it has no `command`"
            continue
        if isinstance(limit, bool) or not isinstance(limit, int | float) or limit <= 0:
            yield f"its `timeout` {limit!r} is no number of seconds"
            continue
        words = one.get("words", rule.get("words", "qcode"))
        if words not in MAKERS:
            yield f"its `words` {words!r} are none of {', '.join(MAKERS)}"
            continue
        # Qwen Code counts milliseconds.
        seconds = limit / 1000 if limit >= 1000 else float(limit)
        maker = cast("Maker", words)
        yield Hook(event, command, matcher, min(seconds, _MOST_S), maker)
