"""docs/privacy.md against the code: who opens connections, and for what."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcode.network.processes import MAY_START

ROOT = Path(__file__).resolve().parent.parent.parent
DOC = (ROOT / "docs/privacy.md").read_text(encoding="utf-8")
PURPOSES, MODULES = (
    DOC.partition(heading)[2].partition("\n## ")[0]
    for heading in ("## Every connection\n", "## Who opens connections in the code\n")
)

CONNECTS = (
    *("httpx", "httpx2", "openai", "litellm", "aiohttp", "requests", "http.client"),
    *("urllib.request", "mcp.client", "mcp.shared._httpx_utils", "opentelemetry.exporter"),
    *("websockets", "ftplib", "smtplib", "imaplib", "telnetlib", "poplib", "xmlrpc", "grpc"),
)
"""Libraries that connect; a module that imports one when it runs is said to."""
CALLS = frozenset(
    {"create_connection", "open_connection", "open_unix_connection", "create_server"}
    | {"start_server", "start_unix_server", "create_datagram_endpoint", "sock_connect"}
    | {"getaddrinfo", "gethostbyname", "urlopen", "HTTPConnection", "HTTPSConnection"}
)
"""Names of functions that connect, listen or look up, whatever they are taken from."""
OF_SOCKETS = frozenset({"connect", "connect_ex", "sendto"})
"""The same, but only in modules that import `socket`: databases have them too."""

STARTS_PIP = {"qcode.local.packages"}


def opens(source: str) -> set[str]:
    """Return by what a module's code may open connections."""
    tree = ast.parse(source)
    for_types = {
        id(below)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for below in ast.walk(statement)
    }
    found: set[str] = set()
    imported: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            imported |= {str(a.value) for a in node.args if isinstance(a, ast.Constant)}
        if isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            if name in CALLS or (isinstance(node, ast.Attribute) and name in OF_SOCKETS):
                found.add(name)
    if "socket" not in imported:
        found -= OF_SOCKETS
    libraries = {
        one for one in imported if any(one == lib or one.startswith(f"{lib}.") for lib in CONNECTS)
    }
    return found | libraries


def modules() -> Iterator[tuple[str, Path]]:
    for package, folder in (("qcode", ROOT / "qcode"), ("qcode.tools", ROOT / "tools")):
        for path in sorted(folder.rglob("*.py")):
            inside = path.relative_to(folder).with_suffix("").parts
            if inside[0] not in ("tools", "prompts", "evals"):  # links, which 3.13 follows
                yield ".".join([package, *inside]).removesuffix(".__init__"), path


def test_every_module_that_opens_connections_is_in_the_table() -> None:
    found = {name for name, path in modules() if opens(path.read_text(encoding="utf-8"))}

    assert found | STARTS_PIP == set(re.findall(r"^\| `(qcode\.[\w.]+)` \|", MODULES, re.MULTILINE))


@pytest.mark.parametrize(
    "source, is_found",
    [
        ("import httpx", True),
        ("def f():\n    from httpx import get", True),
        ("import http.client as c", True),
        ("from urllib import request", True),
        ("import importlib\nimportlib.import_module('litellm')", True),
        ("import socket\nsocket.socket().connect(('a', 1))", True),
        ("import socket\nsocket.create_connection(('a', 1))", True),
        ("import asyncio\nasyncio.open_connection('a', 1)", True),
        ("loop.getaddrinfo('a', 1)", True),
        ("import sqlite3\nsqlite3.connect('a')", False),
        ("import socket\nsocket.socketpair()", False),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import httpx", False),
        ("from urllib.parse import urlsplit", False),
    ],
)
def test_what_opens_connections_is_found(source: str, is_found: bool) -> None:
    assert bool(opens(source)) is is_found


def test_every_purpose_is_in_the_table() -> None:
    told = set(re.findall(r"^\| `([\w:-]+)` \|", PURPOSES, re.MULTILINE))
    named: set[str] = set()
    for _, path in modules():
        source = path.read_text(encoding="utf-8")
        if "qcode.network" not in source and path.parent.name != "network":
            continue
        named |= set(re.findall(r'^(?:NETWORK_)?PURPOSE = "([\w-]+)"', source, re.MULTILINE))
        named |= set(re.findall(r'(?:meant_for|begin|unseen)\(f?"([\w-]+)', source))
    named = {"mcp:NAME" if name == "mcp" else name for name in named}

    # In the code these two are named otherwise: by what a request is about, and by default.
    assert named | {"oauth", "other"} == told


def test_those_who_start_programs_offline_are_those_who_may() -> None:
    source = (ROOT / "tests/test_imports.py").read_text(encoding="utf-8")
    allowed = re.search(r"^MAY_START = \((.*?)\)", source, re.MULTILINE | re.DOTALL)
    assert allowed is not None
    besides = set(re.findall(r'"(qcode\.[\w.]+) uses', source))

    known = {f"{name}." for name in re.findall(r'"([\w.]+)"', allowed[1])}
    assert known | besides | {"git."} == {*MAY_START}
