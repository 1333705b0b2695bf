"""The program in a real pseudo-terminal, and the terminal in front of it: what a person sees."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyte
from forking import PLAIN, in_terminal
from scripted_server import Json, ScriptedServer

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 30.0
ENTER, ESC, TAB, SHIFT_TAB = "\r", "\x1b", "\t", "\x1b[Z"
CTRL_C, CTRL_D, CTRL_G, CTRL_O, CTRL_R = "\x03", "\x04", "\x07", "\x0f", "\x12"
ALT_ENTER, UP, DOWN = "\x1b\r", "\x1b[A", "\x1b[B"

_READY = re.compile(r"^(?!.*· Esc interrupts)(?:.*\n)?>[^\n]*\n[^\n>]+ · [^\n]+\s*\Z", re.DOTALL)
_UNKNOWN = re.compile(rb"\x1b\[[>=][0-9;]*[a-zA-Z]|\x1b\[[0-9]* q")
"""What pyte would show as text."""


class Screened:
    """The program in a terminal of its own, whose screen and scrollback can be read."""

    def __init__(
        self,
        cwd: Path,
        *arguments: str,
        rows: int = 40,
        columns: int = 100,
        program: Sequence[str] = PLAIN,
        sees: bool = True,
        around: Mapping[str, str] = os.environ,
        **environment: str,
    ) -> None:
        """Start it.

        `sees`: the terminal answers where its cursor is, as real ones do. `around`: the
        environment, to which the other ones are added.
        """
        self._master, self._slave = pty.openpty()
        self._size(rows, columns)
        self.raw = b""
        self.sees = sees
        self._asked = 0
        self._screen = pyte.HistoryScreen(columns, rows, history=100_000, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)
        self._met = ""
        """All that stood above the last thing that was waited for, and that."""
        self._process = in_terminal(
            os.ttyname(self._slave),
            [*program, *arguments],
            cwd,
            {**around, "TERM": "xterm-256color", **environment},
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
        """Close the window, as a person does who has had enough."""
        os.close(self._slave)
        os.close(self._master)
        self._master = -1

    def _size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows: int, columns: int) -> None:
        """Change the terminal's size, as dragging its corner does."""
        self._screen.resize(rows, columns)
        self._size(rows, columns)

    @property
    def pid(self) -> int:
        """Of the program."""
        return self._process.pid

    @property
    def scrollback(self) -> list[str]:
        """The lines that left the screen at its top."""
        rows = self._screen.history.top
        return ["".join(row[x].data for x in range(self._screen.columns)).rstrip() for row in rows]

    @property
    def lines(self) -> list[str]:
        """The lines on the screen."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def cells(self) -> list[list[Any]]:
        """All there is to see, scrolling up, as pyte's characters with their colours."""
        screen = self._screen
        rows = [*screen.history.top, *(screen.buffer[y] for y in range(screen.lines))]
        return [[row[x] for x in range(screen.columns)] for row in rows]

    @property
    def page(self) -> str:
        """All there is to see, scrolling up."""
        return "\n".join([*self.scrollback, *self.lines]).rstrip()

    def shows(self, wanted: str, *, deadline_s: float = DEADLINE_S) -> str:
        """Wait until a text is to be seen; return the whole page then."""
        self.until(lambda: wanted in self.page, f"{wanted!r} is not shown", deadline_s)
        return self.page

    def expect(self, wanted: str) -> str:
        """Wait until a text stands below what was waited for before; return what came.

        What was met in the redrawn part may be gone: then it is looked for from there on.
        """

        def at() -> int:
            return self.page.find(wanted, _alike(self.page, self._met))

        self.until(lambda: at() >= 0, f"{wanted!r} did not appear after {self._met[-300:]!r}")
        page, found = self.page, at()
        came = page[_alike(page, self._met) : found + len(wanted)]
        self._met = page[: found + len(wanted)]
        return came

    def ready(self) -> None:
        """Wait until the model has nothing to do and a message can be typed."""
        self.until(
            lambda: bool(_READY.search("\n".join(self.lines))), "no line to write a message in"
        )

    def say(self, message: str) -> None:
        """Send a message as soon as the model has nothing to do."""
        self.ready()
        self.send(message)

    def hides(self, unwanted: str) -> None:
        """Wait until a text is on the screen no longer."""
        self.until(lambda: unwanted not in "\n".join(self.lines), f"{unwanted!r} is still shown")

    def until(self, true: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
        """Read what the program draws until something is true."""
        end = time.monotonic() + deadline_s
        while not true():
            if time.monotonic() >= end or (not self.read(0.1) and self._process.poll() is not None):
                while self.read(0.0):
                    pass
                if true():
                    return
                raise AssertionError(f"{what}:\n{self.page}")

    def idle(self, seconds: float = 0.3) -> None:
        """Read until nothing has come for so long, or for ten times that: clocks tick."""
        end = time.monotonic() + 10 * seconds
        while self.read(seconds) and time.monotonic() < end:
            pass

    def type(self, keys: str) -> None:
        """Press keys."""
        data = keys.encode()
        while data:
            # A paste is larger than what the terminal takes at once.
            if select.select([], [self._master], [], 0.05)[1]:
                data = data[os.write(self._master, data[:1024]) :]
            self.read(0.0)

    def send(self, message: str) -> None:
        """Type a message and press Enter."""
        self.type(message + ENTER)

    def paste(self, text: str) -> None:
        """Paste a text as terminals do."""
        self.type(f"\x1b[200~{text}\x1b[201~")

    def signal(self, number: int) -> None:
        """Send the program a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Read to the end; return the exit code."""
        end = time.monotonic() + DEADLINE_S
        while self._process.poll() is None:
            self.read(0.05)
            assert time.monotonic() < end, f"goes on:\n{self.page}"
        while self.read(0.0):
            pass
        return self._process.returncode

    def read(self, patience_s: float) -> bool:
        """Take what the program has drawn; return whether there was anything."""
        if self._master < 0:
            time.sleep(min(patience_s, 0.05))
            return False
        if not select.select([self._master], [], [], patience_s)[0]:
            return False
        data = os.read(self._master, 1 << 16)
        self.raw += data
        self._stream.feed(_UNKNOWN.sub(b"", data))
        self._asked += data.count(b"\x1b[6n")
        if self.sees:
            self.see()
        return True

    def see(self) -> None:
        """Answer where the cursor is, as often as it was asked."""
        self.sees = True
        cursor = self._screen.cursor
        while self._asked and self._master >= 0:
            self._asked -= 1
            os.write(self._master, f"\x1b[{cursor.y + 1};{cursor.x + 1}R".encode())


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts begin with that are the same."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


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


def spent_cpu_s(pid: int) -> float:
    """Return how long a process has computed so far, in seconds (see proc(5))."""
    fields: list[Any] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
