"""A model by any name that somebody gives it."""

from __future__ import annotations

from collections.abc import Mapping

from qcode import paths
from qcode.models.model import Model
from qcode.models.naming import forms, key
from qcode.models.own import own_models, own_names
from qcode.models.reading import index, registered, rows


def find(name: str, *, in_table: bool = False) -> Model | None:
    """Return what is known of a model; None: nothing is.

    The person's own file holds before the registry, and that before litellm's table, which is
    only looked into with `in_table`: the first time that takes a tenth of a second, and a local
    server's model is not in it.

    Raises:
        UsageError: the person's file cannot be read, or is wrong.
    """
    own = own_models(paths.models_file())
    names = own_names(own) if own else {}
    known = index()
    for form in map(key, forms(name)):
        if form in names:
            return own[names[form]]
        if form in known:
            return registered(known[form])
    if in_table:
        from qcode.models.table import look_up

        return look_up(name)
    return None


def find_own(name: str) -> Model | None:
    """Return the model of a name that the person's own file has; the registry is not read.

    Raises:
        UsageError: the file cannot be read, or is wrong.
    """
    own = own_models(paths.models_file())
    names = own_names(own) if own else {}
    return next((own[names[form]] for form in map(key, forms(name)) if form in names), None)


def says(model: Model, field: str) -> bool:
    """Whether a field was set for the model, and does not only stand at its default."""
    return field in model.own or not set(model.sources) <= set(model.own)


def every() -> Mapping[str, Model]:
    """Return all models of the registry and of the person's own file, by what they are called.

    Raises:
        UsageError: the person's file cannot be read, or is wrong.
    """
    found = {model: registered(model) for model in rows()}
    for name, model in own_models(paths.models_file()).items():
        found[model.id if model.id in found else name] = model
    return found
