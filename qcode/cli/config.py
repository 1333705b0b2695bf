"""`qcode config get|set|path|import`: the settings, and a person's own file of them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import paths
from qcode.cli import importing
from qcode.cli.options import add_place, enter_directory, settings_from
from qcode.cli.settings import bare, line, origins, set_one, shown
from qcode.errors import UsageError
from qcode.ui.printable import printable

if TYPE_CHECKING:
    from qcode.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_place(parser)
    parser.set_defaults(action=_get, key=None)
    actions = parser.add_subparsers(metavar="get|set|path|import")
    getting = actions.add_parser("get", help="what is set and where; with a KEY, its value alone")
    getting.add_argument("key", nargs="?", metavar="KEY")
    getting.set_defaults(action=_get)
    setting = actions.add_parser("set", help="write a value to your file, all else of it kept")
    setting.add_argument("key", metavar="KEY")
    setting.add_argument("value", metavar="VALUE", help='a list as `["a", "b"]`, or one item')
    setting.set_defaults(action=_set)
    where = actions.add_parser("path", help="where your file is")
    where.set_defaults(action=lambda args: str(_file(args)))
    taking = actions.add_parser("import", help="take over Qwen Code's, Claude Code's or Codex's")
    importing.configure(taking)
    taking.set_defaults(action=_import)


def main(args: argparse.Namespace) -> int:
    """Do what is asked; return the exit code."""
    done = args.action(args)
    if isinstance(done, int):
        return done
    print(printable(done))
    return 0


def _file(args: argparse.Namespace) -> Path:
    return Path(args.config) if args.config else paths.config_dir() / "config.toml"


def _get(args: argparse.Namespace) -> str:
    cwd = enter_directory(args)
    settings = settings_from(args, cwd)
    if args.key:
        return bare(settings, args.key)
    project = None if args.config or args.no_config else cwd
    file = None if args.no_config else _file(args)
    return shown(settings, origins(settings, project, os.environ, file))


def _set(args: argparse.Namespace) -> str:
    file = _writable(args)
    return f"{line(args.key, set_one(file, args.key, args.value))}  # {file}"


def _import(args: argparse.Namespace) -> int:
    return importing.main(args, _writable(args))


def _writable(args: argparse.Namespace) -> Path:
    if args.no_config:
        raise UsageError("`--no-config` leaves nothing to write to")
    return _file(args)


def in_session(session: Session, text: str) -> str:
    """Return what `/config` shows, or what became of `/config set KEY VALUE`.

    Raises:
        UsageError: it is not understood, or the file cannot be changed.
    """
    parser = argparse.ArgumentParser(add_help=False)
    add_place(parser)
    args = parser.parse_args([])
    cwd = session.agent.context.workspace.root
    word, _, rest = text.strip().partition(" ")
    settings = settings_from(args, cwd)
    if not word:
        return shown(settings, origins(settings, cwd, os.environ, _file(args)))
    if word != "set":
        return bare(settings, word) or f"`{word}` is not set"
    key, _, value = rest.strip().partition(" ")
    if not value.strip():
        raise UsageError("name a key and its value", hint="`/config set max_steps 40`")
    file = _file(args)
    found = set_one(file, key, value.strip())
    return f"{line(key, found)}  # {file}; it counts from the next session on"
