"""Definitions of servers, in the words of several tools, and how a person changes their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qcode.cli import run_command
from qcode.mcp.servers import Registered, Server, defined, server, tables_of_project


def test_definitions_are_read_in_the_words_of_other_tools() -> None:
    environ = {"TOKEN": "t", "EMPTY": ""}
    of_claude = {
        "type": "http",
        "url": "https://a.example/mcp",
        "headers": {"Authorization": "Bearer ${TOKEN}", "X": "${NONE:-x}${EMPTY:-y}"},
        "oauth": {"clientId": "me", "callbackPort": 8123},
    }
    of_qwen = {
        "httpUrl": "https://a.example/sse",
        "timeout": 30_000,
        "includeTools": ["a"],
        "excludeTools": ["b"],
        "trust": True,
    }
    of_codex = {
        "url": "https://a.example/mcp",
        "bearer_token_env_var": "TOKEN",
        "startup_timeout_sec": 5,
        "enabled": False,
    }

    found = defined(
        [(".mcp.json", {"a": of_claude}), ("config.toml", {"a": {}, "b": of_qwen, "c": of_codex})],
        environ,
    )

    assert found.problems == ()
    a, b, c = found.servers
    assert (a.transport, a.source) == ("http", ".mcp.json")
    assert dict(a.headers) == {"Authorization": "Bearer t", "X": "x"}
    assert a.oauth == Registered("me", redirect="http://localhost:8123/callback")
    assert (b.transport, b.timeout_s, b.allow, b.deny) == ("http", 30.0, ("a",), ("b",))
    assert (b.trust, b.offers("a"), b.offers("b"), b.offers("c")) == (True, True, False, False)
    assert dict(c.headers) == {"Authorization": "Bearer t"}
    assert (c.startup_s, c.is_disabled) == (5.0, True)


@pytest.mark.parametrize(
    "table, why",
    [
        ({}, "needs a `command` or a `url`"),
        ({"command": "x", "url": "http://a"}, "not both"),
        ({"command": ["x"]}, "`command` has to be a string"),
        ({"command": "x", "args": "y"}, "`args` has to be a list of strings"),
        ({"command": "x", "env": {"A": ["b"]}}, "`env` has to be a table of strings"),
        ({"command": "x", "timeout": -1}, "`timeout` has to be a number of seconds"),
        ({"command": "x", "trust": "yes"}, "`trust` has to be true or false"),
        ({"command": "${NOT_SET}"}, "the variable `NOT_SET` is not set"),
        ({"url": "ftp://a/b"}, "no http or https address"),
        ({"url": "http://a", "transport": "pigeon"}, "no transport `pigeon`"),
        ({"url": "http://a", "oauth": "me"}, "`oauth` has to be a table"),
        ("x", "no table of settings"),
    ],
)
def test_a_definition_that_cannot_be_used_is_told_of_and_the_others_are_used(
    table: Any, why: str
) -> None:
    good = {"command": "true"}

    found = defined([("config.toml", {"bad": table, "good": good, "a__b": good})], {})

    assert [one.name for one in found.servers] == ["good"]
    told, name = found.problems
    assert told.startswith("the MCP server `bad` of config.toml is left out: ")
    assert why in told
    assert "single `_`" in name


def test_what_is_no_table_of_servers_in_other_tools_files_is_passed_over(tmp_path: Path) -> None:
    read: dict[str, Any] = {
        ".mcp.json": {"mcpServers": ["x"]},
        "settings.json": {"mcpServers": {"a": {}}},
    }

    found = tables_of_project(tmp_path, lambda file: read.get(file.name, {}))

    assert [source for source, _ in found] == [".qwen/settings.json", ".claude/settings.json"]


def test_each_way_of_reaching_a_server_is_known_by_itself() -> None:
    first = server("a", {"command": "x", "args": ["1"]}, {})

    def other(**table: Any) -> Server:
        return server("a", {"command": "x", "args": ["1"], **table}, {})

    assert other(timeout=5, trust=True, allow=["b"]).digest == first.digest
    assert other(args=["2"]).digest != first.digest
    assert other(env={"A": "b"}).digest != first.digest


def test_a_person_changes_their_own_servers_and_keeps_all_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path.home() / ".config/qcode/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('# mine\ntheme = "dark"  # at night\n')

    def said(*words: str) -> str:
        assert run_command(["mcp", *words]) == 0
        return capsys.readouterr().out

    def refused(*words: str) -> str:
        assert run_command(["mcp", *words]) == 2
        return capsys.readouterr().err

    assert "added `git`" in said("add", "git", "--env", "TOKEN=${T}", "--", "git-mcp", "--all")
    said("add", "far", "https://a.example/mcp", "--header", "Authorization: Bearer ${T:-none}")
    assert "replaced `far`" in said(
        "add", "far", "https://b.example/sse", "--header", "X=a:b", "--timeout", "5", "--trust"
    )
    assert "is not added" in refused("add", "a__b", "--", "x")
    monkeypatch.setenv("T", "secret")
    (git, far) = json.loads(said("list", "--json"))
    assert (git["target"], far["transport"], far["trust"]) == ("git-mcp --all", "sse", True)
    assert "secret" not in said("list")
    assert '["--all"]\nenv = { "TOKEN" = "${T}" }\n\n[mcp_servers.far]\n' in file.read_text()
    assert "removed `git`" in said("remove", "git")
    assert "defines no server `git`" in refused("remove", "git")
    assert "there is no MCP server `git`" in refused("test", "git")
    assert "had no login" in said("logout", "far")
    said("remove", "far")
    assert file.read_text().rstrip() == '# mine\ntheme = "dark"  # at night'
    assert "none is defined" in said("list")
