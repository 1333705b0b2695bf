"""Which model, where it is served and which variable holds the key, as settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from qcode.importing.secret import address_without
from qcode.importing.taken import Settings

_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_USUAL = frozenset({"OPENAI_API_KEY", "QCODE_API_KEY"})
"""Variables in which qcode looks for a key without being told."""


def take_endpoint(
    settings: Settings, name: str, base: str, key: str, environ: Mapping[str, str]
) -> None:
    """Take over a model, the address of its endpoint, and the name of its key's variable."""
    if base and not re.fullmatch(r"https?://[^\s/@]+(/\S*)?", base):
        settings.leave("the model's address", "it is no plain http or https address")
        base = ""
    if base and address_without(base, lambda _value, _what: "") != base:
        settings.leave("the model's address", "there is a key in it")
        base = ""
    if name:
        settings.take("model", name)
    if base:
        settings.take("base_url", base.rstrip("/"))
    if not key or not (name or base):
        return
    if not _VARIABLE.fullmatch(key):
        settings.leave("the name of the key's variable", "it looks like the key itself")
    elif key not in environ and base and _is_here(base):
        settings.leave(f"the key's variable `{key}`", "a server on this machine needs no key")
    else:
        if key not in _USUAL and (base or "/" not in name):
            settings.take("api_key_env", key)
        if key not in environ:
            settings.into.variables[key] = f"the key of {base or name}"


def _is_here(base: str) -> bool:
    host = urlsplit(base).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
