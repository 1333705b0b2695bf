"""`qcode context`: where the tokens of a request go. No model is asked, and none need be there."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import paths, profiles
from qcode.accounting import Account, account, table, to_json
from qcode.cli.boundary import SandboxBoundary, sandbox_from
from qcode.cli.chosen import Chosen
from qcode.cli.composer import told_here
from qcode.cli.knowing import family_for, own_place, with_known
from qcode.cli.noting import note_on_stderr
from qcode.cli.options import (
    add_model,
    add_place,
    enter_directory,
    settings_from,
)
from qcode.cli.process import require_stdout
from qcode.cli.start import edit_format_of, masker_for, newest_session, specs_for, specs_of
from qcode.compaction.meter import Meter, fixed
from qcode.composing import Budgets, Composing
from qcode.context import system_prompt
from qcode.errors import UsageError
from qcode.escapes import with_tags_seen
from qcode.journal import listing, loading
from qcode.providers.registry import Target, resolve
from qcode.rules import rules_of
from qcode.tiers import tier_for
from qcode.ui.printable import printable, safe_json
from qcode.workspace import Workspace

if TYPE_CHECKING:
    from qcode.config import Settings
    from qcode.messages import UserMessage


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_model(parser)
    add_place(parser)
    add = parser.add_argument
    add("--no-memory", action="store_true", help="as without AGENTS.md and files like it")
    add("--session", metavar="ID", help="the next request of this session")
    add("-c", "--continue", dest="resume_last", action="store_true",
        help="the next request of the newest session of this directory")  # fmt: skip
    add("--json", action="store_true", help="for programs")


def main(args: argparse.Namespace) -> int:
    """Print it; return the exit code."""
    require_stdout("the table")
    cwd = enter_directory(args)
    settings = settings_from(args, cwd)
    for warning in settings.warnings:
        note_on_stderr(warning)
    entry = _entry(args, cwd)
    if entry is None:
        chosen = _configured(settings, local=args.local)
        found, what = _first(settings, chosen, cwd), "a first request here"
    else:
        loaded = loading.load(entry.path)
        settings = replace(settings, model=args.model or loaded.model)
        chosen = _configured(settings, local=args.local)
        found, what = _next(settings, chosen, loaded), f"the next request of session {entry.id}"
    model, tier = chosen.target.model, tier_for(chosen.context_window)
    if args.json:
        about = {"session": entry.id if entry else None, "model": model or None, "tier": tier.name}
        print(safe_json(json.dumps({**about, **to_json(found)}, ensure_ascii=False, indent=2)))
    else:
        print(printable(f"{what}, {model or 'no model is configured'}, by estimate"))
        print(printable(table(found)))
    return 0


def _entry(args: argparse.Namespace, cwd: Path) -> listing.Entry | None:
    if args.session and args.resume_last:
        raise UsageError("--session and --continue exclude each other")
    if args.session:
        return listing.find(paths.state_dir() / "sessions", args.session)
    return newest_session(cwd) if args.resume_last else None


def _configured(settings: Settings, *, local: bool) -> Chosen:
    """Return the model that the settings name, with what is known of it without asking."""
    running = None
    if local or settings.base_url is None:
        from qcode.local import status

        running = status()
    if running is not None and (local or settings.model in (None, running.model)):
        target = Target(running.model, running.base_url, None, "chat")
        return Chosen(target, settings.context_window or running.context_window, is_embedded=True)
    settings = own_place(settings)
    try:
        target = resolve(settings.model, settings.base_url, os.environ, settings.api_key_env)
    except UsageError:  # a key is missing, say; nothing is to be sent
        target = Target(settings.model or "", settings.base_url, None, "chat")
    profile = profiles.load(target.base_url, target.model)
    window = settings.context_window or (profile.context_window if profile else None)
    return with_known(Chosen(target, window, profile, is_embedded=local))


def _first(settings: Settings, chosen: Chosen, cwd: Path) -> Account:
    """Return what a first request would hold, before a person has said anything."""
    tier = tier_for(chosen.context_window)
    edit_format = edit_format_of(settings, chosen)
    message = asyncio.run(_composed(settings, chosen, cwd))
    return account(
        system_prompt(edit_format),
        specs_for(edit_format, tier),
        [message],
        Meter().count,
        window=chosen.context_window,
        reserve=chosen.output_limit(settings),
    )


async def _composed(settings: Settings, chosen: Chosen, cwd: Path) -> UserMessage:
    workspace = Workspace.at(cwd)
    # No process is started: the sandbox only says what is hidden.
    rules, _warnings = rules_of(settings.allow, settings.ask, settings.deny)
    boundary = SandboxBoundary(sandbox_from(settings, workspace, rules), workspace)
    tier = tier_for(chosen.context_window)
    told = told_here(
        settings,
        workspace.root,
        lambda real: bool(boundary.hidden(real)),
        note_on_stderr,
        Budgets(tier.memory_tokens, tier.pointed_tokens, tier.map_tokens),
        family_for(chosen.target.model),
    )
    masker = masker_for(chosen)
    composing = Composing(told, note_on_stderr, lambda text: with_tags_seen(masker.mask(text)))
    return await composing.compose("", is_first=True)


def _next(settings: Settings, chosen: Chosen, loaded: loading.Loaded) -> Account:
    """Return what the next request of a session holds, before a person says more."""
    tier = tier_for(chosen.context_window)
    edit_format = edit_format_of(settings, chosen)
    specs = specs_for(edit_format, tier)
    if loaded.conversation.archived:
        specs = (*specs, *specs_of(("recall",), tier))
    system = loaded.system or system_prompt(edit_format)
    meter = Meter()
    if loaded.counted is not None:
        sent, usage = loaded.counted
        meter.saw(fixed(system, specs), loaded.messages, sent, usage)
    return account(
        system,
        specs,
        loaded.messages,
        meter.count,
        window=chosen.context_window,
        reserve=chosen.output_limit(settings),
        asked=loaded.asked,
    )
