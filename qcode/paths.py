"""Where qcode keeps things; with `hub_address`, the only environment read below the CLI.

The folders follow the XDG base directory specification: a variable that is unset,
empty or relative counts as unset. Nothing here creates a folder.
"""

from __future__ import annotations

import os
from pathlib import Path


def config_dir() -> Path:
    """Settings: `$XDG_CONFIG_HOME/qcode`, by default `~/.config/qcode`."""
    return _xdg("XDG_CONFIG_HOME", ".config")


def models_file() -> Path:
    """The person's own models (`qcode.models.own`)."""
    return config_dir() / "models.toml"


def state_dir() -> Path:
    """Sessions, logs, the local server's state: `$XDG_STATE_HOME/qcode`."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def data_dir() -> Path:
    """Models and servers: `$XDG_DATA_HOME/qcode`."""
    return _xdg("XDG_DATA_HOME", ".local/share")


def cache_dir() -> Path:
    """What can be made again: `$XDG_CACHE_HOME/qcode`."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def runtime_dir() -> Path:
    """What lives no longer than a login: `$XDG_RUNTIME_DIR/qcode`, or a folder of the state's."""
    value = os.environ.get("XDG_RUNTIME_DIR", "")
    return Path(value) / "qcode" if Path(value).is_absolute() else state_dir() / "run"


def hub_address() -> tuple[str, str | None]:
    """The Hugging Face endpoint and token: HF_ENDPOINT and HF_TOKEN, as its own tools read them."""
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    return endpoint.rstrip("/"), os.environ.get("HF_TOKEN") or None


def _xdg(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    base = Path(value) if Path(value).is_absolute() else Path.home() / default
    return base / "qcode"
