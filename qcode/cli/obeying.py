"""What the slash commands of a conversation do."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from qcode.cli import asides, slash
from qcode.cli.composer import store_of
from qcode.cli.finding_model import look_for_model
from qcode.cli.start import (
    compactor_for,
    edit_format_of,
    masker_for,
    provider_for,
    specs_for,
)
from qcode.config import THEMES
from qcode.context import fitting
from qcode.errors import UsageError
from qcode.permissions import Mode
from qcode.tiers import tier_for
from qcode.ui.terminal import usage_line

if TYPE_CHECKING:
    from types import ModuleType

    from qcode.cli.conversation import Conversation


async def obey(talk: Conversation, command: slash.Slash) -> bool:
    """Do what a command says; return whether the conversation goes on.

    Raises:
        QcodeError: it cannot be done.
    """
    say = talk.terminal.say
    match command.name:
        case "quit":
            return False
        case "help":
            say(slash.help_text(talk.spoken()))
        case "init":
            from qcode.cli.init import init_message

            asked = await asyncio.to_thread(init_message, talk.session, command.rest)
            await talk.send(asked, said=command.rest)
        case "new":
            await talk.begin_anew()
        case "export" | "fork" | "rename":
            from qcode.cli import shelf

            say(getattr(shelf, command.name)(talk.session, command.rest))
        case "sessions":
            from qcode.cli import shelf

            say(shelf.listed(talk.session, command.rest, talk.cwd))
        case "resume":
            await _resume(talk, command.rest)
        case "rewind":
            from qcode.cli import going_back

            again = await going_back.rewind(talk.session, command.rest, say, talk.ask)
            talk.prompt.suggest(again)
        case "model":
            await _model(talk, command.rest)
        case "mode":
            _mode(talk, command.rest)
        case "plan":
            _mode(talk, "plan")
        case "theme":
            _theme(talk, command.rest)
        case "vim":
            _vim(talk)
        case "mcp":
            from qcode.cli.tool_servers import obey as of_servers

            say(await of_servers(talk.session, command.rest))
        case "memory":
            _memory(talk, command.rest)
        case "facts":
            _facts(talk, command.rest)
        case "doctor":
            from qcode.cli.doctor import in_session

            target = talk.chosen.target
            closing = await talk.aside_of(in_session(target, talk.cwd, command.rest, say))
            say(closing or "interrupted; nothing was kept")
        case name if name in asides.NAMES:
            say(await asides.answer(talk.session, name, command.rest))
        case "usage":
            say(usage_line(talk.session.history.usage))
        case "context":
            from qcode.cli import room

            say(room.context(talk.session))
        case "compact":
            from qcode.cli import room

            say(await room.compact(talk.session, command.rest, talk.terminal.handle))
        case "session":
            say(_describe(talk))
        case "open":
            if talk.editors is None:
                raise UsageError("editors are not listened to here", hint="`bridge = true`")
            say(talk.editors.open(command.rest))
        case "sandbox":
            await talk.settle_sandbox()
        case "undo" | "redo":
            again = await _backstage().travel(
                talk.session, command.name, command.rest, say, talk.ask
            )
            talk.prompt.suggest(again)
            if talk.editors is not None:
                talk.editors.any_changed()
        case "checkpoints":
            await _backstage().points(talk.session, say)
        case "diff":
            again = await _backstage().show(talk.session, command.rest, say)
            if again is not None:
                from qcode.cli.reviewing_inside import review

                await review(talk, again)
    return True


async def _resume(talk: Conversation, wanted: str) -> None:
    from qcode.cli import shelf

    place = talk.screen.aside() if talk.screen is not None and not wanted else nullcontext()
    async with place:
        entry = await shelf.resume(
            talk.session, wanted, talk.cwd, talk.look, talk.ask, talk.terminal.say
        )
    if entry is not None:
        await talk.begin_anew(entry)


def _backstage() -> ModuleType:
    """Return the time machine's commands, loaded when the first one is given."""
    from qcode.cli import backstage

    return backstage


async def _model(talk: Conversation, name: str) -> None:
    agent = talk.session.agent
    if not name:
        talk.terminal.say(agent.provider.model)
        return
    if talk.session.warm_up is not None:
        await talk.session.warm_up.stop()  # it is the other model's
    settings = replace(talk.settings, model=name)
    chosen = await look_for_model(talk, settings)
    provider = provider_for(chosen, settings, talk.session.id)
    agent.masker = masker_for(chosen)
    talk.session.history.journal.mask_by(agent.masker)
    talk.session.history.journal.write({"type": "model", "model": chosen.target.model})
    before, agent.provider = agent.provider, provider
    agent.target = chosen.target
    tier = tier_for(chosen.context_window)
    edit_format = edit_format_of(settings, chosen)
    if edit_format == "answer" and not agent.in_answer:
        edit_format = "whole"  # its files would be shown from the first message on
    agent.in_answer = agent.context.whole_files = edit_format == "answer"
    agent.system = fitting(agent.system, edit_format)
    agent.specs = (*specs_for(edit_format, tier), *agent.specs_added)
    if talk.session.history.conversation.archived:
        agent.tell_of_archive()
    agent.context.sizes = tier.sizes
    agent.compactor = compactor_for(settings, chosen, agent.context, agent.tools)
    agent.max_output_tokens = chosen.output_limit(settings)
    talk.settings, talk.chosen = settings, chosen
    talk.terminal.say(f"model: {provider.model}")
    await before.close()


def _mode(talk: Conversation, name: str) -> None:
    if name:
        if name not in list(Mode):
            raise UsageError(f"unknown mode `{name}`", hint=f"one of {', '.join(Mode)}")
        talk.set_mode(Mode(name))
    talk.terminal.say(f"mode: {talk.session.agent.mode}")


def _theme(talk: Conversation, name: str) -> None:
    if name:
        found = next((theme for theme in THEMES if theme == name), None)
        if found is None:
            raise UsageError(f"unknown theme `{name}`", hint=f"one of {', '.join(THEMES)}")
        talk.settings = replace(talk.settings, theme=found)
        talk.terminal.theme = talk.theme()
    talk.terminal.say(f"theme: {talk.settings.theme}; `/config set theme NAME` keeps one")


def _vim(talk: Conversation) -> None:
    if talk.screen is None:
        raise UsageError("the line is edited by the terminal itself here")
    talk.screen.is_vi = not talk.screen.is_vi
    words = "as in vi" if talk.screen.is_vi else "as in emacs"
    talk.terminal.say(f"the line is edited {words}; `/config set vi true` keeps it so")


def _memory(talk: Conversation, wanted: str) -> None:
    from qcode.cli.composer import memory_of
    from qcode.memory.telling import listed, whole

    memory = memory_of(talk.session.composer)
    if wanted not in ("", "show"):
        raise UsageError(f"`/memory` does not know `{wanted}`", hint="`/memory show`")
    if memory is None:
        talk.terminal.say("instruction files are turned off in this session")
        return
    text = whole if wanted else listed
    talk.terminal.say(text(memory.find(), memory.places))


def _facts(talk: Conversation, wanted: str) -> None:
    from qcode.cli.facts import forgotten, shown

    store = store_of(talk.session.agent.context.workspace.root)
    word, _, which = wanted.partition(" ")
    if word == "forget":
        talk.terminal.say(forgotten(store, which.split()))
    elif word:
        raise UsageError(f"`/facts` does not know `{word}`", hint="`/facts forget NUMBER`")
    else:
        talk.terminal.say(shown(store))


def _describe(talk: Conversation) -> str:
    session = talk.session
    return "\n".join(
        [
            f"session {session.id}, {len(session.history.messages)} messages",
            f"model {session.agent.provider.model}, mode {session.agent.mode}",
            f"directory {talk.cwd}",
            f"journal {session.history.journal.path}",
            f"`qcode resume {session.id}` comes back to it",
        ]
    )
