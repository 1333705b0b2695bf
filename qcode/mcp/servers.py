"""Definitions of servers, in the words of qcode, Claude Code, Qwen Code and Gemini CLI.

qcode's own, in `config.toml`:

```
[mcp_servers.github]
command = "github-mcp"            # or: url = "https://…", transport = "http" | "sse"
args = ["stdio"]
env = { TOKEN = "${GITHUB_TOKEN}" }
timeout = 60                      # seconds, of a call
trust = true                      # its calls are not asked about
deny = ["delete_*"]               # tools that are left out; `allow`: the only ones there are
```
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from qcode.errors import UsageError
from qcode.record import Record, replace

Transport: TypeAlias = Literal["stdio", "http", "sse"]

TIMEOUT_S = 120.0
STARTUP_S = 30.0

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}")


class Registered(Record):
    """As whom qcode is known where one logs in, if that is arranged beforehand."""

    client_id: str = ""
    """Empty: qcode registers itself."""
    client_secret: str = ""
    scopes: tuple[str, ...] = ()
    """What is asked for; none: what the server says."""
    redirect: str = ""
    """The address of this machine that the browser is sent back to; empty: on a free port."""


class Server(Record):
    """How a server is reached, and how far it is trusted."""

    name: str
    transport: Transport
    command: tuple[str, ...] = ()
    """The program and its arguments."""
    env: Mapping[str, str] = {}
    cwd: str = ""
    """Where it runs; empty: in the workspace."""
    url: str = ""
    headers: Mapping[str, str] = {}
    oauth: Registered = Registered()
    timeout_s: float = TIMEOUT_S
    """Of a call, counted from the last sign of progress."""
    startup_s: float = STARTUP_S
    trust: bool = False
    """Whether its calls are not asked about, and what it says of its tools is believed."""
    allow: tuple[str, ...] = ()
    """Names of tools, as globs: the only ones that there are. None: all."""
    deny: tuple[str, ...] = ()
    sandbox: bool = False
    """Whether it is started inside the sandbox, like a command."""
    is_disabled: bool = False
    source: str = ""
    """Where it is defined, for a person."""

    def offers(self, tool: str) -> bool:
        """Whether a tool of the server is to be had."""
        if any(fnmatchcase(tool, pattern) for pattern in self.deny):
            return False
        return not self.allow or any(fnmatchcase(tool, pattern) for pattern in self.allow)

    @property
    def place(self) -> str:
        """How it is reached, for a person; without what may be secret."""
        return self.url.split("?")[0] if self.url else " ".join(self.command)

    @property
    def digest(self) -> str:
        """What stands for this way of reaching the server, and no other."""
        told = [self.transport, self.command, dict(self.env), self.cwd, self.url]
        text = json.dumps([*told, dict(self.headers), self.oauth.client_id], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Defined(Record):
    """The servers of a session, and what is wrong with other definitions."""

    servers: tuple[Server, ...]
    problems: tuple[str, ...] = ()


def defined(tables: Iterable[tuple[str, Mapping[str, Any]]], environ: Mapping[str, str]) -> Defined:
    """Return the servers of some tables, each with where it is from; of one name the first counts.

    A definition that cannot be used is told of, and the others are.
    """
    found: dict[str, Server] = {}
    problems = []
    for source, table in tables:
        for name, value in table.items():
            if name in found:
                continue
            try:
                found[name] = replace(server(name, value, environ), source=source)
            except UsageError as error:
                problems.append(f"the MCP server `{name}` of {source} is left out: {error}")
    return Defined(tuple(found.values()), tuple(problems))


def server(name: str, table: Any, environ: Mapping[str, str]) -> Server:
    """Return the server that a table defines.

    Raises:
        UsageError: it defines none.
    """
    if not _NAME.fullmatch(name) or "__" in name:
        raise UsageError("a name has letters, digits, `.`, `-` and single `_` alone")
    if not isinstance(table, Mapping):
        raise UsageError("it is no table of settings")
    reader = _Reader(table, environ)
    url = reader.text("url") or reader.text("httpUrl", "serverUrl")
    program = reader.text("command")
    kind = reader.text("transport", "type").lower().replace("_", "-")
    if bool(url) == bool(program):
        raise UsageError("it needs a `command` or a `url`, and not both")
    transport = _transport(kind, reader, url)
    limit = reader.seconds("timeout") or TIMEOUT_S
    return Server(
        name,
        transport,
        (program, *reader.words("args")) if program else (),
        reader.texts("env"),
        reader.text("cwd"),
        url,
        {**reader.texts("headers", "http_headers"), **_bearer(reader, environ)},
        _registered(table.get("oauth"), environ),
        limit,
        reader.seconds("startup_timeout", "startup_timeout_sec") or STARTUP_S,
        reader.flag("trust"),
        reader.words("allow", "includeTools", "enabled_tools"),
        reader.words("deny", "excludeTools", "disabled_tools"),
        reader.flag("sandbox"),
        reader.flag("disabled") or table.get("enabled") is False,
    )


def _transport(kind: str, reader: _Reader, url: str) -> Transport:
    kinds = {"streamable-http": "http", "streamablehttp": "http", "": ""}
    kind = kinds.get(kind, kind)
    if kind and kind not in get_args(Transport):
        raise UsageError(f"there is no transport `{kind}`", hint="one of stdio, http, sse")
    if not url:
        return "stdio"
    if not re.match(r"https?://[^/\s]", url):
        raise UsageError(f"`{url}` is no http or https address")
    if kind == "stdio":
        raise UsageError("a `url` is not reached by stdio")
    if kind == "sse":
        return "sse"
    if kind == "http" or reader.has("httpUrl"):
        return "http"
    # Without a word on it, the address of old servers ends so by custom.
    return "sse" if url.rstrip("/").endswith("/sse") else "http"


def _bearer(reader: _Reader, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the header of a token that a variable holds, as Codex names one."""
    name = reader.text("bearer_token_env_var")
    if not name:
        return {}
    if name not in environ:
        raise UsageError(f"the variable `{name}` is not set")
    return {"Authorization": f"Bearer {environ[name]}"}


def _registered(table: Any, environ: Mapping[str, str]) -> Registered:
    if table is None:
        return Registered()
    if not isinstance(table, Mapping):
        raise UsageError("`oauth` has to be a table")
    reader = _Reader(table, environ)
    redirect = reader.text("redirect", "redirectUri")
    port = table.get("callbackPort")
    if not redirect and isinstance(port, int):
        redirect = f"http://localhost:{port}/callback"
    if redirect and not re.match(r"http://(localhost|127\.0\.0\.1):\d{1,5}(/|$)", redirect):
        raise UsageError(
            "`redirect` of `oauth` has to be an address of this machine",
            hint="such as http://localhost:8123/callback",
        )
    return Registered(
        reader.text("client_id", "clientId"),
        reader.text("client_secret", "clientSecret"),
        reader.words("scopes"),
        redirect,
    )


class _Reader:
    """Reads a table whose values somebody else wrote."""

    def __init__(self, table: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self._table = table
        self._environ = environ

    def has(self, name: str) -> bool:
        return name in self._table

    def _first(self, names: tuple[str, ...]) -> tuple[str, Any]:
        return next(
            ((n, self._table[n]) for n in names if self._table.get(n) is not None), ("", None)
        )

    def _filled(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            known = self._environ.get(match[1])
            if known is None and match[2] is None:
                raise UsageError(
                    f"the variable `{match[1]}` is not set", hint=f"or say `${{{match[1]}:-…}}`"
                )
            return match[2] or "" if known is None else known

        return _VARIABLE.sub(value, text)

    def text(self, *names: str) -> str:
        name, value = self._first(names)
        if value is None:
            return ""
        if not isinstance(value, str) or "\0" in value:
            raise UsageError(f"`{name}` has to be a string")
        return self._filled(value)

    def words(self, *names: str) -> tuple[str, ...]:
        name, value = self._first(names)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise UsageError(f"`{name}` has to be a list of strings")
        return tuple(self._filled(one) for one in value)

    def texts(self, *names: str) -> dict[str, str]:
        name, value = self._first(names)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise UsageError(f"`{name}` has to be a table of strings")
        if not all(isinstance(one, str | int | float) for one in value.values()):
            raise UsageError(f"`{name}` has to be a table of strings")
        return {str(key): self._filled(str(one)) for key, one in value.items()}

    def flag(self, name: str) -> bool:
        value = self._table.get(name)
        if value is not None and not isinstance(value, bool):
            raise UsageError(f"`{name}` has to be true or false")
        return bool(value)

    def seconds(self, *names: str) -> float:
        """Return a duration; a number above 1,000 is in milliseconds, as other tools have it."""
        name, value = self._first(names)
        if value is None:
            return 0.0
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
            raise UsageError(f"`{name}` has to be a number of seconds above 0")
        return value / 1000 if value >= 1000 else float(value)


def tables_of_project(
    cwd: Path, read: Callable[[Path], Mapping[str, Any]]
) -> list[tuple[str, Mapping[str, Any]]]:
    """Return what a trusted project's files define, in other tools' words; `read` reads JSON."""
    names = (
        *(".mcp.json", ".qwen/settings.json"),
        *(".claude/settings.json", ".claude/settings.local.json"),
    )
    found = []
    for name in names:
        table = read(cwd / name).get("mcpServers")
        if isinstance(table, Mapping) and table:
            found.append((name, table))
    return found
