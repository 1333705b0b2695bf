"""What a command prints: bounded in memory, whole on disk, a readable part for the model."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from qcode.escapes import Plain, last_state, plain
from qcode.record import Record
from qcode.tools.sizes import USUAL, Sizes

_KEPT_HEAD = 64 * 1024
_KEPT_TAIL = 192 * 1024
_ON_DISK = 64 * 1024 * 1024
"""Bytes of one output kept on disk; then only its end follows."""


_ERROR = re.compile(
    rb"\b(?:ERROR|FATAL|FAILED|Error|Exception|Traceback|panic(?:ked)?|fatal|error)\b(?!=0|: 0)"
    rb"|\b[A-Z]\w+(?:Error|Exception)\b"
)
_OF_KEY = re.compile(rb"\s*[A-Za-z0-9+/=]{24,}\s*")
"""A line of a key, which is known by the lines before it."""
_MOST_ERRORS, _MOST_ALIKE = 8, 2_000
_MOST_SEARCHED = 16 << 20
"""Bytes in which they are looked for."""
_LONGEST_ERROR = 500
"""Bytes of a line; of a part of one it may be unknown what is secret in it."""


def clean(data: bytes) -> str:
    """Return printed bytes as text: no escapes, of a progress bar its last state only.

    What is unseen is written out: it may hide instructions.
    """
    return plain(data.decode("utf-8", "replace"), _last_states)


def _last_states(text: str) -> str:
    return "\n".join(map(last_state, text.split("\n"))) if "\r" in text else text


class LiveText:
    """What a person sees of an output while it grows: without escapes, of a flood only the end.

    Carriage returns stay: who shows the text knows what of a line is there already.
    """

    def __init__(self, most: int) -> None:
        """`most` bytes are kept between two looks."""
        self._most = most
        self._waiting = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._plain = Plain(lambda text: text)
        self._in_lost_line = False

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        lost = len(self._waiting) + len(data) - self._most
        self._waiting += data
        if lost > 0:
            self._decoder.reset()
            self._plain.flush()
            self._in_lost_line = True
            del self._waiting[:lost]
        if self._in_lost_line:
            # Half a line may be half a sequence or half a secret, by which neither is known.
            end = self._waiting.find(b"\n") + 1
            self._in_lost_line = not end
            del self._waiting[: end or len(self._waiting)]

    def take(self, *, last: bool = False) -> str:
        """Return what came since, as far as it is whole; all of it if it is the last."""
        text = self._plain.feed(self._decoder.decode(bytes(self._waiting), last))
        self._waiting.clear()
        return text + self._plain.flush() if last else text


class Shown(Record):
    """The part of an output that the model gets."""

    text: str
    lines: int
    """Lines of it, for a person."""


class Output:
    """Takes bytes as they come; `shown` gives the model's part at any time.

    `open_log` makes the file for the whole output. It is called when the output
    no longer fits in memory or in what is shown; with `at_once` straight away,
    so that the output can be followed while it grows.
    """

    def __init__(
        self,
        open_log: Callable[[], tuple[int, Path]],
        *,
        sizes: Sizes = USUAL,
        at_once: bool = False,
    ) -> None:
        self._open_log = open_log
        self._sizes = sizes
        self._buffer = bytearray()
        """Everything, or the end once `_head` was taken off."""
        self._head = b""
        self._log = -1
        self._logged = 0
        self._problem = ""
        self.total = 0
        """Bytes so far."""
        self.path: Path | None = None
        """The file with the whole output, if there is one."""
        if at_once:
            self.follow()

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        self.total += len(data)
        self._buffer += data
        if self._log >= 0:
            self._write(data)
        if len(self._buffer) > 2 * (_KEPT_HEAD + _KEPT_TAIL):
            self._shrink()

    def follow(self) -> None:
        """From now on keep everything on disk as it comes."""
        if self._log < 0 and not self.path:
            self._spill(bytes(self._buffer))

    def close(self) -> None:
        """Complete the file and close it."""
        if self._log < 0:
            return
        lost = self.total - self._logged
        if lost:
            end = bytes(self._buffer[-min(lost, _KEPT_TAIL) :])
            mark = f"\n[... {lost - len(end):,} bytes were not kept ...]\n".encode()
            self._try_write(mark + end)
        os.close(self._log)
        self._log = -1

    def shown(self, *, failed: bool = False) -> Shown:
        """Return the model's part, with what is missing and where it is.

        Of a command that `failed`, lines of what is missing that seem to say why are in it.
        """
        if self._head:
            head, tail = clean(self._head), clean(bytes(self._buffer))
        else:
            head = tail = clean(bytes(self._buffer))
            if len(head) <= self._sizes.output_head + self._sizes.output_tail:
                return Shown(head.rstrip("\n"), head.rstrip("\n").count("\n") + bool(head))
            if self.path is None:
                self._spill(head.encode())
        head = _first(head, self._sizes.output_head)
        tail = _last(tail, self._sizes.output_tail)
        missing = max(0, self.total - len(head.encode()) - len(tail.encode()))
        kept = "the whole output is in" if self.total <= _ON_DISK else "more of it is in"
        where = self._problem or f"{kept} {self.path}"
        said = self._errors(len(head), len(tail)) if failed else []
        said = ["[lines of that:]", *said, "[... and so on ...]"] if said else []
        gap = "\n".join((f"[... about {missing:,} bytes not shown; {where} ...]", *said))
        text = f"{head}\n{gap}\n{tail}"
        return Shown(text.rstrip("\n"), text.count("\n"))

    def _errors(self, head: int, tail: int) -> list[str]:
        """Return lines between the shown head and tail, in characters, that tell of errors."""
        if self.path is None or self._problem:
            return []
        found: dict[bytes, None] = {}
        try:
            with open(self.path, "rb") as file:
                file.seek(head)
                left = min(os.fstat(file.fileno()).st_size - head - tail, _MOST_SEARCHED)
                for count, line in enumerate(_lines_with(_ERROR, file, left)):
                    if not _OF_KEY.fullmatch(line):
                        found[line] = None
                    if len(found) == _MOST_ERRORS or count == _MOST_ALIKE:
                        break
        except OSError:
            return []
        return [clean(line).rstrip("\n") for line in found]

    def _shrink(self) -> None:
        if not self._head:
            if self._log < 0:
                self._spill(bytes(self._buffer))
            self._head = bytes(self._buffer[:_KEPT_HEAD])
        del self._buffer[:-_KEPT_TAIL]

    def _spill(self, data: bytes) -> None:
        if self._problem:
            return
        try:
            self._log, self.path = self._open_log()
        except OSError as error:
            self._problem = f"it could not be kept ({error.strerror})"
            return
        self._write(data)

    def _write(self, data: bytes) -> None:
        room = _ON_DISK - self._logged
        if room > 0 and not self._problem and self._try_write(data[:room]):
            self._logged += min(len(data), room)

    def _try_write(self, data: bytes) -> bool:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._log, view) :]
        except OSError as error:
            self._problem = f"only a part could be kept ({error.strerror})"
            return False
        return True


def _lines_with(pattern: re.Pattern[bytes], file: BinaryIO, length: int) -> Iterator[bytes]:
    """Yield whole lines with a pattern, of the next bytes of a file, but long ones."""
    rest, is_inside = b"", True
    while length > 0 and (data := file.read(min(length, 1 << 20))):
        length -= len(data)
        data = rest + data
        end = data.rfind(b"\n") + 1
        at = data.find(b"\n") + 1 if is_inside else 0  # a line whose begin is not here
        for match in pattern.finditer(data, at, end):
            if match.start() < at:
                continue  # in the same line
            start = data.rfind(b"\n", 0, match.start()) + 1
            at = data.find(b"\n", match.start()) + 1
            if at - start <= _LONGEST_ERROR:
                yield data[start:at]
        is_inside = is_inside and not end
        rest = data[end:]
        if len(rest) > _LONGEST_ERROR:
            rest, is_inside = b"", True


def _first(text: str, most: int) -> str:
    """Return the beginning, ended at a line's end if there is one near."""
    part = text[:most]
    end = part.rfind("\n", max(0, most - 500))
    return part[:end] if end > 0 else part


def _last(text: str, most: int) -> str:
    part = text[-most:]
    start = part.find("\n", 0, 500)
    return part[start + 1 :] if start >= 0 else part


def log_opener(directory: Path, name: str) -> Callable[[], tuple[int, Path]]:
    """Return what makes a new file `<name>-<n>.log` in a directory, made if needed."""

    def open_log() -> tuple[int, Path]:
        directory.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            path = directory / f"{name}-{number}.log"
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_APPEND
                return os.open(path, flags, 0o600), path
            except FileExistsError:
                number += 1

    return open_log
