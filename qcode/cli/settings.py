"""The settings as a person sees and changes them: each with where it is from."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from qcode import config
from qcode.config import KEYS, PROJECT_KEYS, TRUSTED_KEYS, Settings
from qcode.errors import UsageError
from qcode.secrets import Masker
from qcode.settings_file import change, written

PROJECT_FILES = (".qcode/config.toml", ".qcode/config.local.toml")
_ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "model": ("QCODE_MODEL", "OPENAI_MODEL"),
    "base_url": ("QCODE_BASE_URL", "OPENAI_BASE_URL"),
    "sandbox": ("QCODE_SANDBOX",),
    "tool_protocol": ("QCODE_TOOL_PROTOCOL",),
    "surroundings": ("QCODE_SURROUNDINGS",),
    "map": ("QCODE_MAP",),
}
_SECRET = re.compile(r"api_?key|token|secret|password|credential|auth", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFUSED = UsageError(
    "qcode keeps no keys or passwords",
    hint="put it into an environment variable, and the variable's name into `api_key_env`",
)


def origins(
    settings: Settings, project: Path | None, environ: Mapping[str, str], user_file: Path | None
) -> dict[str, str]:
    """Return where each key is from that is set somewhere; later places win or add to it.

    Without a `project` or a `user_file`, none of their files counts.

    Raises:
        UsageError: a configuration file cannot be read.
    """
    found: dict[str, list[str]] = {}
    for key in config.read(user_file) if user_file else ():
        found.setdefault(key, []).append(str(user_file))
    for name in PROJECT_FILES:
        for key in config.read(project / name) if project else ():
            if key in PROJECT_KEYS | TRUSTED_KEYS and key not in settings.wishes:
                found.setdefault(key, []).append(name)
    for key, names in _ENVIRONMENT.items():
        if name := next((name for name in names if environ.get(name)), ""):
            found[key] = [f"${name}"]
    return {key: ", ".join(places) for key, places in found.items()}


def shown(settings: Settings, where: Mapping[str, str]) -> str:
    """Return the keys that are set, a line each as it would stand in a file."""
    lines = [
        f"{line(key, value)}  # {where.get(key, 'an option')}"
        for key in KEYS
        if (value := getattr(settings, key)) != _default(key)
    ]
    return "\n".join(lines) or "nothing is set; `qcode config set KEY VALUE` does"


def line(key: str, value: Any) -> str:
    """Return a key and its value as TOML, without secrets."""
    return f"{key} = {Masker().mask(written(_plain(value)))}"


def bare(settings: Settings, key: str) -> str:
    """Return a value alone: a string as it is, anything else as TOML; nothing if it is not set.

    Raises:
        UsageError: there is no such key.
    """
    require(key)
    value = _plain(getattr(settings, key))
    text = "" if value is None else value if isinstance(value, str) else written(value)
    return Masker().mask(text)


def set_one(file: Path, key: str, text: str) -> Any:
    """Set a key in a file to what a person typed; return the value.

    Raises:
        UsageError: there is no such key, the value is none for it, a secret is in it, or the
            file cannot be changed.
    """
    value = parsed(key, text, file)
    change(file, key, value)
    return value


def parsed(key: str, text: str, file: Path) -> Any:
    """Return the value that a person typed, checked for a key.

    Raises:
        UsageError: there is no such key, the value is none for it, or a secret is in it.
    """
    if key not in KEYS and _SECRET.search(key):
        raise _REFUSED
    require(key)
    if Masker().mask(text) != text:
        raise _REFUSED
    value = text if str in KEYS[key] else _read(key, text)
    config.checked(key, value, file)
    if key == "api_key_env" and not _VARIABLE.fullmatch(text):
        raise UsageError("`api_key_env` takes the name of a variable, not a key")
    if key == "base_url" and not re.match(r"https?://[^\s/@]+(/|$)", text):
        raise UsageError(
            f"`{text}` is no base URL", hint="it looks like http://localhost:8000/v1, without a key"
        )
    return value


def require(key: str) -> None:
    """Check that there is such a key.

    Raises:
        UsageError: there is none; the hint is the nearest one.
    """
    if key not in KEYS:
        import difflib

        near = difflib.get_close_matches(key, KEYS, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(KEYS)}"
        raise UsageError(f"there is no setting `{key}`", hint=hint)


def _read(key: str, text: str) -> Any:
    """Return what is typed of a value that is no string; a list may be one item alone."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if list in KEYS[key]:
            return [text]
        return text  # so that the check says what is wanted


def _default(key: str) -> Any:
    field = next(each for each in dataclasses.fields(Settings) if each.name == key)
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
