"""`qcode trust`: let a folder's own settings loosen what is asked and what may be touched."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from qcode.cli.options import add_place, enter_directory, settings_from, trust_file
from qcode.errors import UsageError
from qcode.ui.printable import printable


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_place(parser)
    add = parser.add_argument
    add("-y", "--yes", action="store_true", help="do not ask")
    add("--remove", action="store_true", help="trust this folder no more")
    add("--list", action="store_true", help="print the folders that are trusted")


def main(args: argparse.Namespace) -> int:
    """Show what a folder's settings ask for and trust it; return the exit code."""
    trust = trust_file()
    if args.list:
        for folder in sorted(trust.folders()):
            print(printable(folder))
        return 0
    cwd = enter_directory(args)
    if args.remove:
        print("not trusted any more" if trust.remove(cwd) else "it was not trusted")
        return 0
    wishes = settings_from(args, cwd).wishes
    if not wishes:
        print("nothing to trust: the settings in `.qcode/` loosen nothing that is not trusted yet")
        return 0
    print(f"{printable(str(cwd))} asks for:")
    print("\n".join(described(wishes)))
    if not args.yes and not _agrees():
        print("not trusted")
        return 1
    trust.add(cwd, wishes)
    print("trusted, as long as these settings stay as they are; `qcode trust --remove` ends it")
    return 0


def described(wishes: Mapping[str, Any]) -> list[str]:
    """Return what settings would loosen, a line each."""
    lines = []
    for key, value in wishes.items():
        for one in _each(value):
            lines.append(printable(f"  {_WORDS.get(key, key)}: {one}").replace("\n", " "))
    return lines


def _each(value: Any) -> tuple[Any, ...]:
    if isinstance(value, Mapping):
        return tuple(f"{name}: {json.dumps(one, default=str)}" for name, one in value.items())
    return value if isinstance(value, tuple) else (value,)


_WORDS = {
    "extensions": "use the",
    "hooks": "run the hook",
    "mcp_servers": "start the MCP server",
    "allow": "run without asking",
    "approval_mode": "approval mode",
    "sandbox": "sandbox",
    "sandbox_image": "container image",
    "network": "network",
    "network_hosts": "reach the host",
    "cache_dirs": "write to",
    "shown": "read, although it is hidden",
    "env_pass": "give commands the environment variable",
}


def _agrees() -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("nobody is there to ask", hint="-y trusts what is shown")
    return input("trust it with that? [y/N] ").strip().lower() in ("y", "yes")
