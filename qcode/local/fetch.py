"""Get a model's GGUF file: a built-in one, one from a Hugging Face repository, or a local path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qcode.errors import QcodeError, UsageError
from qcode.local import gguf
from qcode.local.catalog import MODELS, Builtin
from qcode.local.huggingface import Hub, Select, Wanted, fetch_from_hub, parse
from qcode.local.offers import choose
from qcode.local.parts import fetch_parts
from qcode.local.progress import Progress
from qcode.paths import data_dir, hub_address


@dataclass(frozen=True, slots=True)
class Model:
    """A GGUF file that is here, whole and checked."""

    path: Path
    id: str
    """What requests call it."""
    facts: gguf.Gguf


def fetch(
    source: str | Wanted,
    *,
    progress: Progress,
    catalog: Mapping[str, Builtin] = MODELS,
    select: Select = choose,
) -> Model:
    """Return the model that `source` names, downloading it when it is not here.

    `source` is a key of `catalog`, a path that ends in `.gguf`, or a Hugging Face
    repository `owner/name`, which `:QUANT` or `:FILE` may follow; of what that one
    has, `select` takes.

    Raises:
        UsageError: `source` is none of these, or the path does not exist.
        QcodeError: the file could not be had, is damaged or is not a GGUF file, or `select` says
            why it cannot be used.
    """
    if isinstance(source, Wanted):
        path = _from_hub(source, progress, select)
    else:
        path = _locate(source, progress, catalog, select)
    return Model(path, gguf.model_id(path.name), gguf.read(path))


def normal(source: str, catalog: Mapping[str, Builtin] = MODELS) -> str:
    """The one spelling of `source` by which two of them are compared."""
    if source.lower() in catalog:
        return source.lower()
    return str(_as_path(source)) if _looks_like_path(source) else source


def in_repository(source: str, catalog: Mapping[str, Builtin] = MODELS) -> Wanted | None:
    """Return the repository that `source` names; None: it is something else."""
    if source.lower() in catalog or _looks_like_path(source):
        return None
    return parse(source)


def _from_hub(wanted: Wanted, progress: Progress, select: Select) -> Path:
    endpoint, token = hub_address()
    return fetch_from_hub(wanted, Hub(endpoint, token), data_dir() / "models", progress, select)


def _locate(
    source: str, progress: Progress, catalog: Mapping[str, Builtin], select: Select
) -> Path:
    store = data_dir() / "models"
    if builtin := catalog.get(source.lower()):
        return fetch_parts(builtin, store, progress)
    if _looks_like_path(source):
        path = _as_path(source)
        if not path.is_file():
            raise UsageError(f"there is no file `{source}`", hint="give the path of a .gguf file")
        return path
    if wanted := parse(source):
        return _from_hub(wanted, progress, select)
    if Path(source).is_file():
        raise QcodeError(f"`{source}` is not a .gguf file", hint="a model for llama.cpp is needed")
    raise UsageError(
        f"unknown model `{source}`",
        hint=f"give {', '.join(catalog)}, a model that qcode knows, the path of a .gguf file, "
        "or a Hugging Face repository OWNER/NAME[:QUANT]",
    )


def _looks_like_path(source: str) -> bool:
    # `owner/name:file.gguf` is a repository, unless such a file is really there.
    return source.lower().endswith(".gguf") and (":" not in source or Path(source).is_file())


def _as_path(source: str) -> Path:
    return Path(source).expanduser().resolve()
