"""Which skills there are, told before the first message: names, and as much of what they are for.

Not in the system prompt or a tool's schema: these are the same bytes in every project, so that a
server need not read them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from qcode.composing import Note, Told
from qcode.prompts import load
from qcode.record import Record
from qcode.skills.skill import Skill

_SHORTEST = 40
"""Characters of a description; less says nothing, and names alone are told."""


class Skills(Record):
    """The skills there are and what is wrong with the others."""

    all: Mapping[str, Skill]
    problems: tuple[str, ...] = ()


class SkillList:
    """Tells the model of the skills, once (a `Part` of a message)."""

    def __init__(
        self,
        find: Callable[[], Skills],
        note: Note,
        tokens: int,
        are_there: Callable[[Sequence[str]], bool] = lambda _globs: True,
        show: Callable[[Path], str] = str,
    ) -> None:
        """`are_there`: whether files of some globs are; `show` says a path as models read it."""
        self._find = find
        self._note = note
        self._tokens = tokens
        self._are_there = are_there
        self._show = show

    async def tell(self, said: str, *, is_first: bool) -> Told:
        """Tell them, and the person what is wrong with files."""
        if not is_first:
            return Told()
        found = self._find()
        for problem in found.problems:
            self._note(problem)
        return Told(before=self._told(found))

    def ahead(self) -> str:
        """Return what `tell` will say, as the files are now."""
        return self._told(self._find())

    def _told(self, found: Skills) -> str:
        skills = [
            skill
            for skill in found.all.values()
            if skill.is_for_model and (not skill.paths or self._are_there(skill.paths))
        ]
        return told(skills, self._tokens, self._show)


def told(skills: Sequence[Skill], tokens: int, show: Callable[[Path], str] = str) -> str:
    """Return the list in at most so many tokens; nothing where there are none.

    Folders are said once for all skills in them. Descriptions are cut first, all to the same
    length; then names alone are told, and at last only as many as there is room for.
    """
    if not skills:
        return ""
    places: dict[str, list[Skill]] = {}
    for skill in skills:
        places.setdefault(show(skill.folder.parent), []).append(skill)
    room = tokens * 4
    longest = max(_SHORTEST, *(len(skill.description) for skill in skills))
    while len(text := _list(places, longest)) > room and longest >= _SHORTEST:
        longest = min(longest - 1, longest * 3 // 4)
    if len(text) > room:
        text = _list(places, 0)
    left_out = 0
    while len(text) > room and places:
        last = next(reversed(places))
        places[last].pop()
        left_out += 1
        if not places[last]:
            del places[last]
        text = f"{_list(places, 0)}\n(and {left_out} more)"
    return text


def _list(places: Mapping[str, Iterable[Skill]], longest: int) -> str:
    blocks = []
    for folder, skills in places.items():
        lines = [_line(skill, longest) for skill in skills]
        blocks.append("\n".join([f"In {folder}:", *lines]))
    return load("skills/list", skills="\n".join(blocks))


def _line(skill: Skill, longest: int) -> str:
    # The folder's name is what is read by; the skill's own may differ.
    folder = skill.folder.name
    name = skill.name if folder == skill.name else f"{skill.name} ({folder})"
    if not longest:
        return f"- {name}"
    text = skill.description
    cut = text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
    return f"- {name}: {cut}"
