"""The files that are shown with a message, and how."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from qcode import beneath
from qcode.composing import Told
from qcode.context import estimate_tokens
from qcode.editing.lost import defined
from qcode.errors import ToolError
from qcode.prompts import load
from qcode.record import Record
from qcode.repomap.standing import is_test
from qcode.repomap.words import identifiers
from qcode.secrets import Masker
from qcode.showing import missing
from qcode.showing.approach import Approach, Kind, without_bodies
from qcode.showing.choosing import Files, choose, listed, paths_in
from qcode.showing.excerpts import LONG_LINES, parts
from qcode.showing.unasked import Asked, asked
from qcode.showing.unasked import refusal as unasked
from qcode.showing.wishes import Wishes, refusal, wishes_all
from qcode.showing.wishes import read as read_wishes
from qcode.tools.base import Context
from qcode.tools.files import binary_kind, decode, fingerprint

MOST_TOKENS = 3_500
"""Of all that is shown: more than two minutes of reading on two cores."""

_MOST_MOVED, _MOST_EXAMPLES = 3, 8
"""Paths in the form: of what moves between files; of files that have one name."""
_NO_TEST = re.compile(r"\s*(?:$|#|(?:import|from) |```)|[^\s()]*$")
"""A line of a test file, as it is shown, that is no test."""
_LARGEST = 2 << 20
"""Bytes of a file that is looked at."""


class Shown:
    """Shows files with the first message, and later ones that are named and not known as they are.

    What is shown whole counts as read, so that it may be written whole.
    """

    def __init__(
        self, context: Context, masker: Masker, tokens: int, approach: Callable[[], Approach]
    ) -> None:
        """`approach` returns how the model is to go at the task of the next first message."""
        self._context = context
        self._approach = approach
        self._masker = masker
        self._tokens = min(tokens, MOST_TOKENS)
        self._task = ""
        self._wishes = Wishes()
        self._asked = Asked()
        self._uncommitted: frozenset[Path] | None = None
        """Files, and folders of such, with uncommitted changes since before the session began;
        None: that is not known yet."""
        self._texts: dict[str, str] = {}
        """What was shown, by path."""
        self._gone: Path | None = None

    async def tell(self, said: str, *, is_first: bool) -> Told:
        """Choose, read and tell; what cannot be read is left out."""
        return await self.tell_all(said, said, is_first=is_first)

    async def tell_all(self, text: str, said: str, *, is_first: bool) -> Told:
        """The same by all of the message: a failing test's output names files as well."""
        from qcode.daemon import in_daemon

        if not self._context.whole_files:
            self._context.refuses = self._context.refuses_removal = _nothing
            self._context.is_to_go = _never
            return Told()  # a model with tools took over
        root, is_hidden = self._context.workspace.root, self._context.is_hidden
        self._task = said or self._approach().task or text
        self._wishes = read_wishes(self._task)
        self._context.named.update(identifiers(self._task))
        self._context.refuses = self._refusal
        self._context.refuses_removal = self._refusal_of_removal
        self._context.is_to_go = self._is_to_go

        def find() -> Files:
            return choose(root, text, is_hidden, self._tokens * 3)

        self._asked = Asked()
        files, uncommitted = await asyncio.gather(
            in_daemon(find), asyncio.to_thread(_uncommitted, root)
        )
        # Of a session that goes on, it is not known any more what was the model's. What is
        # committed meanwhile is uncommitted no more.
        known = (
            (uncommitted if is_first else frozenset[Path]())
            if self._uncommitted is None
            else self._uncommitted
        )
        self._uncommitted = known & uncommitted
        named = (*files.named, self._approach().path)
        self._asked = asked(text, named, paths_in(text), tests=self._wishes.changes_tests)
        return await asyncio.to_thread(self._told, files, text, is_first)

    def _refusal(self, real: Path) -> str:
        if self._is_to_go(real):
            return ""
        path = self._context.workspace.show(real)
        is_there = beneath.exists(real)
        # A test that is new makes none weaker.
        is_measure = is_there and self._approach().is_measured
        if why := refusal(self._wishes, path, is_measure=is_measure):
            return why
        # What is there may have to change with the rest, whatever documents say.
        shown = {} if is_there else self._texts
        return unasked(self._asked, path, uncommitted=self._work(real), shown=shown)

    def _refusal_of_removal(self, real: Path) -> str:
        path = self._context.workspace.show(real)
        return self._refusal(real) or (
            ""
            if self._is_to_go(real)
            else unasked(self._asked, path, uncommitted=self._work(real), shown=self._texts)
        )

    def _work(self, real: Path) -> str | None:
        """Return the text of a file with uncommitted work; None: it has none."""
        known = self._uncommitted or ()
        return _text(real) if real in known or any(each in known for each in real.parents) else None

    def _is_to_go(self, real: Path) -> bool:
        return real == self._gone

    def _told(self, files: Files, said: str, is_first: bool) -> Told:
        removed = paths_in(self._task) if self._wishes.removes else ()
        gone = next((each for each in removed if each in files.named), "")
        self._gone = self._context.workspace.root / gone if gone else None
        left = self._tokens
        shown: list[str] = []
        unseen: list[str] = []
        partial: list[str] = []
        is_line = is_first and self._approach().kind is Kind.LINE
        for path in (*files.named, *files.likely) if is_first else files.named:
            real = self._context.workspace.root / path
            if not is_first and self._is_known(real):
                continue
            if is_line and is_test(path) and f"{path}:" in said:
                continue  # what fails shows the lines of it that matter
            piece = self._read(real, path, said, is_first=is_first)
            if piece is None or (is_first and is_test(path) and _is_told(piece.shown, said)):
                continue
            if (size := estimate_tokens(piece.shown)) > left:
                unseen.append(path)
                continue
            left -= size
            shown.append(piece.shown)
            self._texts[path] = piece.text
            if piece.mark:
                self._context.seen[real] = piece.mark
            else:
                partial.append(path)
        how = ""
        if is_first:
            hints = self._hints(files, said)
            how = "\n\n".join((*hints, *self._how(files, partial)))
        if not shown:
            return Told(after=how)
        rest = sorted({*unseen, *files.rest}) if is_first else []
        others = load("shown/others", paths=listed(rest)) if rest else ""
        told = load("shown/files", files="\n\n".join(shown))
        return Told(before="\n\n".join(filter(None, (told, others))), after=how)

    def _hints(self, files: Files, said: str) -> list[str]:
        """Return what the names in a failing import could have meant."""
        named: dict[str, list[str]] = {}
        for real in self._context.seen if "cannot import name" in said else ():
            path = self._context.workspace.show(real)
            with contextlib.suppress(OSError, UnicodeDecodeError):
                named[path] = defined(path, beneath.read(real).decode("utf-8"))
        return missing.told(said, (*files.named, *files.likely, *files.rest), named)

    def _how(self, files: Files, partial: Sequence[str]) -> list[str]:
        """Return the form of an answer, told last and with a path that fits, as it is copied.

        `partial` are files that are shown in part.
        """
        wishes, approach = self._wishes, self._approach()
        if wishes.is_question:
            return [load("shown/words")]
        if approach.kind is Kind.LINE:
            return [load("shown/line", path=approach.path)]
        new = paths_in(self._task)
        gone = self._context.workspace.show(self._gone) if self._gone else ""
        examples = [approach.path] if approach.path else self._examples(files, new, gone)
        path = examples[0]
        if approach.kind is Kind.ANEW:
            form = load("shown/form", files=load("shown/file", path=path))
            names = " and ".join(approach.names)
            how = [
                load("shown/left_out", names=names, path=path),
                load("shown/anew", form=form),
            ]
        else:
            is_part = path in partial
            each = "shown/search" if is_part else "shown/file"
            form = load("shown/form", files="\n\n".join(load(each, path=one) for one in examples))
            what = load("shown/lines" if is_part else "shown/whole")
            how = [load(f"shown/{approach.kind.value}", what=what, form=form)]
        if partial and path not in partial:
            how.append(load("shown/part", form=load("shown/search", path=partial[0])))
        if wishes.may_be_done:
            how.append(load("shown/may_be_done"))
        if wishes.removes:
            how.append(load("shown/remove", path=gone or path))
        if wishes.starts and path in new and path not in files.named:
            how.append(load("shown/starts", path=path))
        return how

    def _examples(self, files: Files, new: Sequence[str], gone: str) -> list[str]:
        """Return the paths in the form: of a file that changes; of all, where it is clear."""

        def may_change(paths: Sequence[str], *, tests: bool) -> list[str]:
            kept = (*self._wishes.keeps, gone)
            return [each for each in paths if each not in kept and (tests or not is_test(each))]

        visible = [each for each in files.likely if each in self._texts]
        named = [*files.named]
        for path in new:
            # A name that several files have means them; one that none has is to be made.
            having = [each for each in visible if each.endswith(f"/{path}")]
            if having and wishes_all(self._task):
                return having[:_MOST_EXAMPLES]
            named += having or [path]
        named = list(dict.fromkeys(named))
        stated = may_change(named, tests=False)
        if self._wishes.moves and len(stated) > 1:
            return stated[:_MOST_MOVED]
        tests = may_change(named, tests=True) if self._wishes.changes_tests else []
        likely = may_change(visible, tests=False)
        # The last resort is what may not change at all.
        return [next(iter((*stated, *tests, *likely, *named, *visible)), "name.py")]

    def owner(self, code: str) -> str:
        """Return whose code it is: of the one file with its definitions, or the one to be made.

        For `Agent.owner`; empty where that is not clear.
        """
        root = self._context.workspace.root
        path_of = {self._context.workspace.show(real): real for real in self._context.seen}
        having, alike = [], set()
        for path, real in path_of.items():
            try:
                text = beneath.read(real).decode("utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            had, has = defined(path, text), defined(path, code)
            if set(has).intersection(had):
                having.append(path)
            if (has and not had) or _is_like(code, text):
                alike.add(path)
        if having:
            return having[0] if len(having) == 1 else ""
        named = [path for path in paths_in(self._task) if not is_test(path)]
        known = [path for path in named if path in alike]
        made = [path for path in named if not beneath.exists(root / path)]
        for choice in (known, made):
            if len(choice) == 1 and len(named) == 1 and code.count("\n") > 1:
                return choice[0]
        return ""

    def _is_known(self, real: Path) -> bool:
        try:
            return self._context.seen.get(real) == fingerprint(real)
        except (OSError, ToolError):
            return True  # it is no file any more

    def _read(self, real: Path, path: str, said: str, *, is_first: bool) -> _Piece | None:
        """Return a file as it is shown; None: it cannot be."""
        try:
            data = beneath.read(self._context.path(path))
        except (OSError, ToolError):
            return None
        if not data or len(data) > _LARGEST or binary_kind(data):
            return None
        text, _ = decode(data)
        text = text.replace("\r\n", "\n")
        if self._masker.mask(text) != text:
            return None  # what has a secret in it cannot be written back as it was
        fence = "```"
        while fence in text:
            fence += "`"
        if text.count("\n") <= LONG_LINES:
            told = text
            if is_first and path == (approach := self._approach()).path:
                told = without_bodies(text, approach.names)
            gap = "" if told.endswith("\n") else "\n"
            shown = f"{path}\n{fence}\n{told}{gap}{fence}"
            return _Piece(shown=shown, text=text, mark=fingerprint(real, data))
        total = text.count("\n") + 1
        pieces = [
            f"{path} (lines {part.first} to {part.first + len(part.lines) - 1} of {total:,})\n"
            f"{fence}\n" + "\n".join(part.lines) + f"\n{fence}"
            for part in parts(text, said)
        ]
        shown = "\n\n".join(pieces)
        return _Piece(shown=shown, text=shown, mark="")


class _Piece(Record):
    """A file, or parts of it, as the model is shown it."""

    shown: str
    text: str
    """Without what stands around it; of a part, with it."""
    mark: str
    """Of all of it (`fingerprint`); empty: it is a part."""


def _uncommitted(root: Path) -> frozenset[Path]:
    """Return what differs from the last commit below a folder; none where nothing is committed.

    A folder stands for all in it: one that git does not know, or a submodule.
    """
    from qcode import git
    from qcode.sandbox.repositories import enclosing

    top = enclosing(str(root))
    if not top or not git.head_commit(root):
        return frozenset()
    options = ("--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal", "--", ".")
    listed = git.ask(root, "status", *options) or b""
    names = (os.fsdecode(item[3:]) for item in listed.split(b"\0") if len(item) > 3)
    found = frozenset(Path(top, name.rstrip("/")) for name in names)
    # In a folder that git does not know it says nothing of what is new.
    return frozenset() if found.intersection((root, *root.parents)) else found


def _text(real: Path) -> str:
    """Return a file's text, with other marks for what is none; empty: it cannot be read."""
    try:
        if real.stat().st_size > _LARGEST:
            return ""
        return beneath.read(real).decode("utf-8", "replace")
    except OSError:
        return ""


def _is_told(text: str, said: str) -> bool:
    """Whether a message has most of a test file already, as what fails shows whole tests."""
    there = {line.lstrip(">").strip() for line in said.split("\n")}
    lines = [line.strip() for line in text.split("\n") if not _NO_TEST.match(line)]
    return sum(line in there for line in lines) * 5 >= len(lines) * 4 > 0


def _is_like(code: str, text: str) -> bool:
    """Whether code is a file's with changes, and not what a model says about the file."""
    lines = [line.strip() for line in code.splitlines() if re.search(r"\w", line)]
    there = {line.strip() for line in text.splitlines()}
    return not text.strip() or sum(line in there for line in lines) * 2 >= len(lines)


def _never(_real: Path) -> bool:
    """Return that a file is not to go."""
    return False


def _nothing(_real: Path) -> str:
    """Return that a file may be changed."""
    return ""
