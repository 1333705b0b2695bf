"""The first run: no model is configured, so a person picks one with one key.

What is picked is written to their configuration. Keys stay where they are.
"""

from __future__ import annotations

import os
import select
import sys
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from qcode.local.catalog import MODELS, PREBUILT
from qcode.local.discover import Found
from qcode.local.keys import opened
from qcode.network import guard
from qcode.record import Record
from qcode.ui.printable import printable

AGAIN = "r"
"""The key that has qcode look again."""
_EMBEDDED = (("1.5b", "small; for simple tasks"), ("0.5b", "very small; quick to try out"))
_MOST = 9
_MODELS = 3
"""Of one server, at most."""
_ESCAPE_S = 0.05
"""After which an escape character was the key itself, and not the beginning of another one's."""
_LEAVE = ("\x1b", "\x03", "\x04", "q", "")


class Choice(Record):
    """One thing to pick."""

    model: str
    """As the configuration names it; `local/…` is the embedded one."""
    title: str
    about: str
    base_url: str = ""
    """Empty where the model's name says where it is."""

    @property
    def settings(self) -> dict[str, str]:
        """What is written to the configuration."""
        place = {"base_url": self.base_url} if self.base_url else {}
        return {**place, "model": self.model}


def choices(
    found: Sequence[Found], environ: Mapping[str, str], here: Sequence[str]
) -> tuple[Choice, ...]:
    """Return what can be picked, at most nine; pure.

    `found` are local servers, `here` names embedded models that were fetched already.
    """
    out = [
        Choice(
            model,
            f"{printable(model)} of the {server.kind} server at {server.base_url}",
            "runs on this machine",
            server.base_url,
        )
        for server in found
        for model in server.models[:_MODELS]
    ]
    out += [
        Choice(one.model, f"{one.model} at {one.provider}", f"with the key in {one.variable}")
        for one in opened(environ)
    ]
    embedded = [_embedded(name, about, name in here) for name, about in _EMBEDDED]
    return (*out[: _MOST - len(embedded)], *embedded)


def _embedded(name: str, about: str, is_here: bool) -> Choice:
    size = (MODELS[name].size + PREBUILT.size) / 1e9
    fetched = "is fetched already" if is_here else f"fetches {size:.1f} GB, once"
    return Choice(
        f"local/{name}",
        f"Qwen2.5-Coder {name.upper()}, embedded",
        f"{fetched}; runs on this machine alone; {about}",
    )


def described(offered: Sequence[Choice]) -> str:
    """Return the list as a person sees it."""
    wide = max(len(choice.title) for choice in offered)
    rows = [
        f"  {number}  {choice.title:<{wide}}  {choice.about}"
        for number, choice in enumerate(offered, 1)
    ]
    return "\n".join(
        (
            "no model is configured yet; press a number, nothing else is needed:",
            *rows,
            f"  {AGAIN}  look again for a server on this machine; Esc leaves",
        )
    )


def pick(
    look: Callable[[], Sequence[Choice]], key: Callable[[], str], say: Callable[[str], None]
) -> Choice | None:
    """Return what a person picks; None if they leave.

    `look` returns what there is now, `key` waits for a key.
    """
    while True:
        offered = look()
        say(described(offered))
        while (pressed := key()) != AGAIN:
            if pressed in _LEAVE:
                return None
            if pressed.isdecimal() and 0 < int(pressed) <= len(offered):
                return offered[int(pressed) - 1]


def offered_now() -> tuple[Choice, ...]:
    """Return what there is to pick on this machine; takes up to half a second."""
    from qcode.local.discover import discover
    from qcode.paths import data_dir

    store = data_dir() / "models"
    here = [name for name, model in MODELS.items() if _is_whole(store / model.file, model.size)]
    # Offline no key opens anything.
    environ = {} if guard.is_offline() else os.environ
    return choices([one for one in discover() if one.models], environ, here)


def _is_whole(file: Path, size: int) -> bool:
    try:
        return file.stat().st_size == size
    except OSError:
        return False


def set_up(file: Path, say: Callable[[str], None]) -> bool:
    """Have a model picked and written to a configuration file; return whether one was.

    Raises:
        UsageError: the file cannot be changed.
    """
    from qcode.settings_file import change

    with _single_keys() as key:
        choice = pick(offered_now, key, say)
    if choice is None:
        return False
    for name, value in choice.settings.items():
        change(file, name, value)
    say(
        f"{printable(choice.model)} is written to {file}; "
        "`/model NAME` or `qcode config set model NAME` changes it"
    )
    return True


def _goes_on(fd: int) -> bool:
    return bool(select.select([fd], [], [], _ESCAPE_S)[0])


@contextmanager
def _single_keys() -> Iterator[Callable[[], str]]:
    """Yield what waits for one key of the terminal on stdin; at its end, it is nothing."""
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    raw = termios.tcgetattr(fd)
    # Ctrl-C as a key, too: whatever is pressed, the terminal is left as it was.
    raw[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
    termios.tcsetattr(fd, termios.TCSAFLUSH, raw)

    def key() -> str:
        pressed = os.read(fd, 1)
        if pressed == b"\x1b" and _goes_on(fd):
            # An arrow key, say; it ends with a letter or `~`, and is none of ours.
            if os.read(fd, 1) in (b"[", b"O"):
                while _goes_on(fd) and not b"@" <= os.read(fd, 1) <= b"~":
                    pass
            return "?"
        return pressed.decode("ascii", "replace")

    try:
        yield key
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
