"""Values that are secret: not taken over, but replaced by the variable that is to hold them."""

from __future__ import annotations

import re
from collections.abc import Callable

from qcode.secrets import Masker, looks_secret

_NAME = re.compile(
    r"auth|token|secret|passw|credential|cookie|api.?key|access.?key|\bkey$", re.IGNORECASE
)
_DOLLAR = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_REFERENCE = re.compile(r"\$\{[A-Za-z_]\w*(?::-[^}]*)?\}")
_SCHEME = re.compile(r"((?:Bearer|Basic|Token)\s+)?(.*)", re.DOTALL | re.IGNORECASE)


def has_secret(text: str) -> bool:
    """Whether a key or password stands in a text."""
    return Masker().mask(text) != text


def referring(text: str) -> str:
    """Return a text whose variables are written as qcode reads them: `$NAME` as `${NAME}`."""
    return _DOLLAR.sub(lambda match: f"${{{match[1] or match[2]}}}", text)


def is_reference(text: str) -> bool:
    """Whether what would be secret of a text comes from a variable already."""
    return bool(_REFERENCE.search(text)) and not has_secret(text)


def is_secret(name: str, value: str) -> bool:
    """Whether a value is to be kept to oneself, by its name or its looks."""
    if not value or is_reference(value):
        return False
    return bool(_NAME.search(name)) or looks_secret(name, value)


def variable(*words: str) -> str:
    """Return a name for a variable, of these words."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", "_".join(words)).strip("_").upper()
    return f"_{name}" if name[:1].isdigit() else name


def in_place(value: str, name: str) -> str:
    """Return what stands for a secret value: the variable, behind the scheme it had."""
    match = _SCHEME.fullmatch(value)
    return f"{(match[1] if match else None) or ''}${{{name}}}"


def address_without(url: str, instead: Callable[[str, str], str]) -> str:
    """Return an address with `instead(value, what it is)` in place of its secrets."""

    def password(match: re.Match[str]) -> str:
        value = match[2]
        return f"{match[1]}{value if is_reference(value) else instead(value, 'password')}@"

    def parameter(match: re.Match[str]) -> str:
        name, value = match[2], match[3]
        return f"{match[1]}{name}={instead(value, name) if is_secret(name, value) else value}"

    def part(match: re.Match[str]) -> str:
        return instead(match[0], "url_part") if has_secret(match[0]) else match[0]

    url = re.sub(r"(://[^/@:\s]*:)([^/@\s]+)@", password, url)
    url = re.sub(r"([?&])([^=&#]+)=([^&#]*)", parameter, url)
    head, mark, rest = url.partition("://")
    return head + mark + re.sub(r"[^/?&#]+", part, rest)
