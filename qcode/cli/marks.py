"""Lines of a conversation that are for qcode by their first sign: `!command` and `# note`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qcode import paths
from qcode.by_hand import run_by_hand
from qcode.prompts import load

if TYPE_CHECKING:
    from qcode.cli.conversation import Conversation


def mark_of(text: str) -> str | None:
    """Return whether a line is a command to run (`!`) or a note (`#`); None: neither."""
    text = text.strip()
    if "\n" in text or text[:1] not in ("!", "#") or text.startswith("##") or not text[1:].strip():
        return None
    return text[0]


async def run(talk: Conversation, command: str) -> None:
    """Run a person's command in the sandbox."""
    if talk.screen is not None:
        talk.terminal.said(f"! {command}")
    await talk.aside_of(run_by_hand(talk.session.agent, talk.session.history, command, talk.saw))


async def remember(talk: Conversation, note: str) -> None:
    """Add a note to a file of instructions."""
    from qcode.memory.adding import add_note, file_for
    from qcode.memory.files import NAMES, Places

    names = talk.settings.memory_files or NAMES
    places = Places(
        talk.session.agent.context.workspace.root, paths.config_dir(), Path.home(), names
    )
    here, own = (file_for(places, own=own) for own in (False, True))
    talk.terminal.say(f"to remember: {note}")
    asked = f"[p]roject ({here.name}), [a]ll projects ({own}), or [n]o? "
    answer = await talk.ask(asked)
    if answer not in ("p", "project", "a", "all"):
        talk.terminal.say("nothing was written down")
        return
    file = add_note(places, note, own=answer.startswith("a"))
    talk.session.history.aside(load("remembered", file=str(file), note=note))
    talk.terminal.say(f"added to {file}")
