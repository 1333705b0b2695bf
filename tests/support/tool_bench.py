"""A workspace with the real tools, called as the loop calls them."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from qcode.errors import ToolError
from qcode.sandbox.policy import Level, Policy
from qcode.sandbox.sandbox import Places, Sandbox
from qcode.tools import all_tools
from qcode.tools.base import Context, Result
from qcode.tools.jobs import Jobs
from qcode.tools.run_shell_command import RunShellCommand
from qcode.tools.schema import parse
from qcode.workspace import Workspace


def launcher(root: Path) -> Sandbox:
    """Return what starts processes for tests of tools: nothing is confined, all is ended."""
    policy = Policy(Level.OFF, (root,), home=Path.home())
    return Sandbox(policy, Places(root, root, root), os.environ)


class Bench:
    """Tools, a context and one event loop for all calls of a test."""

    def __init__(self, root: Path, spill: Path) -> None:
        root.mkdir()
        self.root = root.resolve()
        self.tools = {tool.name: tool for tool in all_tools()}
        shell = self.tools["run_shell_command"]
        assert isinstance(shell, RunShellCommand)
        shell.first_output_s, shell.grace_s = 0.2, 0.5
        self.printed: list[str] = []
        self.launcher = launcher(self.root)
        self.context = Context(
            workspace=Workspace.at(root),
            seen={},
            spill_dir=spill,
            jobs=Jobs(),
            launcher=self.launcher,
            output=self.printed.append,
        )
        self.runner = asyncio.Runner()

    @property
    def environment(self) -> dict[str, str]:
        """What processes get; may be changed."""
        environment = self.launcher.environment
        assert isinstance(environment, dict)
        return environment

    async def acall(self, name: str, /, **arguments: Any) -> Result:
        tool = self.tools[name]
        return await tool.run(parse(tool, json.dumps(arguments)), self.context)

    def call(self, name: str, /, **arguments: Any) -> Result:
        return self.runner.run(self.acall(name, **arguments))

    def text(self, name: str, /, **arguments: Any) -> str:
        return self.call(name, **arguments).text

    def error(self, name: str, /, **arguments: Any) -> str:
        with pytest.raises(ToolError) as caught:
            self.call(name, **arguments)
        return str(caught.value)

    def write(self, path: str, content: str | bytes = "") -> Path:
        """Write a file behind the tools' back."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def close(self) -> None:
        self.runner.run(self.context.jobs.close())
        self.runner.close()
        self.launcher.close()
