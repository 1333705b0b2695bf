"""What a message does not ask for, and a small model does all the same. Pure.

It copies each file that it was shown, some of them wrongly, and does what a text in them says.
So uncommitted work that the message is not about stays as it is, and no file is made because
a document says so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from qcode.record import Record
from qcode.repomap.request import CODE_WORTH, read
from qcode.repomap.standing import is_test
from qcode.repomap.words import identifiers, whole
from qcode.showing.choosing import BY_STEM

_DOCUMENTS = frozenset((".adoc", ".md", ".rst", ".txt"))
_MORE = re.compile(r"\b(?:files|modules|scripts|packages?|project|everything)\b", re.IGNORECASE)
"""What may be asked for without a name, as a document has the names."""
_SAYS_NOTHING = frozenset(("__init__", "conftest", "index", "main", "src", "test"))
"""Names that a message has without speaking of the file."""


class Asked(Record):
    """What a message is about."""

    paths: frozenset[str] = frozenset()
    """Files that it names, there or not, relative to the workspace."""
    says_where: bool = False
    """Whether one of them may change: code, or what a program reads."""
    words: frozenset[str] = frozenset()
    """All of its words, as `words.whole` has them."""
    code: frozenset[str] = frozenset()
    """Identifiers of code in it."""
    is_of_more: bool = False
    """Whether it speaks of files that it does not name."""

    def is_about(self, path: str, text: str) -> bool:
        """Whether it names a file, or something that stands in it."""
        return self.speaks_of(path) or not self.code.isdisjoint(identifiers(text))

    def speaks_of(self, path: str) -> bool:
        """Whether it names a file or its folder, if not by its whole path."""
        folder, _, name = path.rpartition("/")
        words = {part.lower() for part in (*folder.split("/"), name.partition(".")[0]) if part}
        return path in self.paths or any(
            whole(word) in self.words for word in words - _SAYS_NOTHING
        )


def asked(message: str, there: Collection[str], new: Collection[str]) -> Asked:
    """Return what a message is about.

    Args:
        message: All of it, what fails as well.
        there: The files that it names and that are there.
        new: What else in it looks like a file's path.
    """
    from qcode.repomap.languages import grammar

    names = read(message).names
    paths = frozenset(filter(None, (*there, *new)))
    files = {part for path in paths for part in identifiers(path)}
    places = (*there, *(path for path in new if grammar(path, "")))
    return Asked(
        paths=paths,
        says_where=any(path and not is_test(path) and not is_document(path) for path in places),
        words=frozenset(map(whole, names)),
        code=frozenset(
            name for name, worth in names.items() if worth >= CODE_WORTH and name not in files
        ),
        is_of_more=_MORE.search(message) is not None,
    )


def is_document(path: str) -> bool:
    """Whether a file is prose."""
    name = PurePosixPath(path)
    return name.suffix.lower() in _DOCUMENTS or name.stem in BY_STEM


def refusal(asked: Asked, path: str, *, uncommitted: str | None, shown: Mapping[str, str]) -> str:
    """Return why a file is left as it is, or is not made; empty: nothing is known against it.

    Args:
        asked: What the message is about.
        path: The file, relative to the workspace.
        uncommitted: Its text, where it had uncommitted changes when the session began; empty
            where it was deleted so.
        shown: The texts of files that the model was shown, by path; of a file that it may know of
            by itself, none.
    """
    if not asked.says_where or path in asked.paths:
        return ""
    if uncommitted is not None and not asked.is_about(path, uncommitted):
        return (
            f"{path} has uncommitted changes of the user's, and the task is not about it: it "
            "stays as it is."
        )
    if asked.is_of_more or asked.speaks_of(path):
        return ""
    name = PurePosixPath(path).name
    having = [each for each, text in shown.items() if name in text and each != path]
    if having and all(map(is_document, having)):
        return f"The user did not ask for it: of {path} only {having[0]} speaks."
    return ""
