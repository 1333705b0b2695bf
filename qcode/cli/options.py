"""The options that `qcode` and `qcode run` share, and the settings they make."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from qcode import config, paths
from qcode.cli import reaching
from qcode.errors import UsageError
from qcode.extensions.wishes import wishes
from qcode.permissions import Mode
from qcode.sandbox.policy import Level, Network, Tier
from qcode.trust import Trust


def add_model(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say which model is meant."""
    add = parser.add_argument
    add("-m", "--model", metavar="NAME", help="what the endpoint serves, or provider/model")
    add("--base-url", metavar="URL", help="an OpenAI-compatible endpoint")
    add("--api-key-env", metavar="NAME", help="environment variable that holds the key")
    add("--local", action="store_true", help="use the embedded model (see `qcode local`)")


def add_place(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say where to work, and with which settings."""
    add = parser.add_argument
    add("-C", "--cwd", metavar="DIR", help="work there")
    add("--config", metavar="FILE", help="settings from there alone")
    add("--no-config", action="store_true", help="no settings from files")
    add("--debug", action="store_true", help="tracebacks and a log on stderr")


def add_offline(parser: argparse.ArgumentParser) -> None:
    """Declare the option by which nothing but this machine is reached."""
    parser.add_argument(
        "--offline", action="store_true", help="reach nothing but this machine, commands included"
    )


def add_confinement(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say what commands may touch."""
    add = parser.add_argument
    add("--sandbox", choices=[level.value for level in Level],
        help="what commands may touch; by default only the workspace, and no network")  # fmt: skip
    add("--allow-network", action="store_true", help="let commands reach the network")
    add("--allow-host", metavar="HOST", action="append", default=[],
        help="let commands reach this host alone, e.g. pypi.org (repeatable)")  # fmt: skip
    tiers = [tier.value for tier in Tier if tier is not Tier.NONE]
    add("--sandbox-tier", metavar="TIER", choices=tiers,
        help="by which means to confine; by default the best that works here")  # fmt: skip
    add(
        "--add-dir", metavar="DIR", action="append", default=[], help="another directory to work in"
    )


def add_shared(parser: argparse.ArgumentParser) -> None:
    """Declare the shared options."""
    add = parser.add_argument
    add_model(parser)
    add_place(parser)
    add("--approval-mode", choices=[m.value for m in Mode], help="what is done without asking")
    add("-y", "--yes", "--yolo", dest="yolo", action="store_true", help="never ask")
    add_offline(parser)
    add_confinement(parser)
    add("--allow", metavar="RULE", action="append", default=[],
        help="do not ask about it, e.g. 'shell(pytest *)', 'edit(src/**)'")  # fmt: skip
    add("--deny", metavar="RULE", action="append", default=[],
        help="refuse it, whatever else allows it")  # fmt: skip
    add("--no-memory", action="store_true", help="do not read AGENTS.md and files like it")
    add("--max-steps", metavar="N", type=_positive_int)
    add("--max-tokens", metavar="N", type=_positive_int)
    add("--max-cost", metavar="USD", type=_positive)
    add("--max-time", metavar="S", type=_positive)
    add("--fallback", metavar="MODEL", action="append", default=[], dest="fallback_models",
        help="answers where the model is overloaded or not reached (repeatable)")  # fmt: skip
    add("--stronger", metavar="MODEL", dest="stronger_model",
        help="takes single steps where the model is stuck")  # fmt: skip
    add("--stronger-cost", metavar="USD", type=_positive,
        help="that its steps of a session may cost; default: 0.50")  # fmt: skip
    add("-c", "--continue", dest="resume_last", action="store_true",
        help="go on with the newest session of this directory")  # fmt: skip


def enter_directory(args: argparse.Namespace) -> Path:
    """Change to the directory to work in and return it.

    Raises:
        UsageError: there is no such directory, or it cannot be entered.
    """
    try:
        if args.cwd:
            os.chdir(args.cwd)
        return Path.cwd()
    except OSError as error:
        named = args.cwd or "the current directory"
        raise UsageError(
            f"cannot work in `{named}`: {error.strerror}", hint="give a directory with -C"
        ) from error


def added_directories(args: argparse.Namespace) -> tuple[Path, ...]:
    """Return the directories of `--add-dir`.

    Raises:
        UsageError: one is not a directory.
    """
    out = tuple(Path(name) for name in args.add_dir)
    for path in out:
        if not path.is_dir():
            raise UsageError(f"--add-dir `{path}` is not a directory")
    return out


def settings_from(args: argparse.Namespace, cwd: Path) -> config.Settings:
    """Return the settings with the flags on top; a command need not have all of these.

    Raises:
        UsageError: a configuration file is not usable.
    """
    settings = config.load(
        user_file=paths.config_dir() / "config.toml",
        project=cwd,
        environ=os.environ,
        explicit=Path(args.config) if args.config else None,
        none=args.no_config,
        trusts=trust_file().covers,
        brings=wishes,
    )
    flags = {
        name: value
        for name in ("model", "base_url", "api_key_env", "max_steps", "max_tokens", "max_cost",
                     "max_time", "stronger_model", "stronger_cost")
        if (value := getattr(args, name, None)) is not None
    }  # fmt: skip
    yolo, mode = getattr(args, "yolo", False), getattr(args, "approval_mode", None)
    if yolo and mode not in (None, Mode.YOLO):
        raise UsageError(f"-y and --approval-mode {mode} contradict each other")
    if yolo:
        flags["approval_mode"] = Mode.YOLO
    elif mode:
        flags["approval_mode"] = Mode(mode)
    if named := getattr(args, "fallback_models", None):
        flags["fallback_models"] = tuple(named)
    for name in ("allow", "deny"):
        if given := getattr(args, name, None):
            flags[name] = (*getattr(settings, name), *given)
    if level := getattr(args, "sandbox", None):
        flags["sandbox"] = Level(level)
    if tier := getattr(args, "sandbox_tier", None):
        flags["sandbox_tier"] = Tier(tier)
    if getattr(args, "allow_network", False):
        flags["network"] = Network.ON
    elif hosts := getattr(args, "allow_host", None):
        flags["network"] = Network.PROXY
        flags["network_hosts"] = (*settings.network_hosts, *hosts)
    if getattr(args, "no_memory", False):
        flags["memory"] = False
    if getattr(args, "offline", False):
        flags["offline"] = True
    settings = replace(settings, **flags)
    if settings.offline:
        _check_network(flags)
        settings = config.kept_offline(settings)
    reaching.settle(settings)
    return settings


def _check_network(flags: Mapping[str, object]) -> None:
    if "network" in flags:
        given = "--allow-network" if flags["network"] is Network.ON else "--allow-host"
        raise UsageError(
            f"{given} and offline contradict each other",
            hint="leave out one of them (--offline, `offline` in a configuration file, "
            "QCODE_OFFLINE)",
        )


def trust_file() -> Trust:
    """Return the person's list of folders that may loosen things."""
    return Trust(paths.state_dir() / "trust.json")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < 1e12:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number above 0")
    return value


def _positive_int(text: str) -> int:
    value = _positive(text)
    if value != int(value):
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number")
    return int(value)
