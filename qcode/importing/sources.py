"""Where other tools keep their settings, and all that is found there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from qcode.importing import claude, codex, qwen
from qcode.importing.reading import read_json, read_toml, read_variables, shown
from qcode.importing.taken import Taken

Tool: TypeAlias = Literal["qwen", "claude", "codex"]

TOOLS: tuple[Tool, ...] = get_args(Tool)
"""In the order in which the first that has a thing wins."""
NAMES: Mapping[Tool, str] = {"qwen": "Qwen Code", "claude": "Claude Code", "codex": "Codex"}

_Take: TypeAlias = Callable[[dict[str, Any], str], None]


class Sources:
    """Reads the files of tools, for one person in one folder."""

    def __init__(
        self, cwd: Path, home: Path, environ: Mapping[str, str], *, with_project: bool
    ) -> None:
        """`with_project`: also what comes with the folder is taken over."""
        self._cwd = cwd
        self._home = home
        self._environ = environ
        self._with_project = with_project
        self.taken = Taken()

    def read(self, tools: Sequence[Tool]) -> Taken:
        """Return what is found of some tools.

        Raises:
            UsageError: a file is there and cannot be read.
        """
        for tool in tools:
            {"qwen": self._qwen, "claude": self._claude, "codex": self._codex}[tool]()
        return self.taken

    def _folder(self, variable: str, name: str) -> Path:
        given = self._environ.get(variable, "")
        return Path(given) if Path(given).is_absolute() else self._home / name

    def _qwen(self) -> None:
        into, environ = self.taken, self._environ
        folder = self._folder("QWEN_HOME", ".qwen")

        def of_project(values: dict[str, Any], source: str) -> None:
            qwen.take(into, values, source, {}, environ)

        def own(values: dict[str, Any], source: str) -> None:
            qwen.take(into, values, source, variables, environ)

        self._project(".qwen/settings.json", of_project)
        beside = folder / ".env"
        variables = read_variables(beside, shown(beside, self._home))
        if not self._own(folder / "settings.json", own) and variables:
            own({}, shown(beside, self._home))
            into.files.append(shown(beside, self._home))

    def _claude(self) -> None:
        into, environ = self.taken, self._environ
        folder = self._folder("CLAUDE_CONFIG_DIR", ".claude")

        def settings(values: dict[str, Any], source: str) -> None:
            claude.take(into, values, source, environ)

        def state(values: dict[str, Any], source: str) -> None:
            claude.take_state(into, values, source, str(self._cwd))

        def servers(values: dict[str, Any], source: str) -> None:
            claude.take_servers_file(into, values, source)

        self._project(".claude/settings.local.json", settings)
        self._project(".claude/settings.json", settings)
        self._project(".mcp.json", servers)
        self._own(folder / "settings.json", settings)
        place = folder if self._environ.get("CLAUDE_CONFIG_DIR") else self._home
        self._own(place / ".claude.json", state)

    def _codex(self) -> None:
        into, environ = self.taken, self._environ

        def settings(values: dict[str, Any], source: str) -> None:
            codex.take(into, values, source, environ)

        self._project(".codex/config.toml", settings)
        self._own(self._folder("CODEX_HOME", ".codex") / "config.toml", settings)

    def _own(self, file: Path, take: _Take) -> bool:
        name = shown(file, self._home)
        values = (read_toml if file.suffix == ".toml" else read_json)(file, name)
        if values is None:
            return False
        self.taken.files.append(name)
        take(values, name)
        return True

    def _project(self, name: str, take: _Take) -> None:
        """Take over a file of the folder if that is wanted, but not its hooks.

        These would be the person's own then, and no longer be run in the sandbox.
        """
        file = self._cwd / name
        if self._cwd == self._home or not file.is_file():
            return
        if not self._with_project:
            why = "it comes with this folder: `--project` takes it over"
            if not name.startswith(".codex"):
                why += "; its servers and hooks are used in place after `qcode trust`"
            self.taken.leave(name, why, "")
            return
        values = (read_toml if file.suffix == ".toml" else read_json)(file, name) or {}
        if values.pop("hooks", None):
            why = "those of a folder are used in place, in the sandbox, after `qcode trust`"
            self.taken.leave("`hooks`", why, name)
        self.taken.files.append(name)
        take(values, name)
