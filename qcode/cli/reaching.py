"""What a command may reach, and that it is written down: from settings to guard and ledger."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import paths
from qcode.errors import OfflineError
from qcode.network import guard, ledger, metering
from qcode.network.addresses import is_loopback

if TYPE_CHECKING:
    from qcode.config import Settings
    from qcode.providers.registry import Target

OWN_SERVERS = ("ollama/", "ollama_chat/", "lm_studio/", "llamafile/")
"""How litellm's names begin of models that are served on this machine, unless told otherwise."""


def record() -> None:
    """Have every connection of this process written down."""
    ledger.keep(paths.state_dir() / "audit")
    guard.note(metering.heard)


def settle(settings: Settings) -> None:
    """Refuse all but this machine from now on, if the settings want that."""
    if settings.offline:
        guard.refuse_others()


def settle_from_files() -> None:
    """Do so for a command that has no other settings.

    Raises:
        UsageError: a configuration file is not usable.
    """
    from qcode import config

    user_file, cwd = paths.config_dir() / "config.toml", Path.cwd()
    settle(config.load(user_file=user_file, project=cwd, environ=os.environ))


def check_place(settings: Settings) -> None:
    """Check before anything is asked that the model's place is on this machine, if it must be.

    Raises:
        OfflineError: it is elsewhere; the message says which setting to change.
    """
    if not settings.offline or settings.base_url is None:
        return
    from qcode.providers.connection import parse_origin

    origin = parse_origin(settings.base_url)
    if not is_loopback(origin.host):
        raise _elsewhere(f"the base URL `{origin.authority}` is not on this machine")


def check_target(settings: Settings, target: Target) -> None:
    """Check that a model answers on this machine, if it must.

    Raises:
        OfflineError: it is elsewhere; the message says which setting to change.
    """
    if not settings.offline or target.kind == "given":  # a plugin's, whose connections are seen
        return
    if target.base_url is None:
        if not target.model.startswith(OWN_SERVERS):
            raise _elsewhere(f"the model `{target.model}` is not served on this machine")
    else:
        from dataclasses import replace

        check_place(replace(settings, base_url=target.base_url))


def _elsewhere(what: str) -> OfflineError:
    source = next(
        (name for name in ("QCODE_BASE_URL", "OPENAI_BASE_URL") if os.environ.get(name)), ""
    )
    also = f" ({source} is set)" if source else ""
    return OfflineError(
        f"offline, and {what}",
        hint=f"name a server here with `base_url` or --base-url{also}, use --local, "
        "or leave out offline",
    )
