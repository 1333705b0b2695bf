"""What people added to a session: skills, commands, subagents. Loaded as far as there is any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import paths
from qcode.cli import slash
from qcode.config import Settings
from qcode.extensions.places import Place, places
from qcode.spoken import Command as Spoken

if TYPE_CHECKING:
    from qcode.agent import Agent
    from qcode.cli.chosen import Chosen
    from qcode.cli.noting import Note
    from qcode.commands.command import Command
    from qcode.composing import Part
    from qcode.session import Session
    from qcode.skills.skill import Skill
    from qcode.skills.telling import Skills
    from qcode.tiers import Tier

_FOLDERS = ("skills", "commands")
_LOOKED_AT = 2_000
"""Directories of the workspace, to know whether a skill for certain files is of use."""


def extensions_for(settings: Settings, chosen: Chosen, cwd: Path, note: Note) -> Extensions | None:
    """Return what there is for a session in a directory; None: nothing, which is soon known."""
    found = places(cwd, paths.config_dir(), Path.home(), is_trusted=settings.extensions_trusted)
    there = tuple(
        place for place in found if any((place.folder / name).is_dir() for name in _FOLDERS)
    )
    if not there:
        return None
    return Extensions(settings, chosen, there, cwd, note)


def extensions_of(session: Session) -> Extensions | None:
    """Return what was added to a session; None: nothing."""
    return next((one for one in session.commands if isinstance(one, Extensions)), None)


class Extensions:
    """What people added; each kind is looked for when it is first asked for."""

    def __init__(
        self, settings: Settings, chosen: Chosen, there: Sequence[Place], root: Path, note: Note
    ) -> None:
        self.settings = settings
        self.chosen = chosen
        self.places = tuple(there)
        self.root = root
        self.note = note
        self.session: Session | None = None

    # What there is.

    @cached_property
    def skills(self) -> Skills:
        """The skills."""
        from qcode.skills.skill import skills_in
        from qcode.skills.telling import Skills

        problems: list[str] = []
        return Skills(skills_in(self.places, problems), tuple(problems))

    @cached_property
    def skill_folders(self) -> tuple[Path, ...]:
        """The folders there are in which skills lie."""
        return tuple(p.folder / "skills" for p in self.places if (p.folder / "skills").is_dir())

    @cached_property
    def added(self) -> Mapping[str, Spoken]:
        """The commands by name; a skill goes before a command of its name.

        The person is told of what is wrong with files.
        """
        from qcode.cli.added import Added
        from qcode.commands.command import commands_in

        problems: list[str] = []
        commands = commands_in(self.places, problems)
        skills = [skill for skill in self.skills.all.values() if skill.is_for_person]
        found: dict[str, Spoken] = {}
        every: tuple[Skill | Command, ...] = (*skills, *commands.values())
        assert self.session is not None
        for what in every:
            if slash.is_own(what.name.lower()):
                problems.append(
                    f"`{what.file}` is left out: `/{what.name}` is a command of qcode; give it "
                    "another name"
                )
                continue
            one = Added(what, self.session, self._answer_by)
            found.setdefault(what.name, Spoken(one.about, one.hint, one.speak))
        for problem in problems:
            self.note(problem)
        return dict(sorted(found.items()))

    def known(self) -> Mapping[str, Spoken]:
        """Return the commands that stand for messages."""
        return self.added

    async def find(self, name: str) -> Spoken | None:
        """Return a command, in whatever letters it is written."""
        low = name.lower()
        return next((one for key, one in self.added.items() if key.lower() == low), None)

    # What it changes of a session.

    def widened(self, settings: Settings) -> Settings:
        """Return the settings under which a person's own skills can be read by commands, too."""
        own = [str(folder) for folder in self.skill_folders]
        return _with_shown(settings, own)

    def parts(self, agent: Agent, tier: Tier) -> list[Part]:
        """Return what the first message is told of it."""
        found: list[Part] = []
        if self.skill_folders:
            from qcode.skills.telling import SkillList

            show = agent.context.workspace.show
            found.append(
                SkillList(lambda: self.skills, self.note, tier.skill_tokens, self._are_there, show)
            )
        return found

    def join(self, session: Session) -> None:
        """Give a session what there is."""
        self.session = session
        session.commands.append(self)
        if self.skill_folders:
            self._join_skills(session)

    def _join_skills(self, session: Session) -> None:
        from qcode.tools.skill import UseSkill

        agent = session.agent
        tool = UseSkill(lambda: self._readable(session), self._used)
        assert isinstance(agent.tools, dict)
        assert isinstance(agent.schemas, dict)
        # Understood, and not told: it is read by its file.
        agent.tools[tool.name] = tool
        agent.schemas[tool.name] = tool.parameters(hidden=True)
        for folder in self.skill_folders:
            agent.context.allowed_outside.add(folder.resolve())

    def _readable(self, session: Session) -> dict[str, Skill]:
        """Return the skills; the folders of those that are linked from elsewhere can be read."""
        found = self.skills.all
        session.agent.context.allowed_outside.update(
            skill.folder.resolve() for skill in found.values() if not skill.place.is_project
        )
        return dict(found)

    def _used(self, skill: Skill) -> None:
        from qcode.extensions.spoken import rules_from

        if self.session is not None and skill.allowed:
            self.session.allow_in_turn(rules_from(skill.allowed, self.session.agent.tools))

    def _are_there(self, globs: Sequence[str]) -> bool:
        """Whether the workspace has files that one of the globs means, as far as is looked."""
        from qcode.tools.ignore import folders, translate

        wanted = [translate(glob.removeprefix("./"), braces=True) for glob in globs]
        for folder, files in islice(folders(self.root, self.root), _LOOKED_AT):
            for file in files:
                if any(one.fullmatch(f"{folder}{file.name}") for one in wanted):
                    return True
        return False

    async def _answer_by(self, session: Session, name: str) -> None:
        from qcode.cli.other_model import answer_by

        await answer_by(session, self, name)


def _with_shown(settings: Settings, folders: Sequence[str]) -> Settings:
    import dataclasses

    return dataclasses.replace(settings, shown=(*settings.shown, *folders))
