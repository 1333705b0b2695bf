"""Definitions of MCP servers in other tools' words, as tables of `mcp_servers`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from qcode.errors import UsageError
from qcode.importing.secret import (
    address_without,
    has_secret,
    in_place,
    is_secret,
    referring,
    variable,
)
from qcode.importing.taken import One, Taken
from qcode.mcp.servers import server

_SECRET_OPTION = re.compile(r"--?[\w-]*(?:key|token|secret|passw)[\w-]*", re.IGNORECASE)


def take_servers(
    into: Taken,
    table: Mapping[str, Any],
    source: str,
    *,
    allowed: list[str] | None = None,
    excluded: list[str] | None = None,
) -> None:
    """Take over the servers of a table, or say why not.

    Those that are `excluded`, or not among the `allowed` ones, are defined and turned off.
    """
    for name, its in table.items():
        if not isinstance(its, Mapping):
            into.leave(f"the MCP server `{name}`", "it is no table of settings", source)
            continue
        given = _named(name)
        words = _Words(given, its, into)
        made = words.table()
        if name in (excluded or ()) or (allowed and name not in allowed):
            made["disabled"] = True
        try:
            # A variable need not be set yet.
            server(given, json.loads(json.dumps(made).replace("${", "$ {")), {})
        except (UsageError, TypeError) as error:
            into.leave(f"the MCP server `{name}`", str(error), source)
            continue
        if given != name:
            into.note(f"the MCP server `{name}` is called `{given}` here")
        for key in words.lost:
            into.leave(f"`{key}` of the MCP server `{name}`", "no counterpart in qcode", source)
        into.variables.update(words.wanted)
        into.servers.append(One(f"mcp_servers.{given}", made, source))


def _named(name: str) -> str:
    """Return a name that qcode takes."""
    fitting = re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII)
    return re.sub(r"_{2,}", "_", fitting).strip("-._")[:64] or "server"


class _Words:
    """One definition, put into qcode's words."""

    def __init__(self, name: str, its: Mapping[str, Any], into: Taken) -> None:
        self._name = name
        self._its = dict(its)
        self.wanted: dict[str, str] = {}
        self.lost: list[str] = []

    def table(self) -> dict[str, Any]:
        """Return the table; what is wrong with it is found by whoever reads it."""
        its, made = self._its, dict[str, Any]()
        says_http = "httpUrl" in its
        url = next((its.pop(k) for k in ("url", "httpUrl", "serverUrl") if its.get(k)), None)
        kind = str(its.pop("type", None) or its.pop("transport", None) or "")
        is_http = says_http or kind.lower().startswith(("http", "streamable"))
        if (program := its.pop("command", None)) is not None:
            self._program(made, program)
        if url is not None:
            made["url"] = self._address(url)
            made["transport"] = "http" if is_http else kind or _by_address(str(url))
        self._texts(made)
        self._numbers(made)
        for key, value in (("allow", "includeTools"), ("deny", "excludeTools")):
            if tools := its.pop(value, None) or its.pop(f"{_CODEX[key]}_tools", None):
                made[key] = tools
        if its.pop("trust", False) is True:
            made["trust"] = True
        if its.pop("disabled", False) is True or its.pop("enabled", True) is False:
            made["disabled"] = True
        for key in ("description", "httpUrl", "url", "required", "alwaysAllow", "name"):
            its.pop(key, None)
        self.lost = sorted(key for key, value in its.items() if value not in (None, False, [], {}))
        return made

    def _program(self, made: dict[str, Any], program: Any) -> None:
        its = self._its
        args = its.pop("args", None)
        if isinstance(program, list):  # a whole command line, as some tools write it
            program, args = program[0] if program else "", [*program[1:], *(args or [])]
        made["command"] = referring(program) if isinstance(program, str) else program
        if args:
            made["args"] = self._args(args) if isinstance(args, list) else args
        if cwd := its.pop("cwd", None):
            made["cwd"] = referring(cwd) if isinstance(cwd, str) else cwd

    def _args(self, args: list[Any]) -> list[Any]:
        made: list[Any] = []
        before = ""
        for one in args:
            if not isinstance(one, str):
                made.append(str(one) if isinstance(one, int | float) else one)
                continue
            text = referring(one)
            option, sign, value = text.partition("=")
            if sign and _SECRET_OPTION.fullmatch(option) and is_secret(option, value):
                text = f"{option}={self._instead(value, variable(self._name, option))}"
            elif _SECRET_OPTION.fullmatch(before) and is_secret(before, text):
                text = self._instead(text, variable(self._name, before))
            elif "://" in text:
                text = self._address(text)
            elif has_secret(text):
                text = self._instead(text, variable(self._name, f"argument_{len(made) + 1}"))
            made.append(text)
            before = one
        return made

    def _address(self, url: Any) -> Any:
        if not isinstance(url, str):
            return url
        return address_without(
            referring(url), lambda value, what: self._instead(value, variable(self._name, what))
        )

    def _texts(self, made: dict[str, Any]) -> None:
        its = self._its
        env = self._secretless(its.pop("env", None), ())
        for one in its.pop("env_vars", None) or ():
            if isinstance(one, str):
                env.setdefault(one, f"${{{one}}}")
        if env:
            made["env"] = env
        plain = its.pop("headers", None) or its.pop("http_headers", None)
        headers = self._secretless(plain, (self._name,))
        for header, name in (its.pop("env_http_headers", None) or {}).items():
            headers[header] = f"${{{name}}}"
            self._want(str(name))
        if name := its.pop("bearer_token_env_var", None):
            headers["Authorization"] = f"Bearer ${{{name}}}"
            self._want(str(name))
        if headers:
            made["headers"] = headers

    def _secretless(self, given: Any, prefix: tuple[str, ...]) -> dict[str, str]:
        """Return variables or headers without their secrets; variables keep their names."""
        made = {}
        for key, value in given.items() if isinstance(given, Mapping) else ():
            text = referring(str(value).lower() if isinstance(value, bool) else str(value))
            if is_secret(key, text):
                text = self._instead(text, variable(*prefix, key))
            made[str(key)] = text
        return made

    def _instead(self, value: str, name: str) -> str:
        self._want(name)
        return in_place(value, name)

    def _want(self, name: str) -> None:
        self.wanted[name] = f"the MCP server `{self._name}`"

    def _numbers(self, made: dict[str, Any]) -> None:
        """Take durations over, in seconds: Codex counts them, the others milliseconds."""
        its = self._its
        for key, seconds, thousandths in (
            ("timeout", "tool_timeout_sec", "timeout"),
            ("startup_timeout", "startup_timeout_sec", "startup_timeout_ms"),
        ):
            limit, small = its.pop(seconds, None), its.pop(thousandths, None)
            if isinstance(small, int | float) and not isinstance(small, bool):
                limit = small / 1000 if small >= 1000 else small
            if limit is not None:
                made[key] = (
                    int(limit) if isinstance(limit, float) and limit == int(limit) else limit
                )


_CODEX = {"allow": "enabled", "deny": "disabled"}


def _by_address(url: str) -> str:
    return "sse" if url.rstrip("/").endswith("/sse") else "http"
