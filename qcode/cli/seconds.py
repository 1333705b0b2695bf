"""Models besides the session's, each only where a person named it.

Fallbacks, the stronger model of the ladder, and those of single roles: planning, summing up,
seeing. None is looked for, and nothing connects, before it is needed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qcode.errors import UsageError
from qcode.files_safe import read_small
from qcode.messages import STRONGER, Usage
from qcode.permissions import Mode
from qcode.providers import Provider
from qcode.providers.fallback import FallbackProvider
from qcode.providers.lazy import LazyProvider

if TYPE_CHECKING:
    from qcode.agent import Agent
    from qcode.cli.chosen import Chosen
    from qcode.cli.noting import Note
    from qcode.config import Settings
    from qcode.ladder.ladder import Ladder
    from qcode.session import Session

_STRONGER_TOKENS = 8_000
"""Of a stronger model's answer; a step that needs more is no step."""
_LARGEST = 200_000
"""Bytes of a file that a brief may show."""


def chosen_second(settings: Settings, chosen: Chosen, name: str, note: Note) -> Chosen:
    """Return another model that a person named besides the session's; blocks while it looks.

    Without an endpoint of its own (models.toml) it is one of the session's endpoint. Where that
    is in this machine or network, `provider/model` and OpenAI's names are elsewhere. A key is
    sent to the endpoint that it is for: the session's nowhere else, and an endpoint of
    models.toml gets that of its `api_key_env`, or none.

    Raises:
        QcodeError: it is not known where it is served, its key is missing, or it is elsewhere
            and this machine is not to be left.
    """
    found = _second(settings, chosen, name, note)
    if settings.offline:
        from qcode.cli.reaching import check_target

        check_target(settings, found.target)
    return found


def _second(settings: Settings, chosen: Chosen, name: str, note: Note) -> Chosen:
    from qcode.cli.chosen import EMBEDDED_PREFIX, Chosen, choose_model, served_by
    from qcode.cli.knowing import with_known
    from qcode.cli.pricing import is_near
    from qcode.models import find_own
    from qcode.providers.registry import resolve

    alone = replace(
        settings, model=name, base_url=None, api_key_env=None, context_window=None,
        extra_body={}, fallback_models=(),
    )  # fmt: skip
    own, first = find_own(name), chosen.target
    if name.startswith(EMBEDDED_PREFIX):
        return choose_model(alone, note, local=False, environ={})
    if own is not None and own.base_url:
        if own.base_url.rstrip("/") == (first.base_url or "").rstrip("/") and not own.api_key_env:
            target = replace(first, model=own.served_as or name)
            return with_known(Chosen(target, None))
        return choose_model(alone, note, local=False, environ=_keys_for(chosen, own.base_url))
    name = own.served_as if own is not None and own.served_as else name
    near = chosen.is_embedded or is_near(chosen)
    if is_hosted(name) and (near or first.kind != "chat"):
        if first.kind == "responses" and _place(name) == "openai":
            return with_known(Chosen(replace(first, model=name.removeprefix("openai/")), None))
        if first.kind == "litellm" and _place(name) == _place(first.model):
            return with_known(Chosen(replace(first, model=name), None))
        return with_known(Chosen(resolve(name, None, _keys_for(chosen), None), None))
    if chosen.is_embedded or first.base_url is None:
        return choose_model(alone, note, local=False, environ=_keys_for(chosen))
    target = replace(first, model=name)
    if not near:
        return with_known(Chosen(target, None))
    # A llama.cpp server answers to any name, with the model that it has.
    served = served_by(first)
    if served and name not in served:
        raise UsageError(
            f"{first.base_url} does not serve `{name}`",
            hint="name it provider/model if it is hosted (anthropic/claude-opus-4-6), or say in "
            "models.toml where it is",
        )
    return Chosen(target, None)


def _keys_for(chosen: Chosen, base_url: str = "") -> Mapping[str, str]:
    """Return the environment without keys that are the session's endpoint's.

    `QCODE_API_KEY` is that, and `OPENAI_API_KEY` where `OPENAI_BASE_URL` says so. A `base_url`
    that is not OpenAI's gets neither.
    """
    from urllib.parse import urlsplit

    names = {"QCODE_API_KEY"}
    host = urlsplit(base_url).hostname or ""
    is_openai = not base_url or host == "api.openai.com" or host.endswith(".api.openai.com")
    is_gateway = chosen.target.kind == "chat" and bool(os.environ.get("OPENAI_BASE_URL"))
    if not is_openai or (is_gateway and chosen.target.key_source == "OPENAI_API_KEY"):
        names.add("OPENAI_API_KEY")
    return {name: value for name, value in os.environ.items() if name not in names}


def _place(name: str) -> str:
    """Return who serves a hosted model, by its name."""
    from qcode.providers.registry import is_openai_model

    return "openai" if is_openai_model(name) else name.partition("/")[0]


def is_hosted(name: str) -> bool:
    """Whether a name says by itself where the model is served: `provider/model`, `gpt-5.2`."""
    from qcode.providers.registry import is_openai_model

    return is_openai_model(name) or name.partition("/")[0] in HOSTED


HOSTED = frozenset(
    {"anthropic", "azure", "azure_ai", "baseten", "bedrock", "cerebras", "cohere", "dashscope"}
    | {"databricks", "deepinfra", "deepseek", "fireworks_ai", "gemini", "github_copilot", "groq"}
    | {"hyperbolic", "minimax", "mistral", "moonshot", "nebius", "novita", "nscale", "openai"}
    | {"openrouter", "sambanova", "together_ai", "vercel_ai_gateway", "vertex_ai", "watsonx"}
    | {"xai", "xiaomi_mimo", "zai"}
)
"""Providers as litellm calls them that cannot be mistaken for a publisher's name on a hub."""


def lazy(settings: Settings, chosen: Chosen, name: str, key: str, note: Note) -> LazyProvider:
    """Return a provider of another model, which is looked for when it is first asked."""

    async def make() -> Provider:
        from qcode.cli.start import provider_for

        other = await asyncio.to_thread(chosen_second, settings, chosen, name, note)
        return provider_for(other, replace(settings, fallback_models=()), key)

    return LazyProvider(name, make)


def with_fallback(
    provider: Provider, model: str, first: Chosen, settings: Settings, key: str
) -> Provider:
    """Return a provider that asks the fallback models where that of `model` does not answer.

    They are named beside the session's `first` model.
    """
    names = [name for name in settings.fallback_models if name != model]
    others = [lazy(settings, first, name, key, lambda _text: None) for name in names]
    return FallbackProvider(provider, others) if others else provider


def join(session: Session, settings: Settings, chosen: Chosen, note: Note) -> None:
    """Give a session the models of its roles, and the stronger one."""
    agent = session.agent
    if settings.compact_model:
        agent.summariser = lazy(settings, chosen, settings.compact_model, session.id, note)
        session.closing.append(agent.summariser.close)
    if settings.vision_model and not _sees(settings, chosen):
        from qcode.seeing import Seeing

        provider = lazy(settings, chosen, settings.vision_model, session.id, note)
        agent.seeing = Seeing(provider)
        session.closing.append(agent.seeing.close)
    if settings.plan_model:
        session.before_turn.append(_Planning(session, settings, chosen, note))
    if settings.stronger_model:
        agent.ladder = _ladder(session, settings, chosen, note)
        session.closing.append(agent.ladder.close)


def _sees(settings: Settings, chosen: Chosen) -> bool:
    from qcode.vision import sees_images

    return sees_images(chosen.target.model) if settings.vision is None else settings.vision


class _Planning:
    """Has turns in plan mode answered by their own model."""

    def __init__(self, session: Session, settings: Settings, chosen: Chosen, note: Note) -> None:
        self._session = session
        self._settings = settings
        self._first = chosen
        self._note = note
        self._chosen: Chosen | None = None

    async def __call__(self) -> None:
        """Take the other model for this turn, if it plans."""
        from qcode.cli.other_model import answer_with

        if self._session.agent.mode is not Mode.PLAN:
            return
        if self._chosen is None:
            self._chosen = await asyncio.to_thread(
                chosen_second, self._settings, self._first, self._settings.plan_model, self._note
            )
        answer_with(self._session, self._settings, self._chosen, self._first)


def _ladder(session: Session, settings: Settings, chosen: Chosen, note: Note) -> Ladder:
    from qcode.cli.start import digest_in, edit_format_of, specs_of, touching_by
    from qcode.edit_formats import told
    from qcode.families import family_of
    from qcode.ladder.ladder import Ladder, Stronger
    from qcode.models import find
    from qcode.tiers import tier_for
    from qcode.tools.base import Effect

    agent, name = session.agent, settings.stronger_model
    known = find(name)
    tier = tier_for(known.context_window if known else None)
    edit_format = family_of(name).edit_format
    if settings.edit_format != "auto":
        edit_format = edit_format_of(settings, chosen)
    names = [n for n in told(edit_format, tier.tools) if agent.tools[n].effect is Effect.EDIT]

    files = _Shown(agent)
    stronger = Stronger(
        model=name,
        make=lambda: lazy(settings, chosen, name, session.id, note),
        specs=specs_of(names, tier, edit_format),
        max_output_tokens=_STRONGER_TOKENS,
        max_steps=settings.stronger_steps,
        max_cost_usd=settings.stronger_cost,
        touching=touching_by(agent.tools),
        digest=digest_in(agent.context),
        read=files.read,
        saw=files.saw,
        forget=files.forget,
        may_change=lambda: _may_change(agent),
    )
    earlier = (each.usage for each in session.history.asked if each.purpose == STRONGER)
    return Ladder(stronger, sum(earlier, Usage()))


def _may_change(agent: Agent) -> bool:
    """Whether a change of a file has a chance to be allowed."""
    from qcode.approvals import Nobody

    if agent.mode is Mode.DEFAULT and isinstance(agent.approver, Nobody):
        return bool(agent.rules.allow) or agent.hooks is not None
    return agent.mode is not Mode.PLAN


class _Shown:
    """Files for a brief: those that a tool might read without a word of anybody, and no secrets."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._read: dict[str, tuple[Path, bytes]] = {}
        self._before: dict[Path, tuple[str | None, str]] = {}
        """What was known of files that were shown, and what of them was shown."""

    def read(self, path: str) -> str | None:
        from qcode.errors import ToolError

        context = self._agent.context
        try:
            real = context.path(path)
            if not self._is_open(path, real) or context.is_hidden(real):
                return None
            data = context.buffers.get(real)
            if data is None:
                if real.stat().st_size > _LARGEST:
                    return None
                data = read_small(real)
            text = data.decode("utf-8")
        except (OSError, ToolError, UnicodeDecodeError):
            return None
        # What is masked could be written back over the secret.
        if len(data) > _LARGEST or self._agent.masker.mask(text) != text:
            return None
        self._read[path] = real, data
        return text

    def _is_open(self, path: str, real: Path) -> bool:
        """Whether no rule keeps the file from being read, or a person let the session read it."""
        from qcode.permissions import Verdict

        root = str(self._agent.context.workspace.root)
        forms = [(os.path.normpath(os.path.join(root, path)), str(real))]
        ruling = self._agent.rules.on_paths("read", forms, root)
        if ruling is None or ruling.verdict is Verdict.ALLOW:
            return True
        return ruling.verdict is Verdict.ASK and real in self._agent.context.seen

    def saw(self, path: str) -> None:
        from qcode.tools.files import fingerprint

        real, data = self._read[path]
        seen, mark = self._agent.context.seen, fingerprint(real, data)
        self._before.setdefault(real, (seen.get(real), mark))
        seen[real] = mark

    def forget(self) -> None:
        seen = self._agent.context.seen
        for real, (before, mark) in self._before.items():
            if seen.get(real) != mark:
                continue  # it was changed, and so is known by what it became
            if before is None:
                del seen[real]
            else:
                seen[real] = before
        self._before.clear()
        self._read.clear()
