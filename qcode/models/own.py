"""The person's own models, and figures of known ones that are others to them: `models.toml`.

```toml
[my-model]                      # a name of one's own, or the id of a known model
base_url = "http://10.0.0.5:8000/v1"
context_window = 65536

[my-model.prices]
input = 0.2
output = 0.8
```
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from qcode.errors import UsageError
from qcode.files_safe import read_small
from qcode.models.model import CALL_FORMATS, TIERS, Model, Protocol, RenderBack, Style
from qcode.models.naming import key, plain
from qcode.models.reading import PARTS, called, index, registered
from qcode.record import replace

_NUMBER = (int, float)

_KINDS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "": {
        **dict.fromkeys(("name", "vendor", "call_format", "protocol", "tier"), (str,)),
        **dict.fromkeys(("base_url", "api_key_env", "served_as"), (str,)),
        **dict.fromkeys(("context_window", "max_output"), (int,)),
        **dict.fromkeys(("prices", "reasoning", "sampling", "weights"), (dict,)),
        "sees_images": (bool,),
        "aliases": (list,),
    },
    "prices": {
        **dict.fromkeys(("input", "output", "cache_read", "cache_write"), _NUMBER),
        **dict.fromkeys(("source", "date"), (str,)),
    },
    "reasoning": {"style": (str,), "render_back": (str,), "can_be_off": (bool,)},
    "sampling": {
        **dict.fromkeys(("temperature", "top_p", "min_p"), _NUMBER),
        **dict.fromkeys(("presence_penalty", "repetition_penalty"), _NUMBER),
        "top_k": (int,),
        "source": (str,),
    },
    "weights": {
        **dict.fromkeys(("repository", "gguf", "ollama", "licence"), (str,)),
        **dict.fromkeys(("total_b", "active_b"), _NUMBER),
        "kv_bytes_per_token": (int,),
        "quantisations": (dict,),
    },
}
"""By table, the keys that may stand in it, and of which types their values are."""

_NEEDED: Mapping[str, tuple[str, ...]] = {
    "prices": ("input", "output"),
    "weights": ("repository", "total_b", "active_b"),
}

_MAY_BE_ZERO = frozenset({"prices", "sampling"})

_WORDS = {str: "a string", int: "a whole number", float: "a number", bool: "true or false",
          list: "a list of strings", dict: "a table"}  # fmt: skip

Own = Mapping[str, Model]
"""By what they are called there, in lower case."""

_read: dict[Path, tuple[tuple[int, int], Own]] = {}


def own_models(file: Path) -> Own:
    """Return the models of a file; none where there is none. Known ones keep what it does not say.

    A file that is broken while qcode runs counts as it was before: nobody waits for its error then.

    Raises:
        UsageError: it cannot be read, or has an unknown key or a wrong value.
    """
    try:
        status = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"cannot read `{file}`: {error.strerror}") from error
    state = (status.st_mtime_ns, status.st_size)
    if file not in _read:
        _read[file] = state, _models(file)
    elif _read[file][0] != state:
        try:
            _read[file] = state, _models(file)
        except UsageError:
            _read[file] = state, _read[file][1]
    return _read[file][1]


def own_names(models: Own) -> Mapping[str, str]:
    """Return the names there by all that these models are called (`naming.key`)."""
    return {
        name: own
        for own, model in models.items()
        for called_so in (own, model.id, plain(model.served_as), *model.aliases)
        if called_so
        for name in called({"id": called_so})
    }


def _models(file: Path) -> Own:
    import tomllib

    try:
        tables = tomllib.loads(read_small(file).decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"cannot read `{file}`: {error.strerror}") from error
    # TOML's and Unicode's own are both ValueErrors; nested too deeply, it cannot be read either.
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"cannot read `{file}`: {' '.join(str(error).split())}", hint="mend it or move it away"
        ) from error
    found = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(
                f"`{name}` in `{file}` stands in no table", hint="begin a model with `[its-name]`"
            )
        found[name.lower()] = _model(name, table, file)
    return found


def _model(name: str, table: Mapping[str, Any], file: Path) -> Model:
    fields = _checked("", table, f"`{file}`, [{name}]")
    model = _base(name, str(fields.get("served_as", "")))
    for part, kind in PARTS.items():
        if part in fields:
            where = f"`{file}`, [{name}.{part}]"
            # A price of the person's own is no longer whose it was.
            said = {"source": str(file), "date": ""} if part == "prices" else {}
            given = {**said, **fields[part]}
            fields[part] = _laid_over(part, kind, getattr(model, part), given, where)
    if "aliases" in fields:
        fields["aliases"] = (*model.aliases, *map(plain, fields["aliases"]))
    fields["sources"] = {**model.sources, **dict.fromkeys(table, str(file))}
    return replace(model, **fields, own=tuple(table))


def _base(name: str, served_as: str) -> Model:
    """Return what a table is laid over: the known model of that name, or what is served there."""
    if known := index().get(key(plain(name))):
        return registered(known)
    model = Model(id=name.lower(), name=name)
    served = index().get(key(plain(served_as)))
    if served is None:
        return model
    return replace(registered(served), id=model.id, name=name, places=(), aliases=())


def _laid_over(part: str, kind: Any, known: Any, given: Mapping[str, Any], where: str) -> Any:
    fields = _checked(part, given, where)
    if known is not None:
        return replace(known, **fields)
    for needed in _NEEDED.get(part, ()):
        if needed not in fields:
            raise UsageError(f"`{needed}` is missing in {where}")
    return kind(**fields)


def _checked(part: str, table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the table, if its keys are known and its values are of their types."""
    kinds = _KINDS[part]
    for name, value in table.items():
        if name not in kinds:
            import difflib

            near = difflib.get_close_matches(name, kinds, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(kinds)}"
            raise UsageError(f"unknown key `{name}` in {where}", hint=hint)
        wanted = kinds[name]
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            raise UsageError(f"`{name}` in {where} must be {_WORDS[wanted[-1]]}, not {value!r}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            _check_number(name, value, where, may_be_zero=part in _MAY_BE_ZERO)
        if isinstance(value, list) and not all(isinstance(one, str) for one in value):
            raise UsageError(f"`{name}` in {where} must be a list of strings, not {value!r}")
        if (words := _CHOICES.get((part, name))) and value not in words:
            raise UsageError(
                f"`{name}` in {where} must be one of {', '.join(words)}, not {value!r}"
            )
        if name == "quantisations":
            _check_sizes(table[name], where)
    return dict(table)


def _check_number(name: str, value: float, where: str, *, may_be_zero: bool) -> None:
    """Check a figure: finite, and none that is nonsense."""
    if name in ("presence_penalty", "repetition_penalty"):
        may_be_zero, value = True, abs(value)
    if value == value and value != float("inf") and (value > 0 or (may_be_zero and value == 0)):
        return
    raise UsageError(f"`{name}` in {where} must be {'0 or more' if may_be_zero else 'more than 0'}")


def _check_sizes(sizes: Mapping[str, Any], where: str) -> None:
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int | float) or not size > 0:
            raise UsageError(f"`quantisations.{name}` in {where} must be a size in GB")


_CHOICES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "call_format"): CALL_FORMATS,
    ("", "tier"): TIERS,
    ("", "protocol"): get_args(Protocol),
    ("reasoning", "style"): get_args(Style),
    ("reasoning", "render_back"): get_args(RenderBack),
}
