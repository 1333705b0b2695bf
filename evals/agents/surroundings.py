"""What an agent's program finds around it: an empty home, no keys, no way out but the proxy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qcode.evals.agents.counting import PLACEHOLDER
from qcode.evals.harness.task import Task

_HANDED_ON = frozenset(
    {"PATH", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "SHELL", "VIRTUAL_ENV"}
    | {"LC_ALL", "LC_CTYPE", "SSL_CERT_FILE", "SSL_CERT_DIR", "PYENV_ROOT", "NVM_DIR"}
)
"""All that is taken over of the caller's environment; nothing in it is secret."""

_GIT_CONFIG = "[user]\n\tname = Agent\n\temail = agent@localhost\n[safe]\n\tdirectory = *\n"


def environment(
    home: Path,
    environ: Mapping[str, str],
    *,
    base_url: str,
    proxy: str,
    more: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the environment of an agent, and make its home.

    `base_url` and `proxy` are of the counting proxy: it alone knows the key, and refuses other
    hosts. That keeps out what obeys the usual variables; it is no sandbox.
    """
    folders = {
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_STATE_HOME": home / ".local/state",
        "XDG_DATA_HOME": home / ".local/share",
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_RUNTIME_DIR": home / ".run",
        "TMPDIR": home / "tmp",
    }
    for folder in folders.values():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (home / ".gitconfig").exists():
        (home / ".gitconfig").write_text(_GIT_CONFIG, encoding="utf-8")
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy)
    near = "127.0.0.1,localhost,::1"
    return {
        **{name: value for name, value in environ.items() if name in _HANDED_ON},
        **{name: str(folder) for name, folder in folders.items()},
        "HOME": str(home),
        "TERM": "dumb",
        "NO_COLOR": "1",
        "DO_NOT_TRACK": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        **proxies,
        "no_proxy": near,
        "NO_PROXY": near,
        "OPENAI_API_KEY": PLACEHOLDER,
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_BASE": base_url,
        **(more or {}),
    }


def variables_of(task: Task) -> dict[str, str]:
    """Return the variables that a task itself sets: those of its image, or of its project.

    A loader has them as `environ` (a Dockerfile's `ENV`) or in `env` as `vars` (SWE-bench's).
    """
    env = task.more.get("env")
    found: dict[str, str] = {}
    for given in (task.more.get("environ"), env.get("vars") if isinstance(env, Mapping) else None):
        if isinstance(given, Mapping):
            found |= {str(name): str(value) for name, value in given.items()}
    return found
