"""Settings: defaults, user, project, environment and flags in one frozen object.

Later layers win. Keys of a project's own files that could send the person's
words or key elsewhere, or loosen what is asked, are not taken from there: a
cloned repository must not configure its reader.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, cast, get_args

from qcode.edit_formats import EditFormat
from qcode.errors import UsageError
from qcode.files_safe import read_small
from qcode.hyperlinks import Hyperlinks, template_of
from qcode.permissions import Mode
from qcode.sandbox.policy import MIB, Level, Limits, Network, Tier

E = TypeVar("E", bound=StrEnum)
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
    fallback_models: tuple[str, ...] = ()
    """Models that answer in this order where the one before is overloaded or cannot be reached."""
    stronger_model: str = ""
    """The model that takes a step where the session's is stuck (`qcode.ladder`); none by itself."""
    stronger_steps: int = 3
    """That it may take in one turn."""
    stronger_cost: float = 0.5
    """USD that its steps of one session may cost."""
    plan_model: str = ""
    """The model that answers in plan mode; nothing: the session's, as with the two below."""
    compact_model: str = ""
    """The one that sums up when room is made, where a summary is wanted."""
    vision_model: str = ""
    """The one that says what is on pictures, where the session's does not see."""
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    """Added to every request as it stands (sampling, say)."""
    allow: tuple[str, ...] = ()
    """Permission rules (`qcode.rules`): not asked about; those of all layers together."""
    ask: tuple[str, ...] = ()
    """Asked about in every mode."""
    deny: tuple[str, ...] = ()
    """Refused in every mode."""
    sandbox: Level | None = None
    """What the tools' processes may touch; None: `workspace-write`."""
    sandbox_tier: Tier | None = None
    """By which means; None: the best that works here."""
    sandbox_image: str = ""
    """Of the container, where the means is one."""
    network: Network | None = None
    """What commands may reach; None: nothing, or the `network_hosts` if some are named."""
    offline: bool = False
    """Whether nothing but this machine is reached, by qcode and by all that it starts."""
    network_hosts: tuple[str, ...] = ()
    """Hosts that commands may reach through the proxy: `pypi.org`, `*.example.com`, `host:8443`."""
    cache_dirs: tuple[str, ...] = ()
    """Directories besides the workspace that commands may write to (`~/.cache/huggingface`)."""
    hidden: tuple[str, ...] = ()
    """Paths, or names of files in the workspace, that are hidden like `~/.ssh` is."""
    shown: tuple[str, ...] = ()
    """What is not to be hidden of what is by default."""
    env_pass: tuple[str, ...] = ()
    """Names of environment variables that commands get although they are not on the list."""
    max_memory: int | None = None
    """MiB that one command may use; None: four fifths of the machine's."""
    max_processes: int | None = None
    """That one command may have at once; None: 1,024."""
    max_file_size: int | None = None
    """MiB of a file that a command writes; None: 2,048."""
    max_temp: int | None = None
    """MiB of the private temporary directory; None: 512."""
    memory: bool = True
    """Whether the model is told what instruction files say."""
    memory_files: tuple[str, ...] | None = None
    """Their names; None: `qcode.memory.files.NAMES`."""
    surroundings: bool | None = None
    """Whether the model is told of directory, branch and likely commands; None: by its family."""
    map: bool | None = None
    """Whether it is given a map of the repository; None: by its family (`qcode.families`)."""
    compaction_summary: bool = False
    """Whether the model is asked to sum up when room is made in its window."""
    facts: bool = True
    """Whether commands that test, lint and build are noted, and told to later sessions."""
    warm_up: bool = True
    """Whether a llama.cpp server on this machine reads ahead what is known of the first request."""
    theme: ThemeName = "auto"
    """Of the terminal's colours: `auto`, `dark`, `light` or `none`."""
    plain: bool = False
    """Whether only lines are printed, with words instead of signs: for screen readers."""
    vi: bool = False
    """Whether the line being written is edited as in vi."""
    notify_after: float = 10.0
    """Seconds that a person waited before the terminal is rung; 0: it never is."""
    diff_editor: str = ""
    """The command that compares two files, for `diff --editor`; nothing: the first one found."""
    bridge: bool = True
    """Whether editors can hand things over to an interactive session (`qcode.bridge`)."""
    editor_context: bool = False
    """Whether the model is told what is selected there with each message."""
    hyperlinks: Hyperlinks = Hyperlinks.AUTO
    """Whether names of files are links in the terminal; `auto`: where it is known to take them."""
    hyperlink_format: str = "file"
    """Of their addresses: a name of `qcode.hyperlinks.FORMATS`, or a template."""
    vision: bool | None = None
    """Whether the model sees pictures; None: as its name tells (`qcode.vision`)."""
    hooks: Mapping[str, Any] = field(default_factory=dict)
    """Programs that are run at certain moments, by the event's name (`qcode.hooks`)."""
    project_hooks: Mapping[str, Any] = field(default_factory=dict)
    """The same, of a project that is trusted with them: they are run in the sandbox."""
    mcp_servers: Mapping[str, Any] = field(default_factory=dict)
    """Servers of the Model Context Protocol, by name (`qcode.mcp`)."""
    subagents: bool = False
    """Whether the model may hand tasks to the subagents that are built in; those that files
    define are there without it."""
    plugins: tuple[str, ...] = ()
    """Installed packages whose tools and providers are used (`qcode.plugins`)."""
    tracing: bool = False
    """Whether spans of what happens are sent to a collector (`qcode.tracing`)."""
    extensions_trusted: bool = False
    """Whether what the project's folders bring along (`qcode.extensions`) may be used."""
    warnings: tuple[str, ...] = ()
    wishes: Mapping[str, Any] = field(default_factory=dict)
    """What the project's own files would loosen, if the person trusted them."""


PROJECT_KEYS = frozenset(
    {"approval_mode", "max_steps", "max_tokens", "max_cost", "max_time"}
    | {"max_output_tokens", "context_window", "ask", "deny"}
    | {"sandbox", "network", "offline", "hidden"}
    | {"max_memory", "max_processes", "max_file_size", "max_temp"}
)
"""What a project's own files may set. Not the model: a name can mean another, dear provider."""

TRUSTED_KEYS = frozenset(
    {"allow", "sandbox", "network", "network_hosts", "cache_dirs", "shown", "env_pass"}
    | {"approval_mode", "sandbox_image", "hooks", "mcp_servers"}
)
"""What they may loosen, too, once the person trusts them with just that."""

_ONLY_LOWER = frozenset(
    {"max_steps", "max_tokens", "max_cost", "max_time"}
    | {"max_memory", "max_processes", "max_file_size", "max_temp"}
)

_ADDED_UP = frozenset({"allow", "ask", "deny", "hidden", "shown", "cache_dirs", "env_pass"})
"""Lists that a later layer adds to: what one of them denies stays denied."""

_LISTS = _ADDED_UP | {"network_hosts"}

_TABLES = frozenset({"hooks", "mcp_servers"})
"""Tables to which a later layer adds names, or gives them another meaning."""

_OPENNESS = [Level.READ_ONLY, Level.WORKSPACE_WRITE, Level.EXTERNAL, Level.OFF]

ThemeName: TypeAlias = Literal["auto", "dark", "light", "none"]
THEMES: tuple[ThemeName, ...] = ("auto", "dark", "light", "none")

INSIDE = "1"
"""What `QCODE_SANDBOX` is in a sandbox of qcode's; otherwise it may say what `--sandbox` does."""

_STRICTNESS = [Mode.PLAN, Mode.DEFAULT, Mode.AUTO_EDIT, Mode.YOLO]

_MAY_BE_ZERO = frozenset({"notify_after"})

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
    "fallback_models": (list,),
    "stronger_model": (str,),
    "stronger_steps": (int,),
    "stronger_cost": (int, float),
    "plan_model": (str,),
    "compact_model": (str,),
    "vision_model": (str,),
    "sandbox": (str,),
    "sandbox_tier": (str,),
    "sandbox_image": (str,),
    "network": (str,),
    "network_hosts": (list,),
    "offline": (bool,),
    "cache_dirs": (list,),
    "hidden": (list,),
    "shown": (list,),
    "env_pass": (list,),
    "max_memory": (int,),
    "max_processes": (int,),
    "max_file_size": (int,),
    "max_temp": (int,),
    "allow": (list,),
    "ask": (list,),
    "deny": (list,),
    "memory": (bool,),
    "memory_files": (list,),
    "surroundings": (bool,),
    "map": (bool,),
    "vision": (bool,),
    "theme": (str,),
    "plain": (bool,),
    "vi": (bool,),
    "notify_after": (int, float),
    "bridge": (bool,),
    "diff_editor": (str,),
    "editor_context": (bool,),
    "hyperlinks": (str,),
    "hyperlink_format": (str,),
    "facts": (bool,),
    "compaction_summary": (bool,),
    "warm_up": (bool,),
    "subagents": (bool,),
    "hooks": (dict,),
    "mcp_servers": (dict,),
    "plugins": (list,),
    "tracing": (bool,),
}

KEYS: Mapping[str, tuple[type, ...]] = _KINDS
"""All keys of a configuration file, and of which types their values are."""

_CHOICES: Mapping[str, type[StrEnum]] = {
    "approval_mode": Mode,
    "sandbox": Level,
    "sandbox_tier": Tier,
    "network": Network,
    "hyperlinks": Hyperlinks,
}


def load(
    *,
    user_file: Path,
    project: Path | None,
    environ: Mapping[str, str],
    explicit: Path | None = None,
    none: bool = False,
    trusts: Callable[[Path, Mapping[str, Any]], bool] = lambda _folder, _wishes: False,
    brings: Callable[[Path], tuple[str, ...]] = lambda _folder: (),
) -> Settings:
    """Return the settings below the flags.

    `project` is the directory worked in; `explicit` (`--config`) replaces both
    files, `none` (`--no-config`) leaves them out. `trusts` says whether a person
    trusts the project with what its files would loosen, `brings` what else there
    is in its folders to be trusted.

    Raises:
        UsageError: a file cannot be read, or has an unknown key or a wrong value.
    """
    settings = Settings()
    if explicit is not None:
        settings = _apply(settings, _read(explicit, required=True), explicit)
    elif not none:
        settings = _apply(settings, _read(user_file), user_file)
        if project is not None:
            files = [project / ".qcode" / name for name in ("config.toml", "config.local.toml")]
            settings = _project(
                settings, project, {file: _read(file) for file in files}, trusts, brings
            )
    model = environ.get("QCODE_MODEL") or environ.get("OPENAI_MODEL")
    base_url = environ.get("QCODE_BASE_URL") or environ.get("OPENAI_BASE_URL")
    if model:
        settings = replace(settings, model=model)
    if base_url:
        settings = replace(settings, base_url=base_url)
    if (level := environ.get("QCODE_SANDBOX", "")) not in ("", INSIDE):
        settings = replace(settings, sandbox=_one_of(Level, level, "`QCODE_SANDBOX`"))
    if protocol := environ.get("QCODE_TOOL_PROTOCOL"):
        settings = replace(
            settings, tool_protocol=_tool_protocol(protocol, "`QCODE_TOOL_PROTOCOL`")
        )
    if (told := environ.get("QCODE_SURROUNDINGS", "")) in ("0", "1"):
        settings = replace(settings, surroundings=told == "1")
    if (told := environ.get("QCODE_MAP", "")) in ("0", "1"):
        settings = replace(settings, map=told == "1")
    # Whatever somebody writes who means it; it turns off nothing that a file turned on.
    if environ.get("QCODE_OFFLINE", "") not in ("", "0"):
        settings = replace(settings, offline=True)
    if (told := environ.get("QCODE_TRACING", "")) in ("0", "1"):
        settings = replace(settings, tracing=told == "1")
    return settings


def kept_offline(settings: Settings) -> Settings:
    """Return the settings as they are offline: commands reach nothing, whatever else is set.

    Raises:
        UsageError: commands would not be confined, and could reach what they like.
    """
    level = settings.sandbox or Level.WORKSPACE_WRITE
    if not level.confines:
        raise UsageError(
            f"offline, and the sandbox is `{level}`: nothing keeps commands from the network",
            hint="leave out `--sandbox` (and `sandbox` in the configuration), or offline",
        )
    return replace(settings, network=Network.OFF, network_hosts=())


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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"cannot read the configuration `{file}`: {error}", hint="mend it or pass --no-config"
        ) from error


def _apply(settings: Settings, values: Mapping[str, Any], file: Path) -> Settings:
    """Return the settings with those of a person's own file on top."""
    changes: dict[str, Any] = {}
    for key, value in values.items():
        checked = _check(key, value, file)
        changes[key] = _joined(key, getattr(settings, key), checked, _ADDED_UP)
    return replace(settings, **changes)


def _joined(key: str, present: Any, value: Any, lists: frozenset[str]) -> Any:
    """Return what a later layer's value makes of a key."""
    if key in lists:
        return (*present, *value)
    return {**present, **value} if key in _TABLES else value


def _project(
    settings: Settings,
    project: Path,
    files: Mapping[Path, Mapping[str, Any]],
    trusts: Callable[[Path, Mapping[str, Any]], bool],
    brings: Callable[[Path], tuple[str, ...]],
) -> Settings:
    """Return the settings with those of a project's files on top, as far as they may go."""
    wishes: dict[str, Any] = {}
    told: dict[str, str] = {}
    warnings = list(settings.warnings)
    for file, values in files.items():
        for key, value in values.items():
            checked = _check(key, value, file)
            if key not in PROJECT_KEYS | TRUSTED_KEYS:
                warnings.append(f"`{key}` in {file} is ignored: a project may not set it")
                continue
            present = getattr(settings, key)
            if key == "offline" and present and not checked:
                warnings.append(f"`{key}` in {file} is ignored: a project may only turn it on")
                continue
            if _loosens(key, checked, present):
                before = wishes.get(key, {} if key in _TABLES else ())
                wishes[key] = _joined(key, before, checked, _LISTS)
                shown = f'`{key} = "{value}"`' if isinstance(value, str) else f"`{key}`"
                told[key] = f"{shown} in {file}"
                continue
            if key in _ONLY_LOWER:
                most = _usual(key) if present is None else present
                checked = checked if most is None else min(checked, most)
            if key in _ADDED_UP:
                checked = (*present, *checked)
            settings = replace(settings, **{key: checked})
    if brought := brings(project):
        wishes["extensions"] = brought
        told["extensions"] = _counted(brought)
    if wishes and trusts(project, wishes):
        granted: dict[str, Any] = {
            key: _joined(key, getattr(settings, key), value, _LISTS)
            for key, value in wishes.items()
            if key not in ("extensions", "hooks")
        }
        granted["project_hooks"] = wishes.get("hooks", {})
        settings = replace(settings, extensions_trusted=bool(brought), **granted)
        wishes = {}
    elif wishes:
        some = ", ".join(told.values())
        warnings.append(
            f"{some}: ignored, as it loosens what is asked or touched and this folder is not "
            "trusted with it; `qcode trust` shows it and asks"
        )
    return replace(settings, warnings=tuple(warnings), wishes=wishes)


def _counted(brought: tuple[str, ...]) -> str:
    """Return what a project brings along, in a few words: `2 skills and 1 hook in this folder`."""
    names = ("skill", "agent", "command", "hook", "MCP server")
    counts = {name: sum(one.startswith(f"{name} ") for one in brought) for name in names}
    some = [f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items() if count]
    return f"{', '.join(some)} in this folder"


def _usual(key: str) -> int | None:
    """Return a limit of commands where nothing sets it, in the settings' unit."""
    limits = Limits()
    match key:
        case "max_processes":
            return limits.processes
        case "max_file_size":
            return limits.file_bytes // MIB
        case "max_temp":
            return limits.temp_bytes // MIB
        case "max_memory":
            return usual_memory() // MIB
        case _:
            return None


def usual_memory() -> int:
    """Return the bytes that a command may use where nothing is set: four fifths of all."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 4 // 5


def _loosens(key: str, value: Any, present: Any) -> bool:
    """Whether a project's value goes beyond what the person has."""
    match key:
        case "approval_mode":
            return _looser(value, present)
        case "sandbox":
            return _OPENNESS.index(value) > _OPENNESS.index(present or Level.WORKSPACE_WRITE)
        case "network":
            return value is not Network.OFF
        case (
            "hooks"
            | "mcp_servers"
            | "network_hosts"
            | "allow"
            | "cache_dirs"
            | "shown"
            | "env_pass"
            | "sandbox_image"
        ):
            return bool(value)
        case _:
            return False


def _looser(mode: Mode, present: Mode | None) -> bool:
    return _STRICTNESS.index(mode) > _STRICTNESS.index(present or Mode.DEFAULT)


def checked(key: str, value: Any, file: Path) -> Any:
    """Return a key's value as settings have it.

    Raises:
        UsageError: there is no such key, or its value is of another kind.
    """
    return _check(key, value, file)


def read(file: Path) -> dict[str, Any]:
    """Return what stands in a configuration file; nothing where there is none.

    Raises:
        UsageError: it cannot be read.
    """
    return _read(file)


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
        if key == "memory_files":
            _check_names(value, file)
        return tuple(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        least = 0 if key in _MAY_BE_ZERO else None
        if value > 0 or value == least:
            return value
        bound = "more than 0" if least is None else "0 or more"
        raise UsageError(f"`{key}` in `{file}` must be {bound}, not {value!r}")
    if kind := _CHOICES.get(key):
        return _one_of(kind, str(value), f"`{key}` in `{file}`")
    if key == "tool_protocol":
        return _tool_protocol(str(value), f"`{key}` in `{file}`")
    if key == "hyperlink_format":
        template_of(str(value))
    if key == "theme":
        if value not in THEMES:
            raise UsageError(
                f"`{key}` in `{file}` is `{value}`", hint=f"one of {', '.join(THEMES)}"
            )
        return value
    if key == "edit_format":
        return _edit_format(str(value), f"`{key}` in `{file}`")
    return value


def _check_names(names: list[str], file: Path) -> None:
    for name in names:
        if name.startswith(("/", "~")) or not {"", ".", ".."}.isdisjoint(name.split("/")):
            raise UsageError(
                f"`memory_files` in `{file}` has `{name}`, which is no name of a file",
                hint='for instance ["AGENTS.md", ".github/copilot-instructions.md"]',
            )


def _one_of(kind: type[E], value: str, where: str) -> E:
    try:
        return kind(value)
    except ValueError:
        raise UsageError(f"{where} must be one of {', '.join(kind)}, not `{value}`") from None


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
