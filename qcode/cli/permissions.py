"""`/permissions`: the rules in force, each with where it is from; remembering and forgetting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import config, paths, remembered
from qcode.cli.settings import PROJECT_FILES
from qcode.errors import UsageError
from qcode.record import replace
from qcode.rules import parse, rules_of

if TYPE_CHECKING:
    from qcode.agent import Agent
    from qcode.session import Session

REMEMBERED = "remembered for this workspace"
_LISTS = ("deny", "ask", "allow")
"""In the order in which they win."""


def permissions(session: Session, text: str) -> str:
    """Return the rules in force; `allow RULE` remembers one, `remove NUMBER` forgets one.

    Raises:
        UsageError: it is not understood, it is no rule, or it is none that was remembered.
    """
    word, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    if not word:
        return _shown(session)
    if word == "allow" and rest:
        return _allow(session, rest)
    if word == "remove" and rest:
        return _remove(session, rest)
    raise UsageError(
        f"`/permissions` does not know `{text.strip()}`",
        hint="`/permissions allow RULE`, `/permissions remove NUMBER`",
    )


def listed(agent: Agent) -> list[tuple[str, str]]:
    """Return each rule with its kind, in the order in which they are numbered."""
    return [(kind, rule.text) for kind in _LISTS for rule in getattr(agent.rules, kind)]


def _shown(session: Session) -> str:
    agent = session.agent
    where = _origins(session)
    rows = [
        f"{number:>4}. {kind:<6} {rule}  ({where.get((kind, rule), 'an option, or this session')})"
        for number, (kind, rule) in enumerate(listed(agent), 1)
    ]
    lines = [f"mode: {agent.mode}; deny wins over ask, ask over allow"]
    lines += rows or ["no rules: the mode alone decides"]
    if agent.allowed:
        lines.append(f"allowed until the end of the session, word for word: {len(agent.allowed)}")
    return "\n".join(lines)


def _origins(session: Session) -> Mapping[tuple[str, str], str]:
    """Return by kind and text where a rule stands; the last place wins."""
    root = session.agent.context.workspace.root
    user_file = paths.config_dir() / "config.toml"
    found: dict[tuple[str, str], str] = {}
    for file, name in [
        *((root / name, name) for name in PROJECT_FILES),
        (user_file, str(user_file)),
    ]:
        values = config.read(file)
        for kind in _LISTS:
            rules = values.get(kind)
            for rule in rules if isinstance(rules, list) else ():
                found[kind, str(rule)] = name
    for rule in remembered.load(_file(), root):
        found["allow", rule] = REMEMBERED
    return found


def _file() -> Path:
    return paths.config_dir() / "rules.toml"


def _allow(session: Session, text: str) -> str:
    rule = parse(text)
    _, warnings = rules_of([rule.text])
    if warnings:
        raise UsageError(warnings[0])
    agent = session.agent
    if rule.text not in [each.text for each in agent.rules.allow]:
        agent.rules = agent.rules.allowing([rule.text])
    _write(lambda: remembered.add(_file(), agent.context.workspace.root, [rule.text]))
    return f"allowed here from now on: {rule.text}"


def _remove(session: Session, which: str) -> str:
    agent = session.agent
    rules = listed(agent)
    if which.rstrip(".").isdecimal():
        number = int(which.rstrip("."))
        if not 0 < number <= len(rules):
            raise UsageError(f"there is no rule {number}", hint="`/permissions` numbers them")
        kind, text = rules[number - 1]
    else:
        kind, text = "allow", which
    where = _origins(session).get((kind, text))
    is_known = (kind, text) in rules
    if where is None and not (is_known and kind == "allow"):
        raise UsageError(
            f"there is no remembered rule `{text}`", hint="`/permissions` lists what is in force"
        )
    if where not in (None, REMEMBERED):
        raise UsageError(f"`{text}` stands in {where}", hint="take it out there")
    if where == REMEMBERED:
        root = agent.context.workspace.root
        _write(lambda: remembered.remove(_file(), root, text))
    left = tuple(rule for rule in agent.rules.allow if rule.text != text)
    agent.rules = replace(agent.rules, allow=left)
    return f"no longer allowed: {text}"


def _write(change: Callable[[], None]) -> None:
    try:
        change()
    except OSError as error:
        raise UsageError(f"`{_file()}` cannot be written: {error.strerror}") from error
