"""Which adapter speaks for a model, where, and with which key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit

from qcode.errors import UsageError
from qcode.providers import OPENAI_URL, Provider, ToolProtocol

if TYPE_CHECKING:
    from qcode.models.model import RenderBack
    from qcode.providers.counted import Price
    from qcode.providers.retry import RetryPolicy

Kind: TypeAlias = Literal["chat", "responses", "litellm", "given"]

_OPENAI_MODEL = re.compile(r"(gpt-(?!oss)|o[1-9](-|$)|codex-|chatgpt-)")
"""Names that OpenAI gives its hosted models; `gpt-oss` is open and runs anywhere."""

_OPENAI_PREFIX = "openai/"

_LITELLM_MODEL = re.compile(r"[A-Za-z0-9_.-]+/.+")


@dataclass(frozen=True, slots=True)
class Target:
    """A model, where it is served, and what opens the door there."""

    model: str
    """As the endpoint knows it; for litellm `provider/model`."""
    base_url: str | None
    """None where litellm decides."""
    api_key: str | None = field(repr=False)
    """None where there is none, or litellm looks for the provider's own."""
    kind: Kind
    key_source: str | None = None
    """The environment variable that the key came from, for messages."""
    extra_body: Mapping[str, object] = field(default_factory=dict)
    """Joins every request of a Chat Completions endpoint as it stands."""
    make: Callable[[], Provider] | None = field(default=None, repr=False)
    """Of kind `given`: returns the adapter, which is somebody else's."""
    provider_name: str = ""
    """Of kind `given`: who answers, for traces."""


def resolve(
    model: str | None,
    base_url: str | None,
    environ: Mapping[str, str],
    api_key_env: str | None = None,
) -> Target:
    """Return what the model's name, the base URL and the keys at hand stand for.

    A base URL means Chat Completions there, or Responses if it is OpenAI's.
    Without one, OpenAI's own models go to OpenAI and `provider/model` to
    litellm. The key is the one of `api_key_env`, else QCODE_API_KEY, else
    OPENAI_API_KEY; that last one goes to OpenAI and to the base URL (which may
    be OPENAI_BASE_URL), never to another provider through litellm.

    Raises:
        UsageError: something is missing or contradicts itself; the message
            says what to give.
    """
    if base_url is not None:
        base_url = base_url.strip().rstrip("/").removesuffix("/chat/completions")
    if api_key_env is not None and not environ.get(api_key_env):
        raise UsageError(
            f"the environment variable `{api_key_env}` is not set or empty",
            hint="--api-key-env takes the name of the variable that holds the key",
        )
    if not model:
        raise UsageError("no model is named", hint="give --model NAME, or set QCODE_MODEL")
    source, key = _key(environ, api_key_env, "QCODE_API_KEY", "OPENAI_API_KEY")
    if base_url:
        host = _host(base_url)
        if is_openai_host(host):
            return _openai(model, base_url, source, key)
        return Target(model, base_url, key, "chat", source)
    if model.startswith(_OPENAI_PREFIX) or _OPENAI_MODEL.match(model):
        return _openai(model, OPENAI_URL, source, key)
    if _LITELLM_MODEL.fullmatch(model):
        source, key = _key(environ, api_key_env, "QCODE_API_KEY")
        return Target(model, None, key, "litellm", source)
    raise UsageError(
        f"it is not known where the model `{model}` is served",
        hint="give --base-url URL of an OpenAI-compatible endpoint, "
        "or the model as provider/model, `anthropic/claude-sonnet-4-5` for example",
    )


def is_openai_model(name: str) -> bool:
    """Whether a name is one that OpenAI gives its hosted models."""
    return _OPENAI_MODEL.match(name) is not None


def make_provider(
    target: Target,
    *,
    session_key: str,
    tool_protocol: Literal["auto", "native", "prompted"] = "auto",
    protocol: ToolProtocol | None = None,
    style: str | None = None,
    plain_schemas: bool = False,
    price: Price | None = None,
    policy: RetryPolicy | None = None,
) -> Provider:
    """Return the provider for a target, with retries around it.

    Only the adapter that is needed is imported, and none connects before its
    first request. `session_key` stays the same for all of a session's requests.

    `tool_protocol` is what a person wants: one protocol for good, or `auto`,
    which can change (see `ProtocolChoice`). The others are what is known of
    the model: the protocol to begin with, the style of prompted text, and that
    the server needs plain schemas; `price` says what tokens cost where it does not,
    `policy` how often a request is sent again.
    """
    from qcode.providers.counted import CountedProvider
    from qcode.providers.retry import RetryingProvider

    adapter = _adapter(target, session_key, plain_schemas=plain_schemas)
    provider = RetryingProvider(CountedProvider(adapter, price), policy)
    if tool_protocol == "prompted":
        from qcode.providers.prompted import PromptedProvider

        return PromptedProvider(provider, style)
    # All that OpenAI serves there takes tools.
    if tool_protocol == "native" or target.kind == "responses":
        return provider
    from qcode.providers.protocol import SwitchingProvider, first_protocol

    protocol = protocol or first_protocol(target.model)
    return SwitchingProvider(provider, protocol=protocol, style=style)


def _adapter(target: Target, session_key: str, *, plain_schemas: bool) -> Provider:
    match target.kind:
        case "chat":
            from qcode.providers.chat import ChatProvider

            assert target.base_url is not None
            return ChatProvider(
                base_url=target.base_url,
                model=target.model,
                api_key=target.api_key,
                key_name=target.key_source or "",
                extra_body=target.extra_body,
                send_reasoning=partial(_render_back, target.model),
                plain_schemas=plain_schemas,
            )
        case "responses":
            from qcode.providers.responses import ResponsesProvider

            return ResponsesProvider(
                model=target.model,
                api_key=target.api_key or "",
                session_key=session_key,
                base_url=target.base_url or OPENAI_URL,
            )
        case "given":
            assert target.make is not None
            return target.make()
        case "litellm":
            from qcode.providers.litellm import LiteLLMProvider

            return LiteLLMProvider(
                model=target.model, api_key=target.api_key, base_url=target.base_url
            )


def _render_back(model: str) -> RenderBack:
    """Return what a model is shown again of what it thought; nothing where it is not known."""
    from qcode.models import find

    known = find(model)
    return "never" if known is None else known.reasoning.render_back


def _key(
    environ: Mapping[str, str], asked_for: str | None, *names: str
) -> tuple[str | None, str | None]:
    """Return name and value of the first variable that is set; only `asked_for` if given."""
    for name in (asked_for,) if asked_for else names:
        if value := environ.get(name, "").strip():
            return name, value
    return None, None


def _openai(model: str, base_url: str, source: str | None, key: str | None) -> Target:
    if key is None:
        raise UsageError(
            f"there is no key for OpenAI's model `{model}`",
            hint="set OPENAI_API_KEY, or give --base-url URL if the model is served elsewhere",
        )
    return Target(model.removeprefix(_OPENAI_PREFIX), base_url, key, "responses", source)


def _host(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        scheme, host = parts.scheme, parts.hostname
    except ValueError:
        scheme, host = "", None
    if not host or scheme not in ("http", "https"):
        raise UsageError(
            f"`{base_url}` is not a base URL",
            hint="it looks like http://localhost:8000/v1",
        )
    return host


def is_openai_host(host: str) -> bool:
    """Return whether the host is OpenAI's, one of its regions' included."""
    return host == "api.openai.com" or host.endswith(".api.openai.com")
