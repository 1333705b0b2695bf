"""The environment of what an evaluation starts: nothing of the person's but their tools."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

_DROPPED = re.compile(
    r"""
    (?: QCODE | EVAL | GIT | XDG | PYTEST | LITELLM | OPENAI | ANTHROPIC )_ .*
    | PYTHONPATH | PYTHONHOME | PYTHONSTARTUP | VIRTUAL_ENV | CONDA_PREFIX
    | .* (?: _KEY | _TOKEN | _SECRET | _PASSWORD ) | SSH_.* | CI | GITHUB_.* | GITLAB_.*
    """,
    re.VERBOSE,
)
"""What would make a trial depend on who runs it, or hand out what is theirs."""

_TOOLCHAINS = {
    "CARGO_HOME": ".cargo",
    "RUSTUP_HOME": ".rustup",
    "GOPATH": "go",
    "PYENV_ROOT": ".pyenv",
    "NVM_DIR": ".nvm",
    "SDKMAN_DIR": ".sdkman",
}
"""Where toolchains look by default in the home that a trial does not have."""

GIT = {
    "GIT_AUTHOR_NAME": "evals",
    "GIT_AUTHOR_EMAIL": "evals@example.invalid",
    "GIT_COMMITTER_NAME": "evals",
    "GIT_COMMITTER_EMAIL": "evals@example.invalid",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}
"""For the commits that an evaluation makes: the same on every machine and day, so that a
task's first commit has the same id everywhere."""


def environment(
    environ: Mapping[str, str],
    home: Path,
    more: Mapping[str, str] | None = None,
    *,
    venv: Path | None = None,
) -> dict[str, str]:
    """Return an environment with a home of its own, in which `python` has pytest.

    `python` is that of `venv`, else of qcode itself; `more` wins over all.
    """
    kept = {name: value for name, value in environ.items() if not _DROPPED.fullmatch(name)}
    usual = Path(environ.get("HOME") or os.path.expanduser("~"))
    for name, folder in _TOOLCHAINS.items():
        if name not in kept and (place := usual / folder).is_dir():
            kept[name] = str(place)
    first = venv / "bin" if venv else Path(sys.executable).parent
    kept |= {
        "PATH": os.pathsep.join([str(first), kept.get("PATH", os.defpath)]),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }
    if venv:
        kept["VIRTUAL_ENV"] = str(venv)
    return {**kept, **(more or {})}
