"""What a project brings along: nothing of it counts before it is trusted, as it is."""

from __future__ import annotations

import json
from pathlib import Path

from qcode.config import Settings, load
from qcode.extensions.places import places
from qcode.extensions.wishes import wishes
from qcode.trust import Trust


def skill(folder: Path, name: str, text: str = "x") -> Path:
    file = folder / "skills" / name / "SKILL.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"---\nname: {name}\ndescription: does {name}\n---\n{text}\n")
    return file


def test_a_folder_without_extensions_wishes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".claude").mkdir()
    assert wishes(tmp_path) == ()


def test_skills_commands_agents_hooks_and_servers_are_named(tmp_path: Path) -> None:
    skill(tmp_path / ".claude", "pdf")
    (tmp_path / ".qwen/commands/git").mkdir(parents=True)
    (tmp_path / ".qwen/commands/git/tidy.md").write_text("tidy up")
    (tmp_path / ".qcode/agents").mkdir(parents=True)
    (tmp_path / ".qcode/agents/critic.md").write_text("---\nname: critic\n---\n")
    hook = {"hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": [{"command": "./check"}]}]}}
    (tmp_path / ".claude/settings.json").write_text(json.dumps(hook))
    (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": {"db": {"command": "db-mcp"}}}))
    found = wishes(tmp_path)
    assert [one.split(" (")[0] for one in found] == [
        "agent .qcode/agents/critic.md",
        "command .qwen/commands/git/tidy.md",
        "skill .claude/skills/pdf/SKILL.md",
        'hook PreToolUse on Bash: {"command": "./check"} in .claude/settings.json',
        'MCP server db: {"command": "db-mcp"} in .mcp.json',
    ]


def test_settings_that_are_no_json_name_nothing(tmp_path: Path) -> None:
    (tmp_path / ".claude").mkdir()
    for text in ("{", "[]", '{"hooks": 3}', '{"hooks": {"Stop": [3, {"hooks": 4}]}}'):
        (tmp_path / ".claude/settings.json").write_text(text)
        assert wishes(tmp_path) == ()


def test_extensions_are_used_once_trusted_and_asked_about_again_when_changed(
    tmp_path: Path,
) -> None:
    project, trust = tmp_path / "project", Trust(tmp_path / "trust.json")
    file = skill(project / ".claude", "pdf")

    def settings() -> Settings:
        return load(
            user_file=tmp_path / "none.toml",
            project=project,
            environ={},
            trusts=trust.covers,
            brings=wishes,
        )

    before = settings()
    assert not before.extensions_trusted
    assert "1 skill in this folder" in before.warnings[0]
    trust.add(project, before.wishes)
    after = settings()
    assert after.extensions_trusted
    assert not after.warnings
    file.write_text(file.read_text() + "and now something else")
    assert not settings().extensions_trusted


def test_servers_of_a_project_need_trust_and_come_to_those_of_the_person(tmp_path: Path) -> None:
    project, own = tmp_path / "project", tmp_path / "config.toml"
    own.write_text('[mcp_servers.mine]\ncommand = "mine"\n')
    (project / ".qcode").mkdir(parents=True)
    (project / ".qcode/config.toml").write_text('[mcp_servers.theirs]\ncommand = "theirs"\n')
    before = load(user_file=own, project=project, environ={})
    assert list(before.mcp_servers) == ["mine"]
    assert list(before.wishes) == ["mcp_servers"]
    after = load(user_file=own, project=project, environ={}, trusts=lambda *_: True)
    assert list(after.mcp_servers) == ["mine", "theirs"]


def test_a_project_counts_before_the_person_and_only_if_trusted(tmp_path: Path) -> None:
    cwd, own, home = tmp_path / "p", tmp_path / "c", tmp_path / "h"
    trusted = places(cwd, own, home, is_trusted=True)
    assert [str(p.folder.relative_to(tmp_path)) for p in trusted] == [
        *("p/.qcode", "p/.qwen", "p/.claude"),
        *("c", "h/.qwen", "h/.claude"),
    ]
    assert places(cwd, own, home, is_trusted=False) == trusted[3:]
