"""What a mention that is being typed may become: files, directories, names, changes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from qcode.mentions.gather import Gatherer, leads_on
from qcode.mentions.haystack import PART, quality
from qcode.mentions.in_editor import NAMES as IN_EDITOR
from qcode.record import Record
from qcode.tools.ignore import rules_at

SHOWN = 40
"""At most."""
_USED = 50
"""Paths pointed at before that are remembered."""
_NAMES = 8
"""Names that files define, where files may be meant, too."""
PATIENCE_S = 0.25
"""For the first look at the files; then what stands in the directory is all there is."""
_TYPED = re.compile(r"(?<![^\s(\[{<,;:=\"'])@(\"[^\"\n]*|[^\s\"@]*)\Z")
_GIT = {
    "git:diff": "what is not staged",
    "git:staged": "what is staged",
    "git:HEAD~1": "what that commit changed",
}
_SYMBOL = "symbol:"

Kind: TypeAlias = Literal["file", "directory", "symbol", "git", "editor", "resource"]


class Candidate(Record):
    """What a mention may become."""

    text: str
    """As it stands behind the `@`; quoted where there are blanks."""
    kind: Kind
    about: str = ""
    """A few words for the person."""


def typed(before: str) -> str | None:
    """Return what is typed of a mention before the cursor, without its `@`; None if none is."""
    found = _TYPED.search(before[-500:])
    return None if found is None else found[1]


class Mentionable:
    """What can be pointed at in a workspace, but for what is ignored or hidden."""

    def __init__(
        self,
        root: Path,
        is_hidden: Callable[[Path], bool],
        *,
        gatherer: Gatherer | None = None,
        patience_s: float = PATIENCE_S,
        resources: Callable[[], Iterable[tuple[str, str]]] = tuple,
    ) -> None:
        """`resources` returns what servers have, each as `server:uri` with a few words on it."""
        self._resources = resources
        self._root = root
        self._is_hidden = is_hidden
        self._gatherer = gatherer or Gatherer(root)
        self._patience_s = patience_s
        self.editor: Callable[[], bool] = lambda: False
        """Whether an editor is connected, so that what it hands over can be pointed at."""
        self._used: tuple[str, ...] = ()
        """The latest first."""

    def use(self, text: str) -> None:
        """Note what a person pointed at in a message: it is offered earlier from then on."""
        from qcode.mentions.parse import mentions

        found = mentions(text) if "@" in text else ()
        new = [mention.value for mention in reversed(found) if mention.kind == "path"]
        self._used = tuple(dict.fromkeys((*new, *self._used)))[:_USED]

    def candidates(self, fragment: str) -> list[Candidate]:
        """Return what a fragment may become, the likeliest first.

        Quick but for the first time, when it may wait `patience_s` for a look at the files:
        not to be called where an event loop runs.
        """
        fragment = fragment.removeprefix('"')
        if fragment.startswith(("/", "~", "..")):
            return []
        found: dict[str, Candidate] = {}
        for one in self._likely(fragment):
            if one.kind in ("file", "directory") and self._is_hidden(self._root / one.text):
                continue
            found.setdefault(one.text, one)
            if len(found) >= SHOWN:
                break
        return [_quoted(one) for one in found.values()]

    def _likely(self, fragment: str) -> Iterator[Candidate]:
        if fragment.startswith(_SYMBOL):
            yield from self._names(fragment.removeprefix(_SYMBOL), SHOWN)
            return
        if self.editor():
            yield from (
                Candidate(text, "editor", about)
                for text, about in IN_EDITOR.items()
                if text.startswith(fragment)
            )
        if fragment:
            yield from (
                Candidate(text, "git", about)
                for text, about in _GIT.items()
                if text.startswith(fragment)
            )
            low = fragment.lower()
            yield from (
                Candidate(text, "resource", about)
                for text, about in self._resources()
                if text.lower().startswith(low) and re.fullmatch(r"[^\s\"@]+", text)
            )
        gathered = self._gatherer.look(self._patience_s)
        if not fragment and gathered is not None:
            recent = [*gathered.paths.find("", len(self._used), self._used), *gathered.recent]
            yield from map(_path, recent[: SHOWN // 2])
        if gathered is None or not fragment or fragment.endswith("/") or fragment[0] == ".":
            yield from map(_path, self._in_folder(fragment))
        if gathered is None or not fragment:
            return
        paths = gathered.paths.find(fragment, SHOWN, self._used)
        yield from map(_path, paths[: SHOWN - _NAMES])
        if "/" not in fragment and len(fragment) > 1:
            yield from self._names(fragment, _NAMES, worst=PART)
        yield from map(_path, paths[SHOWN - _NAMES :])

    def _names(self, part: str, most: int, *, worst: int = 99) -> Iterable[Candidate]:
        gathered = self._gatherer.look(self._patience_s)
        if gathered is None:
            return
        for name in gathered.names.find(part, most):
            fits = quality(name, part)[0] <= worst
            if fits and re.fullmatch(r"[^\s\"@<>|`]+", name):
                yield Candidate(f"{_SYMBOL}{name}", "symbol", "where it is defined")

    def _in_folder(self, fragment: str) -> list[str]:
        """Return what stands in the directory that is typed and begins with the rest."""
        folder, name = os.path.split(fragment)
        real = Path(os.path.realpath(self._root / folder))
        if real != self._root and self._root not in real.parents:
            return []
        rules = rules_at(self._root, real)
        if rules is None:
            return []
        base = "" if real == self._root else f"{real.relative_to(self._root).as_posix()}/"
        try:
            with os.scandir(real) as entries:
                every = sorted((entry.name, leads_on(entry)) for entry in entries)
        except OSError:
            return []
        prefix = f"{folder}/" if folder else ""
        return [
            f"{prefix}{each}/" if is_folder else f"{prefix}{each}"
            for each, is_folder in every
            if each.lower().startswith(name.lower())
            and (not each.startswith(".") or name.startswith("."))
            and each != ".git"
            and each.isprintable()
            and not rules.ignore(base + each, is_directory=is_folder)
        ]


def _path(text: str) -> Candidate:
    return Candidate(text, "directory" if text.endswith("/") else "file")


def _quoted(one: Candidate) -> Candidate:
    if " " not in one.text:
        return one
    return Candidate(f'"{one.text}"', one.kind, one.about)
