"""The program in a pseudo-terminal, for tests of what a person sees and types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripted_server import Json, ScriptedServer

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 20.0
ENTER, CTRL_C, CTRL_D, ALT_ENTER = "\r", "\x03", "\x04", "\x1b\r"
PROGRAM = (sys.executable, "-m", "qcode")
SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[()].|[=>])")
# The controlling terminal is the first one that a session leader opens.
START = 'exec "$@" <"$0" >"$0" 2>&1'


class Qcode:
    """The program in a terminal of its own: what it shows, and keys for it."""

    def __init__(self, cwd: Path, *arguments: str, **environment: str) -> None:
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self._raw = b""
        self._position = 0
        self._process = subprocess.Popen(
            [*("/bin/sh", "-c", START, os.ttyname(self._slave)), *PROGRAM, *arguments],
            cwd=cwd,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PROMPT_TOOLKIT_NO_CPR": "1",
                **environment,
            },
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        if self._master >= 0:
            self.close_terminal()

    def close_terminal(self) -> None:
        os.close(self._slave)
        os.close(self._master)
        self._master = -1

    @property
    def output(self) -> bytes:
        """All bytes so far, as the terminal got them."""
        return self._raw

    @property
    def screen(self) -> str:
        """The same as text, without escape sequences."""
        return SEQUENCE.sub("", self._raw.decode("utf-8", "replace")).replace("\r", "")

    def expect(self, wanted: str) -> str:
        """Wait until the text appears after what was waited for before; return what came."""
        end = time.monotonic() + DEADLINE_S
        while (found := self.screen.find(wanted, self._position)) < 0:
            if not self._read(end):
                shown = self.screen[self._position :]
                raise AssertionError(f"{wanted!r} did not appear, but:\n{shown}")
        came = self.screen[self._position : found + len(wanted)]
        self._position = found + len(wanted)
        return came

    def ready(self) -> None:
        """Wait until a message can be typed."""
        end = time.monotonic() + DEADLINE_S
        # prompt_toolkit turns bracketed paste on when it begins to read keys.
        while self._raw.rfind(b"\x1b[?2004h") <= self._raw.rfind(b"\x1b[?2004l"):
            assert self._read(end), f"no prompt:\n{self.screen}"
        self.expect(">")

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def send(self, message: str) -> None:
        """Type a message as soon as it is asked for."""
        self.ready()
        self.type(message + ENTER)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Read to the end; return the exit code."""
        end = time.monotonic() + DEADLINE_S
        while self._process.poll() is None:
            assert self._read(end, 0.05) or time.monotonic() < end, f"goes on:\n{self.screen}"
        while self._read(end, 0.0):
            pass
        return self._process.returncode

    def _read(self, end: float, longest: float = DEADLINE_S) -> bool:
        patience = max(0.0, min(end - time.monotonic(), longest))
        if self._master < 0:
            select.select([], [], [], min(patience, 0.05))
            return False
        if not select.select([self._master], [], [], patience)[0]:
            return False
        self._raw += os.read(self._master, 1 << 16)
        return True


def options(server: ScriptedServer) -> tuple[str, ...]:
    return ("--base-url", server.base_url, "-m", "scripted")


def conversation(request: Json) -> list[tuple[str, Any]]:
    """Return role and text of what was sent, and check that each call is answered at once."""
    messages = request["messages"]
    for position, message in enumerate(messages):
        wanted = [one["id"] for one in message.get("tool_calls") or ()]
        following = messages[position + 1 : position + 1 + len(wanted)]
        assert [answer.get("tool_call_id") for answer in following] == wanted
    return [(m["role"], m.get("content")) for m in messages if m["role"] != "system"]
