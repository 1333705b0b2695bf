"""What a task says of how it is to be done, where a small model does not hear it. Pure.

English alone: other languages say nothing here, and all is left to the model.
"""

from __future__ import annotations

import re

from qcode.record import Record
from qcode.repomap.standing import is_test
from qcode.showing.choosing import paths_in

_CHANGE = r"(?:chang|edit|modif|touch|alter|rewrit)\w*"
_WHAT = r"(?P<what>(?:[^.;!?\n]|\.(?=\w)){1,80}?)"
_END = r"(?=[.;!?)\n](?:\s|$)|[.;!?)]?$|,)"
_KEEPS = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        rf"\b(?:do not|don't|never|must not|without|not to|may not)\s+{_CHANGE}\s+{_WHAT}{_END}",
        rf"(?:^|[.;,]\s+){_WHAT}\s+(?:must|may|should|can)\s?not\s+be\s+{_CHANGE}",
        rf"\bleave\s+{_WHAT}\s+(?:as (?:it|they) (?:is|are)|unchanged|untouched|alone)\b",
        r"[,(]\s*not\s+(?:in\s+)?(?:the\s+)?(?P<what>[\w./-]*\w)",
    )
)
_ALL = re.compile(r"\b(?:any|all|the|a)\s+(?:files?|code)\b|\banything\b", re.IGNORECASE)
_TESTS = re.compile(r"\btests?\b", re.IGNORECASE)
_TESTS_CHANGE = re.compile(
    r"\b(?:update|adapt|rewrite|extend|add|write|change|rename|move)\b[^.\n]{0,40}\btests?\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\s*(?:which|what|where|why|who|whose|when|how|does|do|is|are|explain|describe|tell me"
    r"|summari[sz]e)\b",
    re.IGNORECASE,
)
_ORDERS = re.compile(
    r"(?:[.!?;,:]\s+|\b(?:please|then|and|so|you)\s+)(?:fix|add|change|make|write|implement|remove"
    r"|delete|rename|update|create|correct|refactor|move|replace|set|let)\b",
    re.IGNORECASE,
)
"""Something to be done, behind a question."""
_REMOVES = re.compile(r"\b(?:remove|delete|drop)\b[^.\n]{0,60}\b(?:file|module)\b", re.IGNORECASE)
_STARTS = re.compile(
    r"\b(?:when|if|once)\s+(?:it\s+is\s+|it's\s+)?(?:run|started|executed)\b"
    r"|\b(?:script|program|command[- ]line|cli)\b",
    re.IGNORECASE,
)
_MAKES = re.compile(
    r"\b(?:add|implement|create|write|introduce|rename|move|extract|split|port|convert)\b",
    re.IGNORECASE,
)
_MOVES = re.compile(r"\b(?:move|extract|split)\b", re.IGNORECASE)
_MAY_BE_DONE = re.compile(
    r"\b(?:fix|change|correct|mend|repair)\b[^.;\n]{0,60}\bif (?:that|this|it)(?: is|'s) "
    r"(?:so|true|the case)\s*(?:[.,;:)!]|$)|\bchange nothing(?! else)\b"
    r"|\bif (?:the|this|it)\b[^.;\n]{0,40}\balready (?:right|correct|fine|works?|done)\b",
    re.IGNORECASE,
)
_EACH = re.compile(r"\b(?:all|each|every|everywhere)\b", re.IGNORECASE)
_QUOTED = re.compile(r"`([^`\n]{3,120})`")
_RUNS = re.compile(
    r"(?:(?:python3?|node|ruby|php|deno run|bun run|npm run)(?= )|make|pytest|tox|npm test"
    r"|cargo (?:test|run|build|check)|go (?:test|run|build|vet)|\./[\w./-]+)(?: [\w./:=@,+-]+)*"
)


class Wishes(Record):
    """What was asked besides the task itself."""

    is_question: bool = False
    keeps_all: bool = False
    """No file is to be changed."""
    keeps_tests: bool = False
    changes_tests: bool = False
    """Tests are to be changed, or written."""
    keeps: tuple[str, ...] = ()
    """Files that are to stay, as they are named."""
    removes: bool = False
    """A file is to go."""
    makes: bool = False
    """Something is to be there, or elsewhere, that is not yet."""
    moves: bool = False
    """Something goes from one file to another."""
    starts: bool = False
    """What is written is a program, not what another one uses."""
    may_be_done: bool = False
    """It may be that nothing has to change."""
    commands: tuple[str, ...] = ()
    """That it quotes, and that run something of the project."""


def read(task: str) -> Wishes:
    """Return what a task says."""
    kept = [match["what"] for pattern in _KEEPS for match in pattern.finditer(task)]
    positive = task
    for text in kept:
        positive = positive.replace(text, " ")
    keeps_all = any(_ALL.fullmatch(text.strip()) for text in kept)
    return Wishes(
        is_question=_is_question(task, keeps_all=keeps_all),
        keeps_all=keeps_all,
        keeps_tests=any(_TESTS.search(text) and not paths_in(text) for text in kept),
        changes_tests=_TESTS_CHANGE.search(positive) is not None,
        keeps=tuple(dict.fromkeys(path for text in kept for path in paths_in(text))),
        removes=_REMOVES.search(task) is not None,
        makes=_MAKES.search(positive) is not None,
        moves=_MOVES.search(positive) is not None,
        may_be_done=_MAY_BE_DONE.search(task) is not None,
        starts=_STARTS.search(task) is not None,
        commands=tuple(
            command for command in _QUOTED.findall(task) if _RUNS.fullmatch(command.strip())
        ),
    )


def wishes_all(task: str) -> bool:
    """Whether a task is about all files of a kind."""
    return _EACH.search(task) is not None


def refusal(wishes: Wishes, path: str, *, is_measure: bool) -> str:
    """Return why a file, relative to the workspace, is not to be changed; empty: it may be.

    `is_measure`: whether the task is done when tests pass, so that they stay as they are.
    """
    if wishes.keeps_all:
        return "The task says to change no file. Answer in words."
    if any(path == kept or path.endswith(f"/{kept}") for kept in wishes.keeps):
        return f"The task says not to change {path}. Change other files."
    if is_test(path) and (wishes.keeps_tests or (is_measure and not wishes.changes_tests)):
        return f"{path} is a test, and stays as it is. Change the code that it tests."
    return ""


def _is_question(task: str, *, keeps_all: bool) -> bool:
    first = task.strip().partition("\n")[0]
    asks = _ASKS.match(first) is not None and "?" in first
    return keeps_all or (asks and _ORDERS.search(task) is None)
