"""`qcode mcp`: the servers of the Model Context Protocol that sessions use, and qcode as one."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcode import paths, settings_file
from qcode.cli.boundary import sandbox_from
from qcode.cli.noting import note_on_stderr
from qcode.cli.options import (
    add_confinement,
    add_offline,
    add_place,
    enter_directory,
    settings_from,
)
from qcode.cli.tool_servers import servers_of, surroundings_of
from qcode.errors import QcodeError, UsageError
from qcode.mcp.servers import Defined, Server, server
from qcode.rules import rules_of
from qcode.ui.printable import printable
from qcode.workspace import Workspace

if TYPE_CHECKING:
    from qcode.config import Settings
    from qcode.mcp.listing import Listing
    from qcode.mcp.transports import Surroundings


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_place(parser)
    commands = parser.add_subparsers(dest="what", metavar="COMMAND", required=True)
    listing = commands.add_parser("list", help="the servers, and where each is defined")
    listing.add_argument("--json", action="store_true", help="for programs")
    add = commands.add_parser("add", help="define one in your own configuration")
    add.add_argument("name", metavar="NAME")
    add.add_argument("target", metavar="COMMAND_OR_URL", nargs="+",
                     help="a program with its arguments (behind `--`), or an address")  # fmt: skip
    add.add_argument("--transport", choices=["stdio", "http", "sse"], help="by default as suits")
    add.add_argument("--env", metavar="NAME=VALUE", action="append", default=[],
                     help="a variable that it gets; `${NAME}` is filled in later")  # fmt: skip
    add.add_argument("--header", metavar="NAME=VALUE", action="append", default=[],
                     help="sent with each request; 'NAME: VALUE' is understood, too")  # fmt: skip
    add.add_argument("--timeout", metavar="S", type=float, help="of a call; by default 120")
    add.add_argument("--trust", action="store_true", help="do not ask about its calls")
    add.add_argument("--in-sandbox", action="store_true", help="start it inside the sandbox")
    for name, about in (
        ("remove", "take one out of your own configuration"),
        ("login", "log in to one by the browser"),
        ("logout", "forget a login"),
    ):
        commands.add_parser(name, help=about).add_argument("name", metavar="NAME")
    test = commands.add_parser("test", help="connect to one, or to all, and list what it offers")
    test.add_argument("name", metavar="NAME", nargs="?")
    test.add_argument("--json", action="store_true", help="for programs")
    serve = commands.add_parser("serve", help="offer qcode's own tools to another agent, on stdio")
    add_offline(serve)
    add_confinement(serve)
    serve.add_argument("--tools", metavar="NAMES", help="these alone, with commas between")
    serve.add_argument("--read-only", action="store_true", help="only tools that change nothing")
    serve.add_argument("-y", "--yes", dest="yolo", action="store_true",
                       help="do what a session would ask about")  # fmt: skip
    serve.add_argument("--allow", metavar="RULE", action="append", default=[],
                       help="do it, e.g. 'edit(src/**)'")  # fmt: skip
    serve.add_argument("--deny", metavar="RULE", action="append", default=[], help="refuse it")


def main(args: argparse.Namespace) -> int:
    """Do what is asked; return the exit code."""
    cwd = enter_directory(args)
    settings = settings_from(args, cwd)
    if args.what != "list" or not args.json:
        for warning in settings.warnings:
            note_on_stderr(warning)
    match args.what:
        case "add":
            return _add(args)
        case "remove":
            return _remove(args.name)
        case "serve":
            from qcode.cli.serving import serve

            return serve(args, settings, cwd)
    found = servers_of(settings, cwd)
    for problem in found.problems:
        note_on_stderr(problem)
    match args.what:
        case "list":
            return _list(found, as_json=args.json)
        case "test":
            return asyncio.run(_test(_named(found, args.name), settings, cwd, as_json=args.json))
        case "login":
            return asyncio.run(_login(_named(found, args.name)[0], settings, cwd))
        case _:
            return _logout(_named(found, args.name)[0])


def _own_file() -> Path:
    return paths.config_dir() / "config.toml"


def _pairs(given: Sequence[str], option: str) -> dict[str, str]:
    out = {}
    for one in given:
        # Headers are written with a colon elsewhere.
        is_header = option == "--header" and re.match(r"[\w-]+:", one)
        name, sign, value = one.partition(":" if is_header else "=")
        if not sign or not name:
            raise UsageError(f"`{option} {one}` is no NAME=VALUE")
        out[name] = value.strip() if is_header else value
    return out


def _add(args: argparse.Namespace) -> int:
    words = args.target[1:] if args.target[0] == "--" else args.target
    is_url = words[0].startswith(("http://", "https://")) and len(words) == 1
    table: dict[str, Any] = {"url": words[0]} if is_url else {"command": words[0]}
    if len(words) > 1:
        table["args"] = list(words[1:])
    if args.transport:
        table["transport"] = args.transport
    if env := _pairs(args.env, "--env"):
        table["env"] = env
    if headers := _pairs(args.header, "--header"):
        table["headers"] = headers
    if args.timeout is not None:
        table["timeout"] = args.timeout
    table |= {"trust": True} if args.trust else {}
    table |= {"sandbox": True} if args.in_sandbox else {}
    _checked(args.name, table)
    from qcode.config import read

    was_there = args.name in read(_own_file()).get("mcp_servers", {})
    settings_file.change_table(_own_file(), "mcp_servers", args.name, table)
    did = "replaced" if was_there else "added"
    print(f"{did} `{args.name}`; `qcode mcp test {args.name}` tries it")
    return 0


def _checked(name: str, table: dict[str, Any]) -> None:
    """Refuse what could not be used.

    Raises:
        UsageError: it cannot; a variable that is not set yet is no reason.
    """
    filled = json.loads(json.dumps(table).replace("${", "$ {"))
    try:
        server(name, filled, os.environ)
    except UsageError as error:
        raise UsageError(f"`{name}` is not added: {error}") from error


def _remove(name: str) -> int:
    from qcode.config import read

    if name not in read(_own_file()).get("mcp_servers", {}):
        raise UsageError(f"your configuration defines no server `{name}`", hint="`qcode mcp list`")
    settings_file.change_table(_own_file(), "mcp_servers", name, None)
    print(f"removed `{name}`")
    return 0


def _named(found: Defined, name: str | None) -> tuple[Server, ...]:
    if name is None:
        return found.servers
    servers = tuple(one for one in found.servers if one.name == name)
    if not servers:
        known = ", ".join(one.name for one in found.servers) or "none is defined"
        raise UsageError(f"there is no MCP server `{name}`", hint=f"there are: {known}")
    return servers


def _list(found: Defined, *, as_json: bool) -> int:
    if as_json:
        rows = [
            {
                "name": one.name,
                "transport": one.transport,
                "target": one.place,
                "source": one.source,
                "trust": one.trust,
                "disabled": one.is_disabled,
            }
            for one in found.servers
        ]
        print(json.dumps(rows, indent=2))
        return 0
    for one in found.servers:
        marks = [one.transport, *(["trusted"] * one.trust), *(["disabled"] * one.is_disabled)]
        print(printable(f"{one.name:<16} {', '.join(marks):<14} {one.place}  ({one.source})"))
    if not found.servers:
        print("none is defined; `qcode mcp add NAME -- COMMAND …` or `qcode mcp add NAME URL`")
    return 0


def _around(settings: Settings, cwd: Path, *, may_log_in: bool = False) -> Surroundings:
    workspace = Workspace.at(cwd, ())
    rules, _ = rules_of(settings.allow, settings.ask, settings.deny)
    sandbox = sandbox_from(settings, workspace, rules)
    drop = (settings.api_key_env,) if settings.api_key_env else ()
    return surroundings_of(sandbox, workspace.root, _show_login if may_log_in else None, drop=drop)


async def _show_login(name: str, url: str) -> None:
    """Tell the person where to log in, and open it where that can be done."""
    from qcode.cli.browser import open_page

    print(f"to log in to `{name}` open this page in a browser:\n{printable(url)}", flush=True)
    await asyncio.to_thread(open_page, url)


async def _test(servers: Sequence[Server], settings: Settings, cwd: Path, *, as_json: bool) -> int:
    """Connect to each; return 0 if all can be used."""
    from qcode.mcp.connection import Connection
    from qcode.mcp.hub import kept_at
    from qcode.mcp.listing import save

    around = _around(settings, cwd)
    worst, rows = 0, []
    for one in servers:
        if one.is_disabled and len(servers) > 1:
            continue
        connection, began = Connection(one, around), time.monotonic()
        try:
            listing = await connection.listing()
        except QcodeError as error:
            worst = error.exit_code
            rows.append({"name": one.name, "ok": False, "error": str(error)})
            if not as_json:
                print(printable(f"✗ {error}"))
            continue
        finally:
            await connection.close()
        save(kept_at(paths.cache_dir() / "mcp", one), listing)
        took = time.monotonic() - began
        rows.append(_row(one, listing, took))
        if not as_json:
            print(printable(_shown(one, listing, took)))
    if as_json:
        print(json.dumps(rows, indent=2))
    if not servers:
        note_on_stderr("no MCP server is defined")
    return worst


def _row(one: Server, listing: Listing, took: float) -> dict[str, Any]:
    return {
        "name": one.name,
        "ok": True,
        "seconds": round(took, 2),
        "tools": [tool.name for tool in listing.tools],
        "prompts": [prompt.name for prompt in listing.prompts],
        "resources": [uri for uri, _ in listing.resources],
        "problems": list(listing.problems),
    }


def _shown(one: Server, listing: Listing, took: float) -> str:
    lines = [f"✓ {one.name}: {len(listing.tools)} tools, {took:.1f} s"]
    for tool in listing.tools:
        about = " ".join(tool.description.split())[:100]
        lines.append(f"  {tool.name}: {about}" if about else f"  {tool.name}")
    lines += [f"  /{one.name}:{prompt.name}" for prompt in listing.prompts]
    lines += [f"  @{one.name}:{uri}" for uri, _ in listing.resources[:20]]
    return "\n".join([*lines, *(f"  ! {problem}" for problem in listing.problems)])


async def _login(one: Server, settings: Settings, cwd: Path) -> int:
    from qcode.mcp.connection import Connection

    if one.transport == "stdio":
        raise UsageError(f"`{one.name}` is a program of this machine: there is no login to it")
    # A person takes longer than a server.
    connection = Connection(replace_startup(one, 330.0), _around(settings, cwd, may_log_in=True))
    try:
        listing = await connection.listing()
    finally:
        await connection.close()
    print(f"logged in to `{one.name}`: {len(listing.tools)} tools")
    return 0


def replace_startup(one: Server, seconds: float) -> Server:
    """Return the server with more time to answer."""
    from qcode.record import replace as modified

    return modified(one, startup_s=seconds)


def _logout(one: Server) -> int:
    from qcode.mcp.tokens import Kept

    was = Kept(paths.state_dir() / "mcp", one).forget()
    print(f"the login to `{one.name}` is forgotten" if was else f"`{one.name}` had no login")
    return 0
