"""Who may import whom (CONTRIBUTING.md), and what stays unloaded until it is needed."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from scripted_server import ScriptedServer, call, text

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {
    "qcode.tools": ROOT / "tools",
    "qcode.prompts": ROOT / "prompts",
    "qcode.evals": ROOT / "evals",
    "qcode": ROOT / "qcode",
}
OUTSIDE = ("qcode.__main__", "qcode.cli", "qcode.ui", "qcode.evals", "qcode.acp_agent", "qcode.api")
"""What stands around the core; all else is core and imports none of it."""

ONLY = {
    "qcode.errors": [],
    "qcode.record": [],
    "qcode.paths": [],
    "qcode.prompts": ["qcode.errors"],
    "qcode.syntax": ["qcode.record"],
    "qcode.messages": ["qcode.record"],
    "qcode.events": ["qcode.record", "qcode.messages"],
}
"""The ground: a module or package, and all of qcode that it may import (besides itself)."""

MAY_NOT = {
    "qcode.editing": [
        *("qcode.tools", "qcode.workspace", "qcode.config", "qcode.loop"),
        *("qcode.session", "qcode.providers", "qcode.sandbox"),
    ],
    "qcode.permissions": ["qcode.loop", "qcode.session", "qcode.config", "qcode.providers"],
    "qcode.loop": ["qcode.session", "qcode.config", "qcode.context", "qcode.git", "qcode.paths"],
    "qcode.carrying": [
        *(
            "qcode.session",
            "qcode.config",
            "qcode.context",
            "qcode.git",
            "qcode.paths",
            "qcode.loop",
        )
    ],
    "qcode.tools": [
        *("qcode.session", "qcode.loop", "qcode.providers", "qcode.journal"),
        *("qcode.config", "qcode.permissions", "qcode.local"),
    ],
    "qcode.providers": [
        *("qcode.session", "qcode.loop", "qcode.tools", "qcode.journal"),
        *("qcode.config", "qcode.permissions", "qcode.workspace"),
    ],
    "qcode.repomap": [
        *("qcode.session", "qcode.loop", "qcode.providers", "qcode.journal"),
        *("qcode.config", "qcode.permissions", "qcode.local"),
    ],
    "qcode.local": [
        *("qcode.session", "qcode.loop", "qcode.tools", "qcode.journal"),
        *("qcode.config", "qcode.permissions", "qcode.providers"),
    ],
    "qcode.models": [
        *("qcode.session", "qcode.loop", "qcode.tools", "qcode.journal"),
        *("qcode.config", "qcode.permissions", "qcode.providers"),
    ],
    "qcode.plugins": ["qcode.session", "qcode.loop", "qcode.config", "qcode.journal"],
    "qcode.tracing": ["qcode.loop", "qcode.config", "qcode.journal", "qcode.tools"],
    "qcode.ui": ["qcode.cli", "qcode.local", "qcode.evals"],
    "qcode.session": ["qcode.config", "qcode.local"],
}
"""A module or package, and what neither it nor anything in it imports (but itself)."""

ONLY_IN = {
    "opentelemetry": ["qcode.tracing", "qcode.api.opening"],  # there for its types alone
    "openai": ["qcode.providers"],
    "litellm": ["qcode.providers"],
    "rich": [
        "qcode.ui",
        "qcode.evals.bench_ui",
        "qcode.evals.reports.live",
        "qcode.evals.screens_svg",
    ],  # measured beside it; pictures
    "markdown_it": ["qcode.ui"],
    "pygments": ["qcode.ui"],
    "prompt_toolkit": ["qcode.ui"],
    "git": ["qcode.landing"],
    "jsonschema": ["qcode.headless.shaping"],
    "mcp": ["qcode.mcp"],
    "mcp_types": ["qcode.mcp"],
    "anyio": ["qcode.mcp"],
    "acp": ["qcode.acp_agent"],
    "yaml": ["qcode.frontmatter"],
    "referencing": ["qcode.headless.shaping"],
    "inotify_simple": ["qcode.checkpoints.watch"],
    "tree_sitter": ["qcode.repomap", "qcode.syntax"],
    "tree_sitter_language_pack": ["qcode.repomap", "qcode.syntax"],
}
"""A library, and where it may be imported: one place, behind a type of qcode's."""

STARTS = {
    "subprocess": ["run", "Popen", "call", "check_call", "check_output", "getoutput"],
    "os": ["system", "popen", "fork", "forkpty", "posix_spawn", "exec", "spawn"],
    "asyncio": ["create_subprocess"],
    "pty": ["spawn", "fork"],
    "multiprocessing": [""],
    "webbrowser": [""],
}
"""A module, and how names begin in it that start programs or processes."""

MAY_START = ("qcode.sandbox", "qcode.local", "qcode.evals")
"""Who starts them as it likes: what confines, the model's server, and what is no part of a run."""

STARTS_BESIDES = {
    "qcode.cli.editor uses subprocess.call",  # a person's own editor, in their own terminal
    "qcode.cli.editor uses asyncio.create_subprocess_exec",  # the same, while all else goes on
}
"""Other modules that do so, each for a reason."""

LOOP_LEAVES_OUT = {"os", "sys", "pathlib", "subprocess", "socket", "datetime", "shutil"}


def modules() -> Iterator[tuple[str, Path]]:
    for package, folder in FOLDERS.items():
        for top, folders, files in os.walk(folder):
            # Links are not followed; repositories to work on are no part of qcode.
            folders[:] = sorted(set(folders) - {"demo", "suites"})
            for path in (Path(top, file) for file in sorted(files) if file.endswith(".py")):
                parts = path.relative_to(folder).with_suffix("").parts
                yield ".".join([package, *parts]).removesuffix(".__init__"), path


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def started(path: Path) -> set[str]:
    """Return what of `STARTS` a module names, under whatever name it was imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {name: name for name in STARTS}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {each.asname: each.name for each in node.names if each.asname}
            found |= {f"{each.name}." for each in node.names if each.name in STARTS}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{each.name}" for each in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{modules.get(node.value.id, '')}.{node.attr}")
    forbidden = tuple(f"{module}.{name}" for module, names in STARTS.items() for name in names)
    return {name for name in found if name.startswith(forbidden)}


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@cache
def imports() -> dict[str, set[str]]:
    """What each module imports. Not read before a test asks: whoever collects would wait for it."""
    return {name: imported(path) for name, path in modules()}


def wrong(importers: str | None, target: str) -> list[str]:
    return [
        f"{name} imports {one}"
        for name, ones in imports().items()
        if importers is None or inside(name, importers)
        for one in sorted(ones)
        if inside(one, target) and not (importers and inside(one, importers))
    ]


def test_every_folder_is_read() -> None:
    assert {"qcode.loop", "qcode.tools.base", "qcode.prompts", "qcode.evals.demo"} <= set(imports())


@pytest.mark.parametrize("package", ONLY)
def test_the_ground_stands_on_little(package: str) -> None:
    assert [
        line
        for line in wrong(package, "qcode")
        if not any(inside(line.split()[-1], one) for one in ONLY[package])
    ] == []


@pytest.mark.parametrize("package", MAY_NOT)
def test_layers_import_downwards(package: str) -> None:
    assert [line for target in MAY_NOT[package] for line in wrong(package, target)] == []


def test_the_core_knows_nothing_of_what_is_around_it() -> None:
    assert [
        f"{name} imports {one}"
        for name, ones in imports().items()
        if not any(inside(name, package) for package in OUTSIDE)
        and name != "qcode"  # its front door
        for one in sorted(ones)
        if any(inside(one, package) for package in OUTSIDE)
    ] == []


def test_only_the_command_line_imports_the_evaluations() -> None:
    assert [
        line
        for line in wrong(None, "qcode.evals")
        if not line.startswith(("qcode.cli", "qcode.evals"))
    ] == []


@pytest.mark.parametrize("library", ONLY_IN)
def test_each_library_is_imported_in_one_place(library: str) -> None:
    assert [
        line
        for line in wrong(None, library)
        if not any(inside(line.split()[0], package) for package in ONLY_IN[library])
    ] == []


def test_the_loop_touches_nothing_outside() -> None:
    assert imports()["qcode.loop"] & LOOP_LEAVES_OUT == set()


def test_only_the_sandbox_starts_programs() -> None:
    assert {
        f"{name} uses {one}"
        for name, path in modules()
        if not any(inside(name, package) for package in MAY_START)
        for one in started(path)
    } == STARTS_BESIDES


@pytest.mark.parametrize(
    "source, what",
    [
        ("import subprocess\nsubprocess.run([])", {"subprocess.run"}),
        ("import subprocess as s\ndef f(): return s.Popen", {"subprocess.Popen"}),
        ("from subprocess import check_output as c", {"subprocess.check_output"}),
        ("from os import execv", {"os.execv"}),
        ("import os\nos.posix_spawnp('', [], {})", {"os.posix_spawnp"}),
        ("import os\nos.system('true')", {"os.system"}),
        ("import asyncio\nasyncio.create_subprocess_exec", {"asyncio.create_subprocess_exec"}),
        ("import subprocess\nsubprocess.DEVNULL, subprocess.TimeoutExpired", set()),
        ("import os\nos.path.join, os.kill", set()),
    ],
)
def test_what_starts_programs_is_found(source: str, what: set[str], tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(source)

    assert started(tmp_path / "module.py") == what


PROBE = f"""
import json, sys
from qcode.__main__ import main
sys.argv[0] = "qcode"
try:
    code = main()
except SystemExit as stop:
    code = stop.code or 0
sys.stdout.flush()
loaded = [name for name in {sorted(ONLY_IN)} if name in sys.modules]
print(json.dumps({{"code": code, "loaded": loaded, "modules": len(sys.modules)}}), file=sys.stderr)
"""


def probe(*arguments: str, cwd: Path) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROBE, *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith("{"), done.stderr
    result = json.loads(last)
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"]])
def test_help_loads_no_library(arguments: list[str], tmp_path: Path) -> None:
    result = probe(*arguments, cwd=tmp_path)

    assert (result["code"], result["loaded"]) == (0, [])


WATCHED = """
import sys
seen = []
def hook(event, args):
    if event == "socket.connect":
        seen.append("connect")
    elif event == "open" and str(args[0]).endswith("registry.json"):
        seen.append("registry")
sys.addaudithook(hook)
from qcode.__main__ import main
sys.argv[0] = "qcode"
code = main()
print(code, *seen, file=sys.stderr)
"""


def test_a_local_models_first_request_goes_out_before_the_registry_is_read(tmp_path: Path) -> None:
    with ScriptedServer([text("done")]) as server:
        done = subprocess.run(
            [
                *(sys.executable, "-P", "-c", WATCHED, "run", "--base-url", server.base_url),
                *("-m", "qwen3.5-27b", "hello"),
            ],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    code, *seen = done.stderr.splitlines()[-1].split()
    assert (code, len(server.requests)) == ("0", 1)
    assert seen[0] == "connect"


def test_a_run_needs_no_library_of_models_or_terminals(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("alpha\n")
    with ScriptedServer([call("read_file", file_path="a.txt"), text("done")]) as server:
        result = probe(
            *("run", "--base-url", server.base_url, "-m", "scripted", "read a.txt"), cwd=tmp_path
        )

        assert (result["code"], result["loaded"]) == (0, [])
        assert len(server.requests) == 2
