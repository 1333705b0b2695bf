"""What of a makefile (or justfile) a target runs, and what a change did to it; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from qcode.protection.finding import Finding
from qcode.record import Record

_RULE = re.compile(r"^(@?[^\s#:=][^#:=]*?)\s*(?:\S+=\S+\s*)*:{1,2}(?!=)\s*([^#=]*)(?:#.*)?$")
_VARIABLE = re.compile(r"^\s*(?:export\s+|override\s+)*([\w.-]+)\s*(?::{0,3}|\?|\+|!)=(.*)$")
_USED = re.compile(r"\$[({](\w+)[)}]|\{\{\s*(\w+)\s*\}\}")
_FAR_REACHING = frozenset(
    {"SHELL", ".SHELLFLAGS", "MAKEFLAGS", "GNUMAKEFLAGS", ".DEFAULT_GOAL", "MAKE"}
)
_SPECIAL = frozenset({".IGNORE", ".ONESHELL", ".SILENT", ".DEFAULT", ".POSIX"})
SWALLOWS = re.compile(
    r"\|\|\s*(?:true|:|exit 0|echo|/bin/true)|;\s*(?:true|exit 0|:)\s*$|^\s*exit 0\s*$|\bset \+e\b"
    r"|\|\s*(?:cat|tee\b.*|head\b.*|tail\b.*|grep -v\b.*)\s*$|^\s*[@+]*-",
    re.MULTILINE,
)
"""Shell text by which a failure is lost."""


class _Rule(Record):
    needs: tuple[str, ...]
    recipe: tuple[str, ...]


class Makefile(Record):
    """A makefile as far as it is understood."""

    rules: Mapping[str, _Rule]
    """By target, in their order."""
    variables: Mapping[str, str]
    other: tuple[str, ...]


def read(text: str) -> Makefile:
    """Return what a makefile says."""
    rules: dict[str, _Rule] = {}
    variables: dict[str, str] = {}
    other: list[str] = []
    current: tuple[str, ...] = ()
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith(("\t", "  ")) and current:
            if line.strip() and not line.strip().startswith("#"):
                for name in current:
                    old = rules[name]
                    rules[name] = _Rule(old.needs, (*old.recipe, "\t" + " ".join(line.split())))
            continue
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        if match := _VARIABLE.match(line):
            variables[match[1]] = f"{variables.get(match[1], '')} {match[2].strip()}".strip()
        elif match := _RULE.match(line):
            current = tuple(match[1].lstrip("@").split())
            needs, _, first = match[2].partition(";")
            for name in current:
                old = rules.get(name, _Rule((), ()))
                recipe = (*old.recipe, f"\t{first.strip()}") if first.strip() else old.recipe
                rules[name] = _Rule((*old.needs, *needs.split()), recipe)
            continue
        else:
            other.append(bare)
        current = ()
    return Makefile(rules, variables, tuple(other))


def needed(rules: Mapping[str, _Rule], targets: Sequence[str]) -> list[str]:
    """Return the targets and all that they need; without any, those of the first one."""
    first = next((name for name in rules if not name.startswith(".")), None)
    waiting = [name for name in targets if name in rules] or ([first] if first else [])
    found: dict[str, None] = {}
    while waiting:
        name = waiting.pop()
        if name not in found and name in rules:
            found[name] = None
            waiting += rules[name].needs
    return list(found)


def compare(before: str, after: str, targets: Sequence[str]) -> list[Finding]:
    """Return what a change did to what the targets run."""
    old, new = read(before), read(after)
    if not old.rules:
        return [] if before.split() == after.split() else [_changed("the file")]
    found: list[Finding] = []
    asked = needed(old.rules, targets)
    for name in asked:
        rule, now = old.rules[name], new.rules.get(name)
        direct = name in targets or (not targets and name == asked[0])
        if now is None:
            found.append(Finding("harness", f"the target `{name}` is gone"))
        elif rule != now and (direct or _loses(rule, now)):
            found.append(_changed(f"the target `{name}`", _line(after, name)))
    used = {
        one or other
        for name in asked
        for line in old.rules[name].recipe
        for one, other in _USED.findall(line)
    }
    for name in sorted(used | _FAR_REACHING):
        if old.variables.get(name) != new.variables.get(name) and (
            name in old.variables or name in _FAR_REACHING
        ):
            changed = new.variables.get(name, "")
            if name in _FAR_REACHING or _runs(old.variables[name]) or SWALLOWS.search(changed):
                found.append(_changed(f"the variable `{name}`", _line(after, name)))
    found += [
        _changed(f"`{name}`", _line(after, name))
        for name in sorted(_SPECIAL)
        if old.rules.get(name) != new.rules.get(name)
    ]
    if set(old.other) != set(new.other):
        found.append(_changed("what is included or defined"))
    if not targets and needed(new.rules, ())[:1] != asked[:1]:
        found.append(_changed("the first target"))
    return found


_RUNNERS = re.compile(
    r"pytest|unittest|tox|jest|vitest|mocha|test|rspec|phpunit|check", re.IGNORECASE
)


def _runs(value: str) -> bool:
    return bool(_RUNNERS.search(value))


def _loses(old: _Rule, new: _Rule) -> bool:
    return len(SWALLOWS.findall("\n".join(new.recipe))) > len(
        SWALLOWS.findall("\n".join(old.recipe))
    ) or any(_runs(line) for line in set(old.recipe) - set(new.recipe))


def _changed(what: str, line: int = 0) -> Finding:
    return Finding("harness", f"{what}, which the verification runs, was changed", line)


def _line(text: str, start: str) -> int:
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(start):
            return number
    return 0
