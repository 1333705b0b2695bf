"""`qcode config import`: other tools' settings come into a person's file, and nothing else."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from program import Ended, Program, repository
from pty_program import PtyProgram

from qcode.importing.rules import List, translated

TOKEN = "ghp_" + "a1B2" * 8
KEY = "sk-" + "a1" * 20


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def file() -> Path:
    return Path(os.environ["XDG_CONFIG_HOME"]) / "qcode/config.toml"


def put(name: str, content: Any, under: Path | None = None) -> Path:
    path = (under or Path.home()) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    return path


def imported(work: Path, *words: str, **environ: str) -> Ended:
    return Program(work, None, None, environ).run("config", "import", *words)


def read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text())


QWEN = f"""{{
  // mine, with comments
  "$version": 3,
  "security": {{"auth": {{"selectedType": "openai", "apiKey": "{KEY}"}}}},
  "env": {{"DASH_KEY": "{KEY}"}},
  "model": {{"name": "coder", "generationConfig": {{"contextWindowSize": 65536,
    "samplingParams": {{"temperature": 0.3, "max_tokens": 8192}} }} }},
  "modelProviders": {{"openai": [
    {{"id": "other", "baseUrl": "https://other.example/v1", "envKey": "OTHER"}},
    {{"id": "coder", "baseUrl": "https://models.example/v1/", "envKey": "DASH_KEY"}} ]}},
  "tools": {{"approvalMode": "auto-edit", "allowed": ["run_shell_command(git status)"],
    "executionSandbox": {{"filesystem": "read-only", "network": "open"}} }}, /* all of it */
  "context": {{"fileName": ["TEAM.md"]}},
  "mcp": {{"excluded": ["docs"]}},
  "mcpServers": {{
    "github": {{"command": "npx", "args": ["-y", "server", "--api-key", "{KEY}"],
      "env": {{"GITHUB_TOKEN": "{TOKEN}", "LEVEL": "info", "HOST": "$GH_HOST"}},
      "timeout": 30000, "trust": true, "includeTools": ["get_*"]}},
    "docs": {{"httpUrl": "https://docs.example/mcp?key=abc123",
      "headers": {{"Authorization": "Bearer abcdef"}} }},
  }},
  "hooks": {{"PreToolUse": [{{"matcher": "run_shell_command",
    "hooks": [{{"type": "command", "command": "check", "timeout": 5000}}] }}] }},
}}
"""


def test_settings_of_qwen_code_are_taken_over_without_a_key(work: Path, file: Path) -> None:
    put(".qwen/settings.json", QWEN)
    ended = imported(work, "qwen", "-y")
    assert ended.code == 0, ended.err
    assert read(file) == {
        "model": "coder",
        "base_url": "https://models.example/v1",
        "api_key_env": "DASH_KEY",
        "approval_mode": "auto-edit",
        "max_output_tokens": 8192,
        "context_window": 65536,
        "extra_body": {"temperature": 0.3},
        "sandbox": "read-only",
        "network": "on",
        "memory_files": ["TEAM.md", "AGENTS.md", "QCODE.md", "QWEN.md", "CLAUDE.md"],
        "allow": ["shell(git status *)"],
        "mcp_servers": {
            "github": {
                "command": "npx",
                "args": ["-y", "server", "--api-key", "${GITHUB_API_KEY}"],
                "env": {
                    "GITHUB_TOKEN": "${GITHUB_TOKEN}",
                    "LEVEL": "info",
                    "HOST": "${GH_HOST}",
                },
                "timeout": 30,
                "trust": True,
                "allow": ["get_*"],
            },
            "docs": {
                "url": "https://docs.example/mcp?key=${DOCS_KEY}",
                "transport": "http",
                "headers": {"Authorization": "Bearer ${DOCS_AUTHORIZATION}"},
                "disabled": True,
            },
        },
        "hooks": {
            "PreToolUse": [
                {
                    "matcher": "run_shell_command",
                    "command": "check",
                    "timeout": 5,
                    "words": "qwen",
                }
            ]
        },
    }
    for secret in (KEY, TOKEN, "abc123", "abcdef"):
        assert secret not in file.read_text() + ended.out + ended.err
    told = ended.out.partition("to be set in your environment:")[2]
    for name in ("DASH_KEY", "GITHUB_TOKEN", "GITHUB_API_KEY", "DOCS_KEY", "DOCS_AUTHORIZATION"):
        assert f"\n  {name}  (" in told
    # What was written is a configuration, and all of it stands there now.
    assert Program(work, None, None).run("config", "get", "context_window").out == "65536\n"
    before = file.read_bytes()
    again = imported(work, "qwen", "-y")
    assert again.code == 0
    assert "nothing is new to" in again.out
    assert file.read_bytes() == before


CLAUDE = {
    "model": "claude-sonnet-4-5",
    "permissions": {
        "defaultMode": "acceptEdits",
        "allow": ["Bash(pytest:*)", "Bash(git *)", "WebFetch(domain:a.example)", "mcp__db__query"],
        "ask": ["Bash(git push *)"],
        "deny": ["Read(~/.ssh/**)", "Bash(curl*)", f"Bash(x {KEY})"],
        "additionalDirectories": ["../more"],
    },
    "sandbox": {"network": {"allowedDomains": ["pypi.org", "not a host"]}},
    "env": {"FOO": "1"},
    "hooks": {
        "Stop": [{"hooks": [{"type": "command", "command": "say done"}]}],
        "Elicitation": [{"hooks": [{"type": "command", "command": "x"}]}],
    },
}


def test_settings_and_servers_of_claude_code_are_taken_over(work: Path, file: Path) -> None:
    put(".claude/settings.json", CLAUDE)
    servers = {"db": {"command": "db-mcp", "args": ["postgres://me:hunter22@h/db"]}}
    own = {"linear": {"type": "sse", "url": "https://l.example/x"}, "my db!": {"command": "x"}}
    state = {"mcpServers": own, "projects": {str(work): {"mcpServers": servers}}}
    put(".claude.json", {**state, "theme": "light-daltonized", "numStartups": 3})
    ended = imported(work, "claude", "-y")
    assert ended.code == 0, ended.err
    found = read(file)
    assert found["model"] == "anthropic/claude-sonnet-4-5"
    assert found["approval_mode"] == "auto-edit"
    assert found["allow"] == ["shell(pytest *)", "mcp(db:query)"]
    assert found["ask"] == ["shell(git push *)"]
    assert found["deny"] == ["read(~/.ssh/**)", "shell(curl* *)"]
    assert found["network_hosts"] == ["pypi.org"]
    assert found["theme"] == "light"
    assert found["hooks"] == {"Stop": [{"command": "say done", "timeout": 60, "words": "claude"}]}
    assert found["mcp_servers"] == {
        "linear": {"url": "https://l.example/x", "transport": "sse"},
        "my-db": {"command": "x"},
        "db": {"command": "db-mcp", "args": ["postgres://me:${DB_PASSWORD}@h/db"]},
    }
    for told in (
        "WebFetch(domain:a.example): qcode has no tool that fetches pages",
        "Bash(git *): it would be `shell(git *)`, and git runs anything",
        "there is a key or password in it",
        "`permissions.additionalDirectories`: give them with `--add-dir`",
        "hooks at Elicitation: qcode has no such event",
        "the variable `FOO`",
        "`not a host`",
        "the MCP server `my db!` is called `my-db` here",
    ):
        assert told in ended.out
    assert KEY not in ended.out
    assert "hunter22" not in ended.out + file.read_text()


def test_settings_of_codex_are_taken_over(work: Path, file: Path) -> None:
    config = """
model = "local-coder"
model_provider = "mine"
model_context_window = 32768
approval_policy = "untrusted"
sandbox_mode = "workspace-write"
project_doc_fallback_filenames = ["TEAM.md"]
[model_providers.mine]
base_url = "http://127.0.0.1:8000/v1"
env_key = "DUMMY"
wire_api = "responses"
[sandbox_workspace_write]
network_access = true
writable_roots = ["/data"]
[mcp_servers.search]
url = "https://s.example/mcp"
bearer_token_env_var = "SEARCH_TOKEN"
tool_timeout_sec = 30
enabled = false
[profiles.fast]
model = "x"
"""
    put("codex/config.toml", config)
    ended = imported(work, "codex", "-y", CODEX_HOME=str(Path.home() / "codex"))
    assert ended.code == 0, ended.err
    assert read(file) == {
        "model": "local-coder",
        "base_url": "http://127.0.0.1:8000/v1",
        "context_window": 32768,
        "approval_mode": "default",
        "sandbox": "workspace-write",
        "network": "on",
        "cache_dirs": ["/data"],
        "memory_files": ["AGENTS.md", "QCODE.md", "QWEN.md", "CLAUDE.md", "TEAM.md"],
        "mcp_servers": {
            "search": {
                "url": "https://s.example/mcp",
                "transport": "http",
                "headers": {"Authorization": "Bearer ${SEARCH_TOKEN}"},
                "timeout": 30,
                "disabled": True,
            }
        },
    }
    assert "`DUMMY`: a server on this machine needs no key" in ended.out
    assert "asked by Chat Completions" in ended.out
    assert "`profiles`: keep a file for each" in ended.out


MINE = """\
# mine
model = "one"  # the good one
allow = [
  "shell(make *)",  # builds
  # more to come
]

[mcp_servers.db]  # the real one
command = "mine"

[[hooks.Stop]]
command = "say done"  # loudly
"""


def test_what_is_there_stays_with_its_comments_unless_it_is_to_be_replaced(
    work: Path, file: Path
) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(MINE)
    put(".claude/settings.json", {**CLAUDE, "mcpServers": {"db": {"command": "theirs"}}})
    shown = imported(work, "--dry-run")
    assert shown.code == 0
    assert "no settings" not in shown.out
    assert file.read_text() == MINE
    unasked = imported(work)
    assert unasked.code == 2
    assert "nobody is there to ask" in unasked.error
    assert file.read_text() == MINE
    kept = imported(work, "-y")
    assert kept.code == 0, kept.err
    assert 'model = "one"' in kept.out
    found = read(file)
    assert (found["model"], found["mcp_servers"]["db"]) == ("one", {"command": "mine"})
    assert found["allow"] == ["shell(make *)", "shell(pytest *)", "mcp(db:query)"]
    assert len(found["hooks"]["Stop"]) == 1
    for line in ("# mine", "# the good one", "# builds", "# more to come", "# the real one"):
        assert line in file.read_text()
    replaced = imported(work, "-y", "--overwrite")
    assert replaced.code == 0, replaced.err
    found = read(file)
    assert found["model"] == "anthropic/claude-sonnet-4-5"
    assert found["mcp_servers"]["db"] == {"command": "theirs"}
    assert "# builds" in file.read_text()


def test_a_model_is_not_mixed_with_the_address_of_another(work: Path, file: Path) -> None:
    put(".qwen/.env", f"export OPENAI_BASE_URL='https://q.example/v1'\nOPENAI_API_KEY={KEY}\n")
    put(".qwen/settings.json", {"model": "old-form", "selectedAuthType": "openai"})
    put(".codex/config.toml", 'model = "gpt-5-codex"\nmodel_context_window = 9\n')
    ended = imported(work, "all", "-y")
    assert ended.code == 0, ended.err
    assert read(file) == {"model": "old-form", "base_url": "https://q.example/v1"}
    assert "that of ~/.qwen/settings.json is taken over" in ended.out
    put(".codex/config.toml", 'model = "gpt-5-codex"\n')
    assert imported(work, "codex", "-y").code == 0
    assert read(file)["model"] == "old-form"
    assert imported(work, "codex", "-y", "--overwrite").code == 0
    assert read(file) == {"model": "gpt-5-codex"}


def test_what_comes_with_a_folder_is_taken_over_on_request_alone_and_its_hooks_never(
    work: Path, file: Path
) -> None:
    hooks = {"Stop": [{"hooks": [{"type": "command", "command": "evil"}]}]}
    settings = {"permissions": {"allow": ["Bash(make:*)"]}, "hooks": hooks}
    put(".claude/settings.json", settings, work)
    put(".mcp.json", {"mcpServers": {"a": {"command": "a-mcp"}}}, work)
    put(".qwen/settings.json", {"tools": {"approvalMode": "yolo"}}, work)
    first = imported(work, "-y")
    assert first.code == 0, first.err
    assert not file.exists()
    assert ".mcp.json" in first.out
    assert "`--project` takes it over" in first.out
    second = imported(work, "-y", "--project")
    assert second.code == 0, second.err
    assert read(file) == {
        "approval_mode": "yolo",
        "allow": ["shell(make *)"],
        "mcp_servers": {"a": {"command": "a-mcp"}},
    }
    assert "in the sandbox, after `qcode trust`" in second.out


@pytest.mark.parametrize(
    "name, content, where",
    [
        (".qwen/settings.json", '{\n  "a": 1\n  "b": 2\n}', "`~/.qwen/settings.json`, line 3"),
        (".claude/settings.json", '{"a": tru}', "`~/.claude/settings.json`, line 1, column 7"),
        (".claude.json", "[]", "`~/.claude.json`, line 1: it holds no JSON object"),
        (".codex/config.toml", "a = 1\nb = \n", "line 2"),
    ],
)
def test_a_broken_file_is_named_with_its_line_and_nothing_is_written(
    work: Path, file: Path, name: str, content: str, where: str
) -> None:
    put(name, content)
    ended = imported(work, "-y")
    assert ended.code == 2
    assert where in ended.error
    assert "mend it" in ended.error
    assert len(ended.err.splitlines()) == 1
    assert not file.exists()


def test_strange_files_do_no_harm(work: Path, file: Path) -> None:
    put(".qwen/settings.json", {"model": 7, "mcpServers": [1], "permissions": "x", "hooks": [2]})
    put(".claude/settings.json", {"permissions": {"allow": [3, "((", "\x1b]0;x"]}, "env": None})
    put(".claude.json", {"projects": 1, "mcpServers": {"a": 1, "b": {}, "c": {"url": "ftp://x"}}})
    put(".codex/config.toml", "model = 1\nmcp_servers = 2\nmodel_providers = []\n")
    ended = imported(work, "-y")
    assert ended.code == 0, ended.err
    assert ended.err == ""
    assert not file.exists()
    assert "\x1b" not in ended.out
    for name in "abc":
        assert f"the MCP server `{name}`" in ended.out


def test_where_there_is_nothing_that_is_said(work: Path) -> None:
    ended = imported(work, "codex", "-y")
    assert (ended.code, ended.out) == (
        0,
        "no settings of Codex are there, so nothing is taken over\n",
    )


def test_a_person_is_shown_it_and_asked(work: Path, file: Path) -> None:
    put(".claude/settings.json", {"permissions": {"defaultMode": "plan"}})
    for answer, code, exists in (("n", 1, False), ("y", 0, True)):
        with PtyProgram(work, "config", "import") as program:
            program.see('approval_mode = "plan"', "[y/N]")
            program.type(f"{answer}\r")
            assert program.wait() == code
        assert file.exists() is exists


def test_an_imported_hook_is_told_in_the_words_of_the_tool_that_it_is_from(
    work: Path, tmp_path: Path
) -> None:
    repository(work, {"a.py": "x = 1\n"})
    script = tmp_path / "hook.py"
    script.write_text(
        "import json, sys\ntold = json.load(sys.stdin)\n"
        "if told['tool_name'] == 'Bash' and 'rm' in told['tool_input']['command']:\n"
        "    print('no removing', file=sys.stderr)\n    sys.exit(2)\n"
    )
    hook = {"type": "command", "command": f"{sys.executable} {script}"}
    put(".claude/settings.json", {"hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": [hook]}]}})
    assert imported(work, "-y").code == 0
    reply = scripted.call("run_shell_command", command="rm a.py")
    with scripted.ScriptedServer([reply, scripted.text("Then not.")]) as server:
        ended = Program(work, server.base_url).run("run", "-y", "remove it")
    assert ended.code == 0, ended.err
    assert "no removing" in server.requests[-1].json["messages"][-1]["content"]
    assert (work / "a.py").exists()


@pytest.mark.parametrize(
    "kind, text, rules",
    [
        ("allow", "Bash", ("shell(*)",)),
        ("allow", "Bash(npm run test)", ("shell(npm run test)",)),
        ("allow", "Bash(npm run test:*)", ("shell(npm run test *)",)),
        ("allow", "Bash(npm run test*)", ("shell(npm run test* *)",)),
        ("deny", "Bash(git *)", ("shell(git *)",)),
        ("allow", "Read(//etc/hosts)", ("read(/etc/hosts)",)),
        ("allow", "Edit(/src/**)", ("edit(./src/**)",)),
        ("deny", "Read(/etc/**)", ("read(./etc/**)", "read(/etc/**)")),
        ("allow", "Write(docs/**)", ("edit(docs/**)",)),
        ("deny", "Edit", ("edit",)),
        ("allow", "mcp__github", ("mcp(github:*)",)),
        ("allow", "mcp__github__get_*", ("mcp(github:get_*)",)),
        ("allow", "Bash(python *)", ()),
        ("allow", "TodoWrite", ()),
        ("deny", "Bash(echo $(x))", ()),
        ("deny", "WebSearch", ()),
        ("allow", "Read(!x)", ()),
        ("allow", "nonsense here", ()),
    ],
)
def test_rules_are_put_into_other_words(kind: List, text: str, rules: tuple[str, ...]) -> None:
    found = translated(text, kind)
    assert found.rules == rules
    assert bool(found.why) is not bool(rules)
