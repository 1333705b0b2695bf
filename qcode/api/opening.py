"""From an agent's options to its session."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, TypeVar

from qcode import config, paths
from qcode.api.asking import Approve, Callback, Question, question_tool
from qcode.api.function_tool import FunctionTool
from qcode.approvals import Approver, Nobody
from qcode.budget import Budget
from qcode.daemon import in_daemon
from qcode.errors import UsageError
from qcode.journal import listing
from qcode.network import ledger
from qcode.permissions import Mode
from qcode.providers import Provider
from qcode.sandbox.policy import Level, Network
from qcode.tools.base import Tool

if TYPE_CHECKING:
    from enum import StrEnum

    from opentelemetry.trace import TracerProvider

    from qcode.cli.chosen import Chosen
    from qcode.session import Session

    E = TypeVar("E", bound=StrEnum)

ModeName: TypeAlias = Literal["plan", "default", "auto-edit", "yolo"]


class Options(TypedDict, total=False):
    """How an `Agent` works; what is left out is as the configuration says, or as it is usual."""

    model: str
    """What the endpoint serves, or `provider/model`; by default what `qcode` would take here."""
    base_url: str
    """An OpenAI-compatible endpoint, with its `/v1`."""
    api_key_env: str
    """The environment variable that holds the key."""
    provider: Provider
    """Answers instead of an endpoint; closed with the agent."""
    context_window: int
    """Of the model, in tokens, where the endpoint does not say."""
    tools: Sequence[Tool[Any]]
    """What the model may call besides the usual tools: functions made tools by `tool`."""
    plugins: Sequence[str]
    """Installed packages whose tools and providers are used, besides the configuration's."""
    approve: Approve | Mode | Literal["never"] | ModeName
    """Who is asked about calls that the mode does not allow by itself: a function; by default
    nobody, so that they are refused (`never`). A mode's name is that mode, with nobody asked."""
    mode: Mode | ModeName
    """How much is done without asking."""
    allow: Sequence[str]
    """Permission rules on top of the configuration's: not asked about."""
    deny: Sequence[str]
    """Refused, whatever else allows it."""
    sandbox: Level | Literal["read-only", "workspace-write", "external", "off"]
    """What commands may touch."""
    allow_network: bool
    """Whether commands may reach the network."""
    allow_hosts: Sequence[str]
    """Hosts that commands may reach, where they may not reach all of it."""
    offline: bool
    """Whether nothing but this machine is reached. It holds for the whole process, until its end:
    your own connections are refused, too."""
    add_dirs: Sequence[str | os.PathLike[str]]
    """Further directories to work in."""
    max_steps: int
    max_tokens: int
    max_cost: float
    """USD."""
    max_time: float
    """Seconds since the agent was opened."""
    budget: Budget
    """One that several agents share, besides their own."""
    instructions: str
    """Joins the system prompt at its end; a session that is resumed keeps its own."""
    resume: str
    """The id of a session to go on with, or enough of it."""
    config: bool | str | os.PathLike[str]
    """Whether the configuration files are read, as `qcode` does; or the one file to read."""
    on_question: Question
    """Is asked what the model wants to know of a person; without, it cannot ask."""
    on_note: Callable[[str], None]
    """Is told what a person would be: which model was found, what of the configuration is
    ignored. By default that goes to the log (`qcode.api`, level INFO)."""
    tracing: bool
    """Whether spans of the turns go where the standard variables say (`qcode.tracing`)."""
    tracer_provider: TracerProvider
    """Gets the spans instead; it is not shut down with the agent."""


def settings_of(options: Options, cwd: Path) -> config.Settings:
    """Return the settings that the options come to on top of the configuration.

    Raises:
        UsageError: an option or a configuration file is not usable.
    """
    from qcode.cli.options import trust_file
    from qcode.extensions.wishes import wishes

    unknown = sorted(set(options) - set(Options.__annotations__))
    if unknown:
        raise UsageError(f"there is no option `{unknown[0]}` of an agent")
    wanted = options.get("config", True)
    settings = config.load(
        user_file=paths.config_dir() / "config.toml",
        project=cwd,
        environ=os.environ,
        explicit=None if isinstance(wanted, bool) else Path(wanted),
        none=wanted is False,
        trusts=trust_file().covers,
        brings=wishes,
    )
    names = (
        *("model", "base_url", "api_key_env", "context_window"),
        *("max_steps", "max_tokens", "max_cost", "max_time", "tracing"),
    )
    changes: dict[str, Any] = {name: options[name] for name in names if name in options}  # type: ignore[literal-required]
    for name in ("max_steps", "max_tokens", "max_cost", "max_time", "context_window"):
        if name in changes:
            config.checked(name, changes[name], Path("the agent's options"))
    changes["allow"] = (*settings.allow, *options.get("allow", ()))
    changes["deny"] = (*settings.deny, *options.get("deny", ()))
    changes["plugins"] = (*settings.plugins, *options.get("plugins", ()))
    if (mode := _mode(options)) is not None:
        changes["approval_mode"] = mode
    if "sandbox" in options:
        changes["sandbox"] = _one_of(Level, options["sandbox"], "sandbox")
    if options.get("allow_network"):
        changes["network"] = Network.ON
    elif hosts := tuple(options.get("allow_hosts", ())):
        changes["network"] = Network.PROXY
        changes["network_hosts"] = (*settings.network_hosts, *hosts)
    settings = replace(settings, **changes)
    if options.get("offline"):
        settings = replace(settings, offline=True)
    return config.kept_offline(settings) if settings.offline else settings


def _mode(options: Options) -> Mode | None:
    approve = options.get("approve", "never")
    by_approve = None if callable(approve) or approve == "never" else approve
    by_mode = options.get("mode")
    if by_approve is not None and by_mode not in (None, by_approve):
        raise UsageError(f"approve={by_approve!r} and mode={by_mode!r} contradict each other")
    wanted = by_approve or by_mode
    return None if wanted is None else _one_of(Mode, wanted, "mode")


def _one_of(kind: type[E], value: str, name: str) -> E:
    try:
        return kind(value)
    except ValueError:
        raise UsageError(f"`{name}` must be one of {', '.join(kind)}, not {value!r}") from None


async def opened(options: Options, cwd: Path, note: Callable[[str], None]) -> Session:
    """Return the session, whose sandbox is found out to hold.

    Raises:
        UsageError: an option or a configuration file is not usable, no model is found, or the
            session to resume is in use.
        SandboxError: the sandbox cannot be had on this machine.
        QcodeError: the session cannot be written down.
    """
    from qcode.cli import reaching
    from qcode.cli.boundary import SandboxBoundary
    from qcode.cli.start import open_session

    settings = settings_of(options, cwd)
    reaching.settle(settings)
    ledger.keep(paths.state_dir() / "audit")
    if "tracer_provider" in options:
        settings = replace(settings, tracing=False)
    added = tuple(Path(name) for name in options.get("add_dirs", ()))
    for path in (cwd, *added):
        if not path.is_dir():
            raise UsageError(f"`{path}` is not a directory")
    for warning in settings.warnings:
        note(warning)
    entry = None
    if "resume" in options:
        entry = listing.find(paths.state_dir() / "sessions", options["resume"])
    chosen = await _chosen(options, settings, note)
    tools = list(options.get("tools", ()))
    for each in tools:
        if not isinstance(each, Tool):
            raise UsageError(f"`{each!r}` is no tool", hint="decorate the function with @tool")
        if isinstance(each, FunctionTool) and each.is_unbound:
            raise UsageError(f"`{each.name}` is a method", hint="take it of an object")
    if "on_question" in options:
        tools.append(question_tool(options["on_question"]))
    session = open_session(
        settings,
        chosen,
        _approver(options),
        cwd=cwd,
        added=added,
        note=note,
        entry=entry,
        tools=tools,
        instructions=options.get("instructions", ""),
        is_alone=False,
    )
    session.budget.shared = options.get("budget")
    if "tracer_provider" in options:
        from qcode.tracing.spans import Tracing

        provider = options["tracer_provider"]
        session.observers.append(
            Tracing(
                session.agent, session.history, session.id, provider.get_tracer, environ=os.environ
            )
        )
    boundary = session.agent.boundary
    try:
        if isinstance(boundary, SandboxBoundary):
            # A function may say yes to all: without a sandbox only who wrote it goes on.
            boundary.has_person = False
            await boundary.ready()
    except BaseException:
        await session.close()
        raise
    return session


def _approver(options: Options) -> Approver:
    approve = options.get("approve", "never")
    return Callback(approve) if callable(approve) else Nobody()


async def _chosen(
    options: Options, settings: config.Settings, note: Callable[[str], None]
) -> Chosen:
    from qcode.cli.chosen import Chosen, choose_model
    from qcode.providers.registry import Target

    if "provider" not in options:
        progress = _Silent(note)
        return await in_daemon(lambda: choose_model(settings, note, local=False, progress=progress))
    provider = options["provider"]
    if {"base_url", "api_key_env"} & set(options):
        raise UsageError("a provider is given, so `base_url` and `api_key_env` mean nothing")
    model = options.get("model") or provider.model
    target = Target(
        model, None, None, "given", make=lambda: provider, provider_name=type(provider).__name__
    )
    return Chosen(target, settings.context_window)


class _Silent:
    """Has it noted what is fetched and served, and leaves out how far it is."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self.note = note

    def update(self, label: str, done: int, total: int | None) -> None:
        """Leave it out."""
