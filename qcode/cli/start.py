"""From settings and a model to a session: which tools, which limits, which journal."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcode import __version__, paths, remembered
from qcode.agent import Agent
from qcode.approvals import Nobody
from qcode.budget import Budget
from qcode.checkpoints.in_session import SessionCheckpoints
from qcode.cli.boundary import SandboxBoundary, sandbox_from
from qcode.cli.chosen import Chosen
from qcode.cli.composer import composer_for
from qcode.cli.extending import extensions_for
from qcode.cli.knowing import family_for, tell_unknown
from qcode.cli.noting import Note
from qcode.cli.pricing import price_of
from qcode.compaction.compactor import Compactor
from qcode.compaction.summing import Summing
from qcode.composing import Budgets
from qcode.config import Settings
from qcode.context import fitting, system_prompt
from qcode.edit_formats import DEFAULT, EditFormat, prompt_of, told
from qcode.errors import ToolError, UsageError
from qcode.journal import listing, loading, writing
from qcode.messages import ToolCall
from qcode.permissions import Mode
from qcode.prompts import load
from qcode.providers import Provider, ToolProtocol, ToolSpec
from qcode.providers.registry import make_provider
from qcode.record import Record
from qcode.rules import Rules, rules_of
from qcode.sandbox import house
from qcode.secrets import Masker, known_in
from qcode.session import JournalledHistory, Session
from qcode.tiers import Tier, tier_for
from qcode.tools import all_tools
from qcode.tools.base import Context, Effect, Tool
from qcode.tools.files import fingerprint
from qcode.tools.jobs import Jobs
from qcode.tools.schema import parse
from qcode.workspace import Workspace

if TYPE_CHECKING:
    from qcode.approvals import Approver
    from qcode.compaction.ledger import Touched


class Apart(Record):
    """A session that works on a copy of the person's directory."""

    home: Path
    """The person's directory, whose session it is."""
    cache_key: str
    """Tells requests that begin alike, to servers that route by it."""
    lent: tuple[Path, ...]
    """Real paths of what the copy was made of: read, and not written."""
    variables: Mapping[str, str]
    """What commands have otherwise in their environment."""


def open_session(
    settings: Settings,
    chosen: Chosen,
    approver: Approver,
    *,
    cwd: Path,
    added: tuple[Path, ...],
    note: Note,
    entry: listing.Entry | None = None,
    apart: Apart | None = None,
    tools: Sequence[Tool[Any]] = (),
    instructions: str = "",
    is_alone: bool = True,
) -> Session:
    """Return a session: a new one, or the one of a journal entry to go on with.

    With `apart`, `cwd` is a copy of the directory that the session is of. The model is told of
    `tools` besides the usual ones, and a new session's of the `instructions` at the end of its
    system prompt. Where the process holds other sessions too (`is_alone`), whoever opens them
    sees to the launcher of qcode's own programs (`house.bind`).

    Raises:
        UsageError: the journal is in use or cannot be read, or two tools have one name, or what
            tracing needs is not installed.
        QcodeError: the journal cannot be written.
    """
    known = {tool.name: tool for tool in all_tools()}
    _check(settings, [*known, *(tool.name for tool in tools)])
    home = apart.home if apart else None
    extensions = extensions_for(settings, chosen, home or cwd, note)
    if extensions is not None:
        settings = extensions.widened(settings)
    edit_format = edit_format_of(settings, chosen)
    tell_unknown(chosen, note)
    tier, family = tier_for(chosen.context_window), family_for(chosen.target.model)
    history, session_id, system, protocol = _history(
        chosen, apart.home if apart else cwd, entry, edit_format, instructions
    )
    masker = masker_for(chosen)
    history.journal.mask_by(masker)
    spill_dir = paths.cache_dir() / "output" / session_id
    workspace = Workspace.at(cwd, added)
    rules, remember = _rules(settings, workspace, note)
    sandbox = sandbox_from(
        settings,
        workspace,
        rules,
        drop=[name for name in (settings.api_key_env, chosen.target.key_source) if name],
        secrets=[key for key in (chosen.target.api_key,) if key],
        variables=apart.variables if apart else {},
        lent=apart.lent if apart else (),
    )
    boundary = SandboxBoundary(sandbox, workspace, has_person=not isinstance(approver, Nobody))
    if apart is None and is_alone:  # else whoever made the copy, or opened several, sees to it
        house.use(lambda: sandbox, root=workspace.root)
    context = Context(
        workspace=workspace,
        seen={},
        spill_dir=spill_dir,
        jobs=Jobs(),
        launcher=sandbox,
        sizes=tier.sizes,
        put_aside=lambda: history.conversation.archived,
        guarded=boundary,
        whole_files=edit_format == "answer",
    )
    checkpoints = _checkpoints(settings, context.workspace, session_id, note)
    used = {call.id for m in history.items for call in getattr(m, "tool_calls", ())}
    numbers = itertools.count(len(used) + 1)
    agent = Agent(
        provider=provider_for(chosen, settings, apart.cache_key if apart else session_id, protocol),
        system=system,
        tools=known,
        specs=specs_for(edit_format, tier),
        context=context,
        approver=approver,
        mode=settings.approval_mode or Mode.DEFAULT,
        max_output_tokens=chosen.output_limit(settings),
        new_call_id=lambda: f"call_{next(numbers)}",
        schemas={name: tool.parameters(hidden=True) for name, tool in known.items()},
        call_ids=used,
        masker=masker,
        checkpoints=checkpoints,
        specs_of_archive=() if edit_format == "answer" else specs_of(("recall",), tier),
        compactor=compactor_for(settings, chosen, context, known),
        boundary=boundary,
        rules=rules,
        remember=remember,
        workspace_state=checkpoints.state if checkpoints else partial(_workspace_state, cwd),
        target=chosen.target,
        in_answer=edit_format == "answer",
    )
    agent.add_tools(tools)
    if history.conversation.archived:
        agent.tell_of_archive()
    budget = Budget(
        max_steps=settings.max_steps,
        max_tokens=settings.max_tokens,
        max_cost_usd=settings.max_cost,
        max_time_s=settings.max_time,
    )
    budgets = Budgets(tier.memory_tokens, tier.pointed_tokens, tier.map_tokens)
    more = extensions.parts(agent, tier) if extensions else ()
    composer = composer_for(settings, agent, note, budgets, family, home, more)
    session = Session(session_id, agent, history, budget, composer)
    if settings.hooks or settings.project_hooks or settings.extensions_trusted:
        from qcode.cli import hooking

        hooking.join(session, settings, sandbox, note)
    if extensions is not None:
        extensions.join(session)
    if (
        settings.stronger_model
        or settings.plan_model
        or settings.compact_model
        or (settings.vision_model)
    ):
        from qcode.cli import seconds

        seconds.join(session, settings, chosen, note)
    from qcode.cli import staffing

    staffing.join(session, settings, chosen, note)
    if settings.mcp_servers or settings.extensions_trusted:
        from qcode.cli.tool_servers import join

        join(session, settings, sandbox, note)
    if settings.plugins:  # last: of two tools of one name it is a plugin's that is left out
        from qcode.plugins.loading import add_tools

        add_tools(agent, settings.plugins, note)
    if settings.tracing:
        from qcode.tracing.exporting import trace

        trace(session, os.environ, note)
    return session


def _check(settings: Settings, names: Sequence[str]) -> None:
    """Check what a session needs, before it is begun.

    Raises:
        UsageError: two tools have one name, or what tracing needs is not installed.
    """
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"there are two tools named `{twice}`", hint="rename one")
    if settings.tracing:
        from qcode.tracing.exporting import shared

        shared(os.environ)


def compactor_for(
    settings: Settings, chosen: Chosen, context: Context, tools: Mapping[str, Tool[Any]]
) -> Compactor:
    """Return what makes room in the model's window."""

    return Compactor(
        chosen.context_window,
        chosen.output_limit(settings),
        touching=touching_by(tools),
        digest=digest_in(context),
        summing=Summing(
            tier_for(chosen.context_window).summary_tokens, is_usual=settings.compaction_summary
        ),
    )


def touching_by(tools: Mapping[str, Tool[Any]]) -> Callable[[ToolCall], Touched]:
    """Return what says what a call is about."""

    def touching(call: ToolCall) -> Touched:
        from qcode.compaction.ledger import Touched

        tool = tools.get(call.name)
        try:
            touch = tool.touches(parse(tool, call.arguments)) if tool else None
        except ToolError:
            touch = None
        if tool is None or touch is None:
            return Touched()
        return Touched(touch.paths, tool.effect is Effect.EDIT, touch.command or "")

    return touching


def digest_in(context: Context) -> Callable[[str], str]:
    """Return what tells a file's content in a few characters; empty: it is gone."""

    def digest(path: str) -> str:
        try:
            return fingerprint(context.path(path))[:8]
        except (OSError, ToolError):
            return ""

    return digest


def _rules(
    settings: Settings, workspace: Workspace, note: Note
) -> tuple[Rules, Callable[[tuple[str, ...]], None]]:
    """Return the permission rules, and what keeps more of them for this workspace."""
    file = paths.config_dir() / "rules.toml"
    known = remembered.load(file, workspace.root)
    rules, warnings = rules_of((*settings.allow, *known), settings.ask, settings.deny)
    for warning in warnings:
        note(warning)

    def remember(texts: tuple[str, ...]) -> None:
        try:
            remembered.add(file, workspace.root, texts)
        except (OSError, UsageError) as error:
            note(f"the rule holds for this session alone: `{file}` cannot be written ({error})")

    return rules, remember


def masker_for(chosen: Chosen) -> Masker:
    """Return what masks the endpoint's key and the secrets of the environment."""
    key = {"API_KEY": chosen.target.api_key} if chosen.target.api_key else {}
    return Masker([*known_in(key), *known_in(os.environ)])


def edit_format_of(settings: Settings, chosen: Chosen) -> EditFormat:
    """Return the form in which the model is told to change files."""
    if settings.edit_format != "auto":
        return settings.edit_format
    its = family_for(chosen.target.model).edit_format
    # Who wants tools told in a certain way wants them told.
    return "whole" if its == "answer" and settings.tool_protocol != "auto" else its


def specs_for(edit_format: EditFormat, tier: Tier | None = None) -> tuple[ToolSpec, ...]:
    """Return the tools that the model is told of, in order; as usual without a tier."""
    tier = tier or tier_for(None)
    return specs_of(told(edit_format, tier.tools), tier, edit_format)


def specs_of(
    names: Sequence[str], tier: Tier, edit_format: EditFormat = DEFAULT
) -> tuple[ToolSpec, ...]:
    """Return these tools as the model is told of them."""
    tools = {tool.name: tool for tool in all_tools()}

    def described(name: str) -> str:
        prompt = prompt_of(edit_format, name)
        return load(prompt) if prompt else tools[name].described(tier.sizes)

    return tuple(ToolSpec(name, described(name), tools[name].parameters()) for name in names)


def provider_for(
    chosen: Chosen,
    settings: Settings,
    session_key: str,
    begun: ToolProtocol | None = None,
    *,
    first: Chosen | None = None,
) -> Provider:
    """Return the provider.

    `begun` is the protocol that a reopened session had come to. `first` is the session's model,
    where another one answers: fallbacks are named beside that one.
    """
    profile = chosen.profile
    style, wanted = (profile.style or None) if profile else None, settings.tool_protocol
    known = begun or ("native" if chosen.is_embedded else profile.protocol if profile else None)
    if edit_format_of(settings, chosen) == "answer":
        style, wanted = "answer", "prompted"
    policy = None
    if settings.fallback_models:
        from qcode.providers.retry import RetryPolicy

        policy = RetryPolicy(attempts=3, longest_asked_s=15.0)  # somebody else can answer
    provider = make_provider(
        chosen.target,
        session_key=session_key,
        tool_protocol=wanted,
        protocol=known,
        style=style,
        plain_schemas=profile.plain_schemas if profile else False,
        price=price_of(chosen),
        policy=policy,
    )
    if not settings.fallback_models:
        return provider
    from qcode.cli.seconds import with_fallback

    return with_fallback(provider, chosen.target.model, first or chosen, settings, session_key)


def _checkpoints(
    settings: Settings, workspace: Workspace, session_id: str, note: Note
) -> SessionCheckpoints | None:
    if not settings.checkpoints:
        return None
    if shutil.which("git") is None:
        note("git is not installed, so no checkpoints are kept: changes cannot be taken back")
        return None
    folder = paths.state_dir() / "checkpoints"
    return SessionCheckpoints(
        workspace.root, session_id, folder, note, keep_ignored=settings.checkpoint_ignored
    )


async def _workspace_state(cwd: Path) -> Hashable:
    """Return what differs from the last commit; nothing ever does where there is no git."""
    import asyncio

    from qcode.git import dirty_files

    return tuple(sorted((await asyncio.to_thread(dirty_files, cwd)).items()))


def _history(
    chosen: Chosen,
    cwd: Path,
    entry: listing.Entry | None,
    edit_format: EditFormat,
    instructions: str,
) -> tuple[JournalledHistory, str, str, ToolProtocol | None]:
    system = system_prompt(edit_format, family_for(chosen.target.model).system)
    if instructions.strip():
        system = f"{system}\n\n{instructions.strip()}"
    if entry is None:
        session_id = writing.new_id()
        header = {
            "id": session_id,
            "cwd": str(cwd),
            "model": chosen.target.model,
            "created": writing.moment(),
            "qcode": __version__,
            "system": system,
        }
        opened = writing.Journal.create(paths.state_dir() / "sessions", header)
        return JournalledHistory(opened), session_id, system, None
    # Locked first, read second: another process may still be writing.
    opened = writing.Journal.reopen(entry.path)
    loaded = loading.load(entry.path)
    if loaded.model != chosen.target.model:
        opened.write({"type": "model", "model": chosen.target.model})
    history = JournalledHistory(
        opened,
        loaded.conversation,
        loaded.usage,
        loaded.asked,
        loaded.repairs,
        asides=loaded.asides,
    )
    # The system prompt of back then: the server may still hold this very prefix.
    protocols: dict[str, ToolProtocol] = {"native": "native", "prompted": "prompted"}
    same_model = loaded.model == chosen.target.model
    protocol = protocols.get(loaded.protocol) if same_model else None
    return history, entry.id, fitting(loaded.system or system, edit_format), protocol


def newest_session(cwd: Path) -> listing.Entry:
    """Return the last used session of a directory.

    Raises:
        UsageError: there is none.
    """
    for entry in listing.entries(paths.state_dir() / "sessions"):
        if entry.cwd == str(cwd) and entry.title:  # one just opened elsewhere has none yet
            return entry
    raise UsageError(
        f"no session was held in `{cwd}` yet", hint="`qcode sessions` lists those of other places"
    )
