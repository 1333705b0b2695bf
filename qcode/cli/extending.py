"""What people added to a session: skills, commands, subagents. Loaded as far as there is any."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from qcode import paths
from qcode.cli import slash
from qcode.cli.dynamic import Dynamic, Dynamics
from qcode.config import Settings
from qcode.events import Emit, Event
from qcode.extensions.places import Place, places
from qcode.record import replace

if TYPE_CHECKING:
    from qcode.agent import Agent
    from qcode.cli.start import Chosen, Note
    from qcode.commands.command import Command
    from qcode.composing import Part
    from qcode.headless.order import Order
    from qcode.headless.work import Meant
    from qcode.session import Session
    from qcode.skills.skill import Skill
    from qcode.skills.telling import Skills
    from qcode.tiers import Tier

_FOLDERS = ("skills", "commands", "agents")
_LOOKED_AT = 2_000
"""Directories of the workspace, to know whether a skill for certain files is of use."""


def extensions_for(settings: Settings, chosen: Chosen, cwd: Path, note: Note) -> Extensions | None:
    """Return what there is for a session in a directory; None: nothing, which is soon known."""
    found = places(cwd, paths.config_dir(), Path.home(), is_trusted=settings.extensions_trusted)
    there = tuple(
        place for place in found if any((place.folder / name).is_dir() for name in _FOLDERS)
    )
    if not there and not settings.subagents:
        return None
    return Extensions(settings, chosen, there, cwd, note)


def extensions_of(session: Session) -> Extensions | None:
    """Return what was added to a session; None: nothing."""
    return session.extensions if isinstance(session.extensions, Extensions) else None


def added_to(session: Session) -> Dynamics:
    """Return the commands that people added to a session."""
    extensions = extensions_of(session)
    return extensions.dynamics if extensions is not None else MappingProxyType({})


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
        self.emit: Emit = _nothing
        """Is told what the shell commands of custom commands do."""
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
    def dynamics(self) -> Dynamics:
        """The commands by name; a skill goes before a command of its name.

        The person is told of what is wrong with files.
        """
        from qcode.cli.added import Added, Around
        from qcode.commands.command import commands_in

        problems: list[str] = []
        commands = commands_in(self.places, problems)
        skills = [skill for skill in self.skills.all.values() if skill.is_for_person]
        around = Around(self._tell, self._answer_by)
        found: dict[str, Dynamic] = {}
        every: tuple[Skill | Command, ...] = (*skills, *commands.values())
        for what in every:
            name = what.name.lower()
            if slash.is_own(name):
                problems.append(
                    f"`{what.file}` is left out: `/{name}` is a command of qcode; give it another "
                    "name"
                )
                continue
            found.setdefault(name, Added(what, around))
        for problem in problems:
            self.note(problem)
        return dict(sorted(found.items()))

    def _tell(self, event: Event) -> None:
        self.emit(event)

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
        session.extensions = self
        if self.skill_folders:
            self._join_skills(session)

    def _join_skills(self, session: Session) -> None:
        from qcode.tools.skill import UseSkill

        agent = session.agent
        tool = UseSkill(lambda: self._readable(session), self._used)
        agent.tools = {**agent.tools, tool.name: tool}
        agent.schemas = {**agent.schemas, tool.name: tool.parameters(hidden=True)}
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


def _nothing(_event: Event) -> None:
    pass


def _with_shown(settings: Settings, folders: Sequence[str]) -> Settings:
    import dataclasses

    return dataclasses.replace(settings, shown=(*settings.shown, *folders))


_CALLED = re.compile(r"/\w[\w:-]*(?:\s|\Z)")


def meaning(session: Session, note: Note, *, is_driven: bool = False) -> Meant | None:
    """Return what makes a message of `/name …`; None where nothing was added to the session.

    What comes by a pipe beside the command goes behind the message; it never is a command
    itself, as it may be anybody's words, unless a program drives the session by it.
    """

    async def meant(order: Order) -> Order:
        typed = order.typed or (order.prompt if is_driven else "")
        if not _CALLED.match(typed):
            return order
        added = added_to(session)
        called = slash.added_in(typed, added)
        if called is None:
            name = typed.split()[0]
            note(f"there is no command `{name}` here, so the text is sent as it is")
            return order
        text, said = await added[called.name].message(session, called.rest)
        piped = order.prompt.removeprefix(typed).strip()
        return replace(order, prompt=f"{text}\n\n{piped}" if piped else text, typed=said)

    return meant
