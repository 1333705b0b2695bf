"""What `qcode doctor` found out about an endpoint and a model, kept for the sessions after it.

One small JSON file each in the cache folder. Reading one costs next to
nothing, and a file that is damaged, or another's, counts as none.
"""

from __future__ import annotations

import binascii
import contextlib
import json
import os
import re
from pathlib import Path
from typing import Literal, TypeAlias, cast

from qcode.paths import cache_dir
from qcode.record import Record

Protocol: TypeAlias = Literal["native", "prompted"]

_VERSION = 1
_MAX_BYTES = 64 << 10


class Profile(Record):
    """One model as one endpoint serves it. What is not known stands at its default."""

    base_url: str
    """Empty where the model's name alone says where it is."""
    model: str
    checked: str
    """When, as ISO 8601 in UTC."""
    server: str = ""
    """The kind of server."""
    version: str = ""
    protocol: Protocol = "native"
    """`native`: tools go in the request's `tools`; `prompted`: the system prompt tells of them."""
    style: str = ""
    """How calls are to be written under `prompted`; empty: as the model's name suggests."""
    plain_schemas: bool = False
    """Whether the server refused JSON Schema beyond types, properties and what is required."""
    context_window: int | None = None
    """Tokens that really arrive."""
    parallel_calls: bool = True
    reasoning: str = ""
    """The field that reasoning comes in, or `text` where it stands between tags; empty: none."""
    prompt_cache: bool | None = None
    prefill_tps: float | None = None
    """Prompt tokens read a second."""
    generation_tps: float | None = None
    """Tokens written a second."""


_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("base_url", "model", "checked", "server", "version"), (str,)),
    **dict.fromkeys(("protocol", "style", "reasoning"), (str,)),
    **dict.fromkeys(("plain_schemas", "parallel_calls"), (bool,)),
    "context_window": (int, type(None)),
    "prompt_cache": (bool, type(None)),
    **dict.fromkeys(("prefill_tps", "generation_tps"), (float, int, type(None))),
}


def load(base_url: str | None, model: str) -> Profile | None:
    """Return the profile of a model at an endpoint, or None."""
    try:
        with _file(base_url, model).open("rb") as file:
            content = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    profile = _parse(content)
    # Two names can share a file, and a copied file may be another's.
    if profile is None or (profile.base_url, profile.model) != (_normal(base_url), model):
        return None
    return profile


def every() -> list[Profile]:
    """Return all profiles, the latest first."""
    found = []
    with contextlib.suppress(OSError):
        for path in sorted((cache_dir() / "profiles").glob("*.json")):
            try:
                with path.open("rb") as file:
                    profile = _parse(json.loads(file.read(_MAX_BYTES)))
            except (OSError, ValueError, RecursionError):
                continue
            if profile is not None:
                found.append(profile)
    return sorted(found, key=lambda profile: profile.checked, reverse=True)


def save(profile: Profile) -> Path:
    """Write a profile, whole or not at all; return its file.

    Raises:
        OSError: it cannot be written.
    """
    file = _file(profile.base_url, profile.model)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        partial.write_text(json.dumps(to_json(profile), indent=1) + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    return file


def to_json(profile: Profile) -> dict[str, object]:
    """Return the profile as it is written."""
    fields = {name: getattr(profile, name) for name in _KINDS}
    return {"version_of_format": _VERSION, **fields, "base_url": _normal(profile.base_url)}


def _parse(content: object) -> Profile | None:
    if not isinstance(content, dict) or content.pop("version_of_format", None) != _VERSION:
        return None
    for name, value in content.items():
        kinds = _KINDS.get(name)
        if kinds is None or not isinstance(value, kinds):
            return None
        # True is an int to Python, and no number of tokens.
        if isinstance(value, bool) and bool not in kinds:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
            return None
    if content.get("protocol", "native") not in ("native", "prompted"):
        return None
    try:
        return Profile(**cast("dict[str, str]", content))  # type: ignore[arg-type]  # checked
    except TypeError:
        return None


def _file(base_url: str | None, model: str) -> Path:
    names = f"{_normal(base_url)} {model}"
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", model)[-60:].strip("-.")
    number = binascii.crc32(names.encode("utf-8", "replace"))
    return cache_dir() / "profiles" / f"{readable}-{number:08x}.json"


def _normal(base_url: str | None) -> str:
    return (base_url or "").strip().rstrip("/")
