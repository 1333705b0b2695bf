"""Names of tools and permissions in other tools' words."""

from __future__ import annotations

import pytest

from qcode.extensions.spoken import rules_from, tool_named
from qcode.tools import all_tools

KNOWN = [tool.name for tool in all_tools()]


@pytest.mark.parametrize(
    "written, rules",
    [
        ("Bash(git add:*)", ["shell(git add *)"]),
        ("Bash(npm run test)", ["shell(npm run test)"]),
        ("Bash", ["shell(*)"]),
        ("Bash(*)", ["shell(*)"]),
        ("run_shell_command(git log:*)", ["shell(git log *)"]),
        ("shell(make *)", ["shell(make *)"]),
        ("Edit(src/**)", ["edit(src/**)"]),
        ("Write", ["edit"]),
        ("Read", []),
        ("Read(//etc/hosts)", ["read(/etc/hosts)"]),
        ("mcp__github__create_issue", ["mcp(github:create_issue)"]),
        ("mcp__github", ["mcp(github:*)"]),
        ("WebFetch(domain:example.org)", []),
        ("Bash(python:*)", []),
        ("Bash(sudo:*)", []),
        (")(", []),
    ],
)
def test_allowed_tools_are_rules(written: str, rules: list[str]) -> None:
    assert list(rules_from([written], KNOWN)) == rules


@pytest.mark.parametrize(
    "written, tool",
    [
        ("Read", "read_file"),
        ("Grep", "grep_search"),
        ("LS", "list_directory"),
        ("search_file_content", "grep_search"),
        ("replace", "edit"),
        ("Bash(git:*)", "run_shell_command"),
        ("WebSearch", None),
    ],
)
def test_tools_have_the_names_of_other_harnesses(written: str, tool: str | None) -> None:
    assert tool_named(written, KNOWN) == tool
