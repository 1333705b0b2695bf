"""What the registry of models says of the model that a session begins with.

A local server's window is smaller than the model's, so that only hosted models get theirs from
the registry; litellm's table is looked into for these alone.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from qcode import paths
from qcode.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from qcode.cli.chosen import Chosen
    from qcode.config import Settings
    from qcode.families import Family
    from qcode.models import Model
    from qcode.providers.registry import Target


def is_hosted(target: Target) -> bool:
    """Whether somebody else serves the model, as its vendor means it to be served."""
    if target.kind in ("litellm", "responses"):
        return True
    if target.kind != "chat" or target.base_url is None:
        return False
    from qcode.providers.connection import parse_origin

    return not parse_origin(target.base_url).is_local


def own_place(settings: Settings) -> Settings:
    """Return the settings with the place of a model of the person's own, where it is named.

    Raises:
        UsageError: the person's file of models cannot be read, or is wrong.
    """
    own = _own(settings.model)
    if own is None or not (own.base_url or own.served_as):
        return settings
    changes: dict[str, str | None] = {}
    if own.base_url:
        changes["base_url"] = own.base_url
        # The key of another endpoint is not for this one.
        changes["api_key_env"] = own.api_key_env or None
    if own.served_as:
        changes["model"] = own.served_as
    return dataclasses.replace(settings, **changes)  # type: ignore[arg-type]  # they are strings


def with_known(chosen: Chosen) -> Chosen:
    """Return what was chosen, with what is known of the model where nobody else has told.

    Raises:
        UsageError: the person's file of models cannot be read, or is wrong.
    """
    model = _known(chosen.target)
    if model is None:
        return dataclasses.replace(chosen, is_known=not is_hosted(chosen.target))
    window = model.context_window
    if not is_hosted(chosen.target) and "context_window" not in model.own:
        window = None
    return dataclasses.replace(
        chosen,
        context_window=chosen.context_window or window,
        max_output=model.max_output,
    )


def with_places(name: str, error: UsageError) -> UsageError:
    """Return the error that a model's place is not known, with places that serve it."""
    from qcode.models import find

    model = find(name)
    if model is None or not model.places:
        return error
    names = ", ".join(f"`{place.name}`" for place in model.places[:3])
    return UsageError(error.message, hint=f"it is served as {names}, or give --base-url URL")


def family_for(model: str) -> Family:
    """Return the family of prompts of a model: as the person's own file says, else by its name."""
    from qcode.families import family_named, family_of

    own = _own(model)
    return family_named(own.tier) if own is not None and "tier" in own.own else family_of(model)


def tell_unknown(chosen: Chosen, note: Callable[[str], None]) -> None:
    """Say once that nothing is known of a hosted model, and what is assumed then."""
    if chosen.is_known or chosen.context_window is not None:
        return
    from qcode.tiers import UNKNOWN

    note(
        f"nothing is known of the model {chosen.target.model}, and a window of {UNKNOWN:,} tokens "
        f"is assumed; context_window in your configuration or {paths.models_file()} says more"
    )


def _own(name: str | None) -> Model | None:
    if not name or not paths.models_file().exists():
        return None
    from qcode.models import find_own

    return find_own(name)


def _known(target: Target) -> Model | None:
    """Return what is known of a hosted model; of another one, what the person's file says."""
    if target.kind == "given" or not is_hosted(target):
        return _own(target.model)
    from qcode.models import find

    return find(target.model, in_table=True)
