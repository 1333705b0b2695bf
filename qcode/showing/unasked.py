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
_MORE = re.compile(
    r"\b(?:files|modules|scripts|packages?|project|everything|everywhere|all|each|every)\b",
    re.IGNORECASE,
)
"""What may be asked for without a name."""
_PROPER = re.compile(r"[A-Z]\w*\.js")
"""Node.js, Vue.js: seldom a file."""
_SAYS_NOTHING = frozenset(("lib", "main", "src", "test"))
"""Names of folders that a message has without speaking of the folder."""


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
    is_of_tests: bool = False
    """Whether tests are to be written or changed."""
    is_of_more: bool = False
    """Whether it speaks of files that it does not name."""

    def is_about(self, path: str, text: str) -> bool:
        """Whether it may be about a file, or something that stands in it."""
        return (
            self.is_of_more
            or (self.is_of_tests and is_test(path))
            or self.speaks_of(path)
            or not self.code.isdisjoint(identifiers(text))
        )

    def speaks_of(self, path: str) -> bool:
        """Whether it names a file or its folder, if not by its whole path."""
        folder, _, name = path.rpartition("/")
        stem = name.partition(".")[0].lower()
        words = {part.lower() for part in folder.split("/")} - _SAYS_NOTHING
        words |= {stem, stem.removeprefix("test_").removesuffix("_test")} - {""}
        return any(path == one or path.endswith(f"/{one}") for one in self.paths) or any(
            whole(word) in self.words for word in words
        )


def asked(
    message: str, there: Collection[str], new: Collection[str], *, tests: bool = False
) -> Asked:
    """Return what a message is about.

    Args:
        message: All of it, what fails as well.
        there: The files that it names and that are there.
        new: What else in it looks like a file's path.
        tests: Whether tests are to be written or changed.
    """
    from qcode.repomap.languages import grammar

    names = read(message).names
    paths = frozenset(filter(None, (*there, *new)))
    files = {part for path in paths for part in identifiers(path)}
    places = (
        *there,
        *(path for path in new if grammar(path, "") and not _PROPER.fullmatch(path)),
    )
    return Asked(
        paths=paths,
        says_where=any(path and not is_test(path) and not is_document(path) for path in places),
        words=frozenset(map(whole, names)),
        code=frozenset(
            name for name, worth in names.items() if worth >= CODE_WORTH and name not in files
        ),
        is_of_tests=tests,
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
        shown: The texts of files that the model was shown, by path; none where it may know by
            itself that the file has to change.
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
    there = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    having = [each for each, text in shown.items() if each != path and there.search(text)]
    if having and all(map(is_document, having)):
        return f"The user did not ask for it: of {path} only {having[0]} speaks."
    return ""
