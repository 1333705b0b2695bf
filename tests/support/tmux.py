"""The program inside a real terminal emulator: tmux, on a socket of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

DEADLINE_S = 30.0


class Tmux:
    """A pane with a shell in it."""

    def __init__(
        self, cwd: Path, *, rows: int = 24, columns: int = 80, environment: Mapping[str, str]
    ) -> None:
        """Start a server of its own; nothing of the person's settings counts."""
        self._socket = f"qcode-test-{os.getpid()}-{time.monotonic_ns()}"
        self.environment = {**os.environ, "TERM": "xterm-256color"}
        for name in ("TMUX", "NO_COLOR"):
            self.environment.pop(name, None)
        self.environment |= environment
        self._configuration = cwd.parent / "tmux.conf"
        self._configuration.write_text(
            "set -g history-limit 50000\nset -g escape-time 0\nset -g status off\n"
            "set -g default-terminal tmux-256color\nset -g default-shell /bin/bash\n"
        )
        self.run(
            *("-f", str(self._configuration), "new-session", "-d", "-s", "s", "-c", str(cwd)),
            *("-x", str(columns), "-y", str(rows), "bash --norc --noprofile"),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run("kill-server", check=False)

    def command(self, *words: str) -> tuple[str, ...]:
        """Return what to run for a command of tmux's."""
        return ("tmux", "-L", self._socket, *words)

    def run(self, *words: str, check: bool = True, given: str | None = None) -> str:
        """Run a command of tmux's; return what it printed."""
        return subprocess.run(
            self.command(*words),
            check=check,
            input=given,
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=DEADLINE_S,
        ).stdout

    def start(self, *words: str) -> None:
        """Run a program from the shell in the pane."""
        self.type(shlex.join(words))
        self.press("Enter")

    def type(self, text: str) -> None:
        """Type a text as it is."""
        self.run("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys by their names: `Enter`, `C-z`."""
        self.run("send-keys", *keys)

    def paste(self, text: str) -> None:
        """Paste a text from tmux's own buffer, as programs want it that know of pastes."""
        self.run("load-buffer", "-", given=text)
        self.run("paste-buffer", "-p", "-r")

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size."""
        self.run("resize-window", "-x", str(columns), "-y", str(rows))

    @property
    def page(self) -> str:
        """All there is to see, scrolling up; lines that were broken by the width are whole."""
        return self.run("capture-pane", "-p", "-J", "-S", "-").rstrip()

    @property
    def screen(self) -> list[str]:
        """The lines on the screen as they stand there."""
        return self.run("capture-pane", "-p").rstrip("\n").split("\n")

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Wait until something is true of what is to be seen."""
        end = time.monotonic() + DEADLINE_S
        while not true():
            assert time.monotonic() < end, f"{what}:\n{self.page}"
            time.sleep(0.05)

    def shows(self, wanted: str) -> str:
        """Wait until a text is to be seen; return the whole page then."""
        self.until(lambda: wanted in self.page, f"{wanted!r} is not shown")
        return self.page

    def on_screen(self, wanted: str) -> None:
        """Wait until a text stands on the screen, at its lower end or above."""
        self.until(lambda: wanted in "\n".join(self.screen), f"{wanted!r} is not on the screen")

    def gone(self, unwanted: str) -> None:
        """Wait until a text is on the screen no longer."""
        self.until(lambda: unwanted not in "\n".join(self.screen), f"{unwanted!r} is still there")
