"""Settings: defaults, user, project, environment and flags in one frozen object.

Later layers win. Keys of a project's own files that could send the person's
words or key elsewhere, or loosen what is asked, are not taken from there: a
cloned repository must not configure its reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

from qcode.edit_formats import EditFormat
from qcode.errors import UsageError
from qcode.files_safe import read_small
from qcode.permissions import Mode

ToolProtocol: TypeAlias = Literal["auto", "native", "prompted"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a session runs with."""

    model: str | None = None
    base_url: str | None = None
    """An OpenAI-compatible endpoint, with its `/v1`."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key."""
    approval_mode: Mode | None = None
    """None: `default`."""
    max_steps: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    """USD."""
    max_time: float | None = None
    """Seconds."""
    max_output_tokens: int | None = None
    """Of one answer; None: from the context window."""
    context_window: int | None = None
    """Tokens; None: what the server says, if it does."""
    tool_protocol: ToolProtocol = "auto"
    """How tools are told to the model and called; `auto`: natively, until that does not work."""
    checkpoints: bool = True
    """Whether the files' states are kept, so that changes can be taken back."""
    checkpoint_ignored: tuple[str, ...] = (".env*",)
    """Names of files that git ignores and that are kept all the same (`fnmatch`)."""
    edit_format: EditFormat | Literal["auto"] = "auto"
    """How the model is told to change files; `auto`: as suits it by its name."""
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    """Added to every request as it stands (sampling, say)."""
    allow: tuple[str, ...] = ()
    """Permission rules (`qcode.rules`): not asked about; those of all layers together."""
    ask: tuple[str, ...] = ()
    """Asked about in every mode."""
    deny: tuple[str, ...] = ()
    """Refused in every mode."""
    warnings: tuple[str, ...] = ()


PROJECT_KEYS = frozenset(
    {"approval_mode", "max_steps", "max_tokens", "max_cost", "max_time"}
    | {"max_output_tokens", "context_window", "ask", "deny"}
)
"""What a project's own files may set. Not the model: a name can mean another, dear provider."""

_ONLY_LOWER = frozenset({"max_steps", "max_tokens", "max_cost", "max_time"})

_ADDED_UP = frozenset({"allow", "ask", "deny"})
"""Lists that a later layer adds to: what one of them denies stays denied."""

_STRICTNESS = [Mode.PLAN, Mode.DEFAULT, Mode.AUTO_EDIT, Mode.YOLO]

_KINDS: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "base_url": (str,),
    "api_key_env": (str,),
    "approval_mode": (str,),
    "max_steps": (int,),
    "max_tokens": (int,),
    "max_cost": (int, float),
    "max_time": (int, float),
    "max_output_tokens": (int,),
    "context_window": (int,),
    "tool_protocol": (str,),
    "edit_format": (str,),
    "checkpoints": (bool,),
    "checkpoint_ignored": (list,),
    "extra_body": (dict,),
    "allow": (list,),
    "ask": (list,),
    "deny": (list,),
}


def load(
    *,
    user_file: Path,
    project: Path | None,
    environ: Mapping[str, str],
    explicit: Path | None = None,
    none: bool = False,
) -> Settings:
    """Return the settings below the flags.

    `project` is the directory worked in; `explicit` (`--config`) replaces both
    files, `none` (`--no-config`) leaves them out.

    Raises:
        UsageError: a file cannot be read, or has an unknown key or a wrong value.
    """
    settings = Settings()
    if explicit is not None:
        settings = _apply(settings, _read(explicit, required=True), explicit, from_project=False)
    elif not none:
        settings = _apply(settings, _read(user_file), user_file, from_project=False)
        if project is not None:
            for name in ("config.toml", "config.local.toml"):
                file = project / ".qcode" / name
                settings = _apply(settings, _read(file), file, from_project=True)
    model = environ.get("QCODE_MODEL") or environ.get("OPENAI_MODEL")
    base_url = environ.get("QCODE_BASE_URL") or environ.get("OPENAI_BASE_URL")
    if model:
        settings = replace(settings, model=model)
    if base_url:
        settings = replace(settings, base_url=base_url)
    if protocol := environ.get("QCODE_TOOL_PROTOCOL"):
        settings = replace(
            settings, tool_protocol=_tool_protocol(protocol, "`QCODE_TOOL_PROTOCOL`")
        )
    return settings


def _read(file: Path, *, required: bool = False) -> dict[str, Any]:
    try:
        # A project's file comes with a clone: it may be a pipe, or a link to a device.
        data = file.read_bytes() if required else read_small(file)
    except (FileNotFoundError, NotADirectoryError) as error:
        if required:
            raise UsageError(f"no such configuration file `{file}`") from error
        return {}
    except OSError as error:
        raise UsageError(
            f"cannot read the configuration `{file}`: {error.strerror}",
            hint="mend it or pass --no-config",
        ) from error
    # Slow to import, and most starts have no configuration file.
    import tomllib

    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the configuration `{file}`: {error}", hint="mend it or pass --no-config"
        ) from error


def _apply(
    settings: Settings, values: dict[str, Any], file: Path, *, from_project: bool
) -> Settings:
    changes: dict[str, Any] = {}
    warnings = list(settings.warnings)
    for key, value in values.items():
        checked = _check(key, value, file)
        if from_project and key not in PROJECT_KEYS:
            warnings.append(f"`{key}` in {file} is ignored: a project may not set it")
            continue
        present = getattr(settings, key)
        if from_project and key == "approval_mode" and _looser(checked, present):
            warnings.append(
                f'`approval_mode = "{value}"` in {file} is ignored: a project may only tighten it'
            )
            continue
        if from_project and key in _ONLY_LOWER and present is not None:
            checked = min(checked, present)
        if key in _ADDED_UP:
            checked = (*present, *checked)
        changes[key] = checked
    return replace(settings, **changes, warnings=tuple(warnings))


def _looser(mode: Mode, present: Mode | None) -> bool:
    return _STRICTNESS.index(mode) > _STRICTNESS.index(present or Mode.DEFAULT)


def _check(key: str, value: Any, file: Path) -> Any:
    kinds = _KINDS.get(key)
    if kinds is None:
        import difflib

        near = difflib.get_close_matches(key, _KINDS, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(_KINDS)}"
        raise UsageError(f"unknown key `{key}` in `{file}`", hint=hint)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        wanted = {
            str: "a string",
            int: "a whole number",
            float: "a number",
            bool: "true or false",
            list: "a list of strings",
            dict: "a table",
        }
        raise UsageError(f"`{key}` in `{file}` must be {wanted[kinds[-1]]}, not {value!r}")
    if isinstance(value, list):
        if not all(isinstance(item, str) for item in value):
            raise UsageError(f"`{key}` in `{file}` must be a list of strings, not {value!r}")
        return tuple(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
        raise UsageError(f"`{key}` in `{file}` must be more than 0, not {value!r}")
    if key == "approval_mode":
        try:
            return Mode(str(value))
        except ValueError:
            raise UsageError(
                f"`approval_mode` in `{file}` must be one of {', '.join(Mode)}, not `{value}`"
            ) from None
    if key == "tool_protocol":
        return _tool_protocol(str(value), f"`{key}` in `{file}`")
    if key == "edit_format":
        return _edit_format(str(value), f"`{key}` in `{file}`")
    return value


def _tool_protocol(value: str, where: str) -> ToolProtocol:
    for known in get_args(ToolProtocol):
        if value == known:
            return cast("ToolProtocol", known)
    raise UsageError(f"{where} must be one of auto, native, prompted, not `{value}`")


def _edit_format(value: str, where: str) -> EditFormat | Literal["auto"]:
    known = ("auto", *get_args(EditFormat))
    if value in known:
        return cast("EditFormat", value)
    raise UsageError(f"{where} must be one of {', '.join(known)}, not `{value}`")
