"""Is anybody there, is the key taken, is the model served: what all else stands on."""

from __future__ import annotations

import difflib

from qcode.doctor.check import Check
from qcode.doctor.server import UNKNOWN, Server, serves
from qcode.doctor.wire import Reply, Wire
from qcode.errors import ProviderError, ProviderFault

_SHOWN = 5
"""Names of models in one line."""


def reachable(wire: Wire, reply: Reply | ProviderError) -> Check:
    """Judge the reply to `GET /models`, or its absence."""
    if isinstance(reply, ProviderError):
        return Check("reachable", "fail", reply.message, reply.hint)
    endpoint = wire.endpoint
    if reply.is_html and reply.status < 400:
        finding = f"{endpoint.place} answers with a web page, not with an API"
        return Check("reachable", "fail", finding, endpoint.url_hint)
    if 300 <= reply.status < 400:
        error = wire.error(reply)
        return Check("reachable", "fail", error.message, error.hint)
    return Check("reachable", "ok", f"{endpoint.base_url} answers")


def key(wire: Wire | None, reply: Reply | None, refusal: ProviderError | None) -> Check:
    """Judge the key by the list of models and by the first request."""
    if refusal is not None and refusal.fault is ProviderFault.UNAUTHORISED:
        return Check("key", "fail", refusal.message, refusal.hint)
    if wire is not None and reply is not None and reply.status in (401, 403) and refusal:
        error = wire.error(reply)
        return Check("key", "fail", error.message, error.hint)
    if wire is not None and not wire.endpoint.has_key:
        return Check("key", "ok", "none is set, and none is asked for")
    name = wire.endpoint.key_name if wire is not None else ""
    return Check("key", "ok", f"the key in {name} is taken" if name else "it is taken")


def model(name: str, server: Server, refusal: ProviderError | None) -> Check:
    """Judge the model by the list and by the first request."""
    figures = {"served": list(server.models)}
    if refusal is not None and refusal.fault is ProviderFault.UNKNOWN_MODEL:
        return Check(
            "model", "fail", refusal.message, _offer(name, server) or refusal.hint, figures
        )
    if not server.models:
        return Check("model", "ok", f"`{name}` answers; the server lists no models", "", figures)
    if serves(server.models, name):
        others = len(server.models) - 1
        beside = f", one of {others + 1} models" if others else ""
        return Check("model", "ok", f"`{name}` is served{beside}", "", figures)
    finding = f"`{name}` is not in the server's list, and yet answered"
    return Check("model", "warn", finding, _offer(name, server), figures)


def _offer(name: str, server: Server) -> str:
    """Say what is served, the nearest names first."""
    if not server.models:
        return ""
    lowered = {one.lower(): one for one in server.models}
    near = [lowered[one] for one in difflib.get_close_matches(name.lower(), lowered, n=3)]
    names = list(dict.fromkeys((*near, *server.models)))
    more = " and others" if len(names) > _SHOWN else ""
    return "name one that it serves with -m: " + ", ".join(names[:_SHOWN]) + more


def kind(server: Server) -> Check:
    """Say which server it is."""
    figures = {"kind": server.kind, "version": server.version, "slots": server.slots}
    named = f"{server.kind} {server.version}".strip()
    if server.slots and server.slots > 1:
        named += f", {server.slots} slots"
    if server.kind == UNKNOWN:
        return Check("server", "ok", "OpenAI-compatible; it does not say more", "", figures)
    return Check("server", "ok", named, "", figures)
