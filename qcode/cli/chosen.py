"""The model of a session: the one named, the embedded one, or one found running."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qcode import profiles
from qcode.cli.knowing import own_place, with_known, with_places
from qcode.cli.noting import Note
from qcode.config import Settings
from qcode.context import output_limit
from qcode.errors import UsageError
from qcode.providers.registry import Target, resolve

if TYPE_CHECKING:
    from qcode.local.progress import Progress


EMBEDDED_PREFIX = "local/"
"""Of a model's name: the embedded one, as `qcode local up` takes it."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The model that will answer, and its context window in tokens if known."""

    target: Target
    context_window: int | None
    profile: profiles.Profile | None = None
    """What `qcode doctor` found out."""
    is_embedded: bool = False
    """Served by `qcode local`, with a template under which native tools work best."""
    max_output: int | None = None
    """Tokens of the longest answer that the model writes, if known."""
    is_known: bool = True
    """Whether the registry has a hosted model."""

    def output_limit(self, settings: Settings) -> int:
        """Return the `max_tokens` of each request."""
        return output_limit(self.context_window, settings.max_output_tokens, self.max_output)

    @property
    def is_free_here(self) -> bool:
        """Whether requests go to this machine and to nobody who bills: there is no key."""
        target = self.target
        if target.kind != "chat" or target.base_url is None or target.api_key is not None:
            return False
        from qcode.providers.connection import parse_origin

        return parse_origin(target.base_url).is_loopback


def choose_model(
    settings: Settings,
    note: Note,
    *,
    local: bool,
    progress: Progress | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Chosen:
    """Return the model to use: the one named, the embedded one, or one found running.

    Keys are those of `environ`. `progress` is told how far the embedded one is fetched and
    loaded; by default stderr is.

    Where neither the settings nor the server say its window, `qcode doctor`'s profile may, and
    then what is known of models (`qcode.cli.knowing`).

    Raises:
        UsageError: none is configured and none is found, or the person's own models are wrong.
        OfflineError: it is not on this machine, and offline it has to be.
        QcodeError: the embedded model cannot be fetched or served.
    """
    if not local:
        settings = own_place(settings)
    if settings.offline and not local:
        from qcode.cli.reaching import check_place

        check_place(settings)
    chosen = _choose(settings, note, progress, environ, local=local)
    if settings.offline:
        from qcode.cli.reaching import check_target

        check_target(settings, chosen.target)
    profile = profiles.load(chosen.target.base_url, chosen.target.model)
    if profile is not None:
        window = chosen.context_window or profile.context_window
        chosen = replace(chosen, profile=profile, context_window=window)
    return with_known(chosen)


def _choose(
    settings: Settings,
    note: Note,
    progress: Progress | None,
    environ: Mapping[str, str],
    *,
    local: bool,
) -> Chosen:
    window = settings.context_window
    named = settings.model
    if settings.base_url is None and named is not None and named.startswith(EMBEDDED_PREFIX):
        settings, local = replace(settings, model=named.removeprefix(EMBEDDED_PREFIX)), True
    if local:
        return _embedded(settings, note, progress)
    if settings.plugins and settings.base_url is None and named is not None and "/" in named:
        from qcode.plugins.providing import target_for

        if (target := target_for(named, settings.plugins)) is not None:
            return Chosen(target, window)
    if settings.base_url is None and (named is None or "/" not in named):
        try:
            return Chosen(_resolve(settings, settings.base_url, named, environ), window)
        except UsageError as unresolved:
            return _found(settings, note, unresolved)
    if named is None and settings.base_url is not None:
        named = _only_model(settings, environ)
    return Chosen(_resolve(settings, settings.base_url, named, environ), window)


def _resolve(
    settings: Settings, base_url: str | None, model: str | None, environ: Mapping[str, str]
) -> Target:
    target = resolve(model, base_url, environ, settings.api_key_env)
    return replace(target, extra_body=settings.extra_body)


def _embedded(settings: Settings, note: Note, progress: Progress | None) -> Chosen:
    from qcode import local

    running = None if settings.model else local.status()
    if running is None:
        from qcode.cli.local import TerminalProgress

        with nullcontext(progress) if progress is not None else TerminalProgress() as told:
            running = local.up(settings.model or "1.5b", progress=told)
    note(f"using the embedded model {running.model} at {running.base_url}")
    return Chosen(
        Target(model=running.model, base_url=running.base_url, api_key=None, kind="chat"),
        settings.context_window or running.context_window,
        is_embedded=True,
    )


def _found(settings: Settings, note: Note, unresolved: UsageError) -> Chosen:
    """Look for a running local server; the embedded one first.

    `unresolved` says why the settings alone name no model's place.
    """
    from qcode import local
    from qcode.local.discover import CHOICES, discover

    wanted = settings.model
    running = local.status()
    if running and wanted in (None, running.model):
        note(f"using the embedded model {running.model} at {running.base_url}")
        return Chosen(
            Target(model=running.model, base_url=running.base_url, api_key=None, kind="chat"),
            settings.context_window or running.context_window,
            is_embedded=True,
        )
    servers = [server for server in discover() if server.models]
    for server in servers:
        model = wanted or server.models[0]
        if model not in server.models:
            continue
        window = settings.context_window or server.context_window
        size = f", {window:,} tokens of context" if window else ""
        note(f"using {model} of the {server.kind} server at {server.base_url}{size}")
        return Chosen(
            Target(model=model, base_url=server.base_url, api_key=None, kind="chat"), window
        )
    if servers and wanted:
        offered = "; ".join(f"{s.base_url}: {', '.join(s.models[:5])}" for s in servers)
        raise UsageError(f"no local server has the model `{wanted}`", hint=f"they have {offered}")
    if wanted:
        raise with_places(wanted, unresolved)
    raise NoModelError(CHOICES)


class NoModelError(UsageError):
    """No model is configured and no server runs; the message has several lines."""


def _only_model(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return the first model that the endpoint lists; asked only when none was named."""
    models = served_by(_resolve(settings, settings.base_url, "-", environ))
    if not models:
        raise UsageError(
            f"{settings.base_url} does not say which models it serves", hint="name one with -m"
        )
    return models[0]


def served_by(target: Target) -> list[str]:
    """Return the models that an endpoint lists; none if it does not say so quickly. Blocks."""
    import asyncio

    from qcode.providers.chat import ChatProvider

    assert target.base_url is not None

    async def ask(base_url: str) -> list[str]:
        provider = ChatProvider(base_url=base_url, model="-", api_key=target.api_key)
        try:
            return await provider.served_models()
        finally:
            await provider.close()

    return asyncio.run(ask(target.base_url))
