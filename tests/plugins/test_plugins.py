"""A package that was built and installed for real, whose tools and provider a session uses."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scripted_server import ScriptedServer, call, text

from qcode import Agent, config, tool
from qcode.api import Tool
from qcode.cli import told
from qcode.config import Settings
from qcode.plugins.loading import PluginError, tools_of

PYPROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "qcode-weather"
version = "1.2"
[project.entry-points."qcode.tools"]
several = "qcode_weather:several"
forecast = "qcode_weather:forecast"
[project.entry-points."qcode.providers"]
echo = "qcode_weather:Echo"
[tool.setuptools]
py-modules = ["qcode_weather"]
"""

MODULE = '''
from qcode.api import tool
from qcode.providers import Done, TextPart

@tool(effect="read")
def forecast(city: str) -> str:
    """Tell the weather."""
    return f"{city}: sunny"

def several():
    @tool
    def alert(text: str) -> None:
        """Send an alert."""
    return [alert]

class Echo:
    def __init__(self, model):
        self.model = model
    async def stream(self, request):
        said = request.messages[-1].text
        if "break" in said:
            raise ZeroDivisionError("of no use")
        yield TextPart(f"{self.model} heard: {said}")
        yield Done("stop")
    async def close(self):
        pass
'''


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, and one with a package that cannot be imported."""
    top = tmp_path_factory.mktemp("plugins")
    broken = PYPROJECT.replace("weather", "broken").replace('echo = "qcode_broken:Echo"', "")
    for name, project, module in (
        ("weather", PYPROJECT, MODULE),
        ("broken", broken, "import qcode_is_missing_this\n"),
    ):
        source = top / name
        source.mkdir()
        (source / "pyproject.toml").write_text(project)
        (source / f"qcode_{name}.py").write_text(module)
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir", "-q")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", top / "target",
         top / "weather", top / "broken"],
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return top / "target"


def qcode(*arguments: str, cwd: Path, packages: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qcode", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(packages)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def enabled(tmp_path: Path) -> list[str]:
    file = tmp_path / "config.toml"
    file.write_text('plugins = ["qcode-broken", "qcode-weather", "qcode-gone"]\n')
    return ["run", "--config", str(file)]


@pytest.mark.slow
def test_tools_of_enabled_packages_come_behind_the_usual_ones(
    installed: Path, enabled: list[str], tmp_path: Path
) -> None:
    script = [call("forecast", city="Bonn"), call("alert", text="rain"), text("sunny")]
    with ScriptedServer(script) as server:
        there = ("--base-url", server.base_url, "-m", "m", "how is the weather?")
        done = qcode(*enabled, *there, cwd=tmp_path, packages=installed)
        requests = [seen.json for seen in server.requests]
    with ScriptedServer([text("no plugins")]) as server:
        there = ("--base-url", server.base_url, "-m", "m", "how is the weather?")
        qcode("run", *there, cwd=tmp_path, packages=installed)
        usual = server.requests[0].json["tools"]

    assert (done.returncode, done.stdout) == (0, "sunny\n")
    assert requests[0]["tools"][: len(usual)] == usual
    added = [tool["function"]["name"] for tool in requests[0]["tools"][len(usual) :]]
    assert added == ["forecast", "alert"]
    assert requests[1]["messages"][-1]["content"] == "Bonn: sunny"
    assert "nobody is there to ask" in requests[2]["messages"][-1]["content"]
    missing = "No module named 'qcode_is_missing_this'"
    instead = "install it, or take it out of `plugins`"
    lines = [line for line in done.stderr.splitlines() if "plugin" in line]
    assert [line.split(" is left out: ") for line in lines] == [
        ["qcode: the plugin `qcode-broken`", f"ModuleNotFoundError: {missing}"],
        ["qcode: the plugin `qcode-gone`", f"it is not installed here; {instead}"],
    ]


@pytest.mark.slow
def test_a_provider_of_a_package_answers(
    installed: Path, enabled: list[str], tmp_path: Path
) -> None:
    done = qcode(*enabled, "-m", "echo/parrot", "hello", cwd=tmp_path, packages=installed)
    broken = qcode(*enabled, "-m", "echo/parrot", "break", cwd=tmp_path, packages=installed)

    assert (done.returncode, done.stdout) == (0, "parrot heard: hello\n")
    assert broken.returncode == 3
    assert "the plugin `qcode-weather` failed: ZeroDivisionError: of no use" in broken.stderr
    assert "Traceback" not in broken.stderr


@pytest.mark.slow
def test_it_is_said_whose_tool_it_is(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(installed))
    notes: list[str] = []

    @tool(effect="read")
    def alert() -> None:
        """Come first: the program's own."""

    async def listed(*own: Tool[Any]) -> str:
        async with Agent(
            tmp_path,
            model="echo/parrot",
            plugins=["qcode_Weather"],
            tools=own,
            on_note=notes.append,
        ) as agent:
            assert (await agent.ask("hello")).text == "parrot heard: hello"
            return told.tools(agent._open, "")

    assert [(each.name, each.origin) for each in tools_of("qcode-weather")] == [
        ("forecast", "qcode-weather 1.2"),
        ("alert", "qcode-weather 1.2"),
    ]
    with pytest.raises(PluginError, match="qcode-broken"):
        tools_of("qcode-broken")
    said = asyncio.run(listed())
    assert "forecast (of qcode-weather 1.2), alert (of qcode-weather 1.2)" in said
    assert notes == []
    asyncio.run(listed(alert))
    assert notes == ["the plugin `qcode_Weather` is left out: there are two tools named `alert`"]


def test_a_project_cannot_enable_a_plugin(tmp_path: Path) -> None:
    (tmp_path / ".qcode").mkdir()
    (tmp_path / ".qcode/config.toml").write_text('plugins = ["evil"]\ntracing = true\n')

    settings = config.load(user_file=tmp_path / "none", project=tmp_path, environ={})

    assert (settings.plugins, settings.tracing) == ((), Settings().tracing)
    assert [warning.split()[0] for warning in settings.warnings] == ["`plugins`", "`tracing`"]


def test_nothing_is_looked_up_where_no_plugin_is_enabled(tmp_path: Path) -> None:
    code = (
        "import sys, json, qcode.__main__ as m\n"
        "code = m.main()\n"
        "names = ('importlib.metadata', 'qcode.plugins', 'qcode.api', 'qcode.tracing')\n"
        "print(json.dumps([name for name in names if name in sys.modules]))"
    )
    with ScriptedServer([text("done")]) as server:
        done = subprocess.run(
            [sys.executable, "-c", code, "run", "--base-url", server.base_url, "-m", "m", "x"],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert json.loads(done.stdout.splitlines()[-1]) == []
