"""A program in a terminal of its own, and what that terminal shows: rows of text, no colours."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from forking import PLAIN, in_terminal

DEADLINE_S = 20.0
_PART = re.compile(
    r"\x1b\[([0-9;?]*)([@-~])|\x1b\][^\x07]*\x07|\x1b[()].|\x1b[=>78]|([\r\n\b])|([^\x1b\r\n\b]+)"
)


class Screen:
    """As much of a terminal as qcode drives; anything else is an error."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self.lines: list[str] = [""]
        self.row = self.column = 0
        self.cleared = False
        """Whether all of the screen was cleared at some time."""

    def feed(self, text: str) -> str:
        """Show a text; return the beginning of a sequence at its end."""
        at = 0
        while at < len(text):
            found = _PART.match(text, at)
            if found is None:
                return text[at:]
            at = found.end()
            if found[4] is not None:
                self._write(found[4])
            elif found[3] is not None:
                self._move(found[3])
            elif found[2] is not None:
                self._obey(found[1], found[2])
        return ""

    def _line(self) -> str:
        while len(self.lines) <= self.row:
            self.lines.append("")
        return self.lines[self.row].ljust(self.column)

    def _write(self, text: str) -> None:
        for character in text:
            if self.column >= self.columns:
                self.row, self.column = self.row + 1, 0
            line = self._line()
            self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
            self.column += 1

    def _move(self, control: str) -> None:
        if control == "\n":
            self.row += 1
            self._line()
        elif control == "\r":
            self.column = 0
        else:
            self.column = max(0, self.column - 1)

    def _obey(self, arguments: str, final: str) -> None:
        number = int(arguments) if arguments.isdecimal() else 1
        line = self._line()
        top = max(0, len(self.lines) - self.rows)
        match final:
            case "A":
                self.row = max(top, self.row - number)
            case "B":
                self.row += number
            case "C":
                self.column = min(self.columns - 1, self.column + number)
            case "D":
                self.column = max(0, self.column - number)
            case "K":
                self.lines[self.row] = line[: self.column]
            case "J":
                self.cleared |= arguments == "2"
                self.lines[self.row :] = [line[: self.column]]
            case "L":
                self.lines[self.row : self.row] = [""] * number
                del self.lines[top + self.rows :]
            case "M":
                del self.lines[self.row : self.row + number]
            case "m" | "h" | "l" | "q" | "n":
                pass
            case _:
                raise AssertionError(f"unexpected sequence {arguments!r} {final!r}")

    @property
    def text(self) -> str:
        """What is seen, and what went out at the top."""
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")


class PtyProgram:
    """`qcode` in a terminal of so many rows and columns."""

    def __init__(
        self,
        cwd: Path,
        *arguments: str,
        rows: int = 30,
        columns: int = 100,
        command: tuple[str, ...] = PLAIN,
        **environment: str,
    ) -> None:
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen = Screen(rows, columns)
        self.raw = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._process = in_terminal(
            os.ttyname(self._slave),
            [*command, *arguments],
            cwd,
            {
                **os.environ,
                "PROMPT_TOOLKIT_NO_CPR": "1",
                "TERM": "xterm-256color",
                **environment,
            },
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
        os.close(self._slave)
        os.close(self._master)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def until(self, true: Callable[[str], bool], what: str = "it") -> str:
        """Wait until the screen is so; return what it shows."""
        end = time.monotonic() + DEADLINE_S
        while not true(self.screen.text):
            assert self._read(end), f"{what} did not happen:\n{self.screen.text}"
        return self.screen.text

    def see(self, *wanted: str, without: str = "") -> str:
        """Wait until the screen shows all of that."""
        return self.until(
            lambda text: all(one in text for one in wanted) and not (without and without in text),
            repr(wanted),
        )

    def wait(self) -> int:
        """Read to the end; return the exit code."""
        end = time.monotonic() + DEADLINE_S
        while self._process.poll() is None:
            assert self._read(end, 0.05) or time.monotonic() < end, self.screen.text
        while self._read(end, 0.0):
            pass
        return self._process.returncode

    def _read(self, end: float, longest: float = DEADLINE_S) -> bool:
        patience = max(0.0, min(end - time.monotonic(), longest))
        if not select.select([self._master], [], [], patience)[0]:
            return False
        data = os.read(self._master, 1 << 16)
        self.raw += data
        self._rest = self.screen.feed(self._rest + self._decoder.decode(data))
        return True
