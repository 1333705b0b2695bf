"""`skill`: the instructions of a skill, by its name.

The model is told to read the file; models that know the tool from elsewhere call this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

from qcode.errors import QcodeError, ToolError
from qcode.record import Record
from qcode.skills.skill import Skill
from qcode.skills.using import instructions
from qcode.tools.base import Context, Effect, Result, Tool
from qcode.tools.clip import clip


class Params(Record):
    skill: Annotated[str, "its name"]
    args: str | None = None


class UseSkill(Tool[Params]):
    name = "skill"
    effect = Effect.STATE
    params = Params

    def __init__(
        self, find: Callable[[], Mapping[str, Skill]], use: Callable[[Skill], None]
    ) -> None:
        """`use` is told of each skill that is run, which may have more allowed in this turn."""
        self._find = find
        self._use = use

    def summary(self, params: Params) -> str:
        return params.skill

    async def run(self, params: Params, context: Context) -> Result:
        skills = {name: one for name, one in self._find().items() if one.is_for_model}
        name = params.skill.strip().removeprefix("/")
        skill = skills.get(name) or skills.get(name.rpartition(":")[2])
        if skill is None:
            known = ", ".join(skills) or "none"
            raise ToolError(f"There is no skill {clip(params.skill)}. There are: {clip(known)}.")
        try:
            text = instructions(skill, params.args or "", context.workspace.show)
        except QcodeError as error:
            raise ToolError(
                f"The skill {name} cannot be read: {error}. Go on without it."
            ) from None
        self._use(skill)
        return Result(text, f"{len(text.splitlines())} lines")
