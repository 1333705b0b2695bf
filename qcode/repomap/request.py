"""What a request names: words, identifiers, files, and the frames of a failing trace."""

from __future__ import annotations

import re
from typing import NamedTuple

from qcode.repomap.words import identifiers, words

_LONGEST = 60_000
"""Characters of a request that are read; from the start and the end."""
_FRAME = re.compile(
    r"""File\ "(?P<python>[^"\n]+)",\ line\ (?P<line1>\d+)"""
    r"""|(?P<path>[\w@~./\\+-]*[\w-]\.[A-Za-z]\w{0,5}):(?P<line2>\d+)""",
    re.VERBOSE,
)
_PATH = re.compile(r"[\w@~.+-]*(?:/[\w@.+-]+)*/?[\w-]+\.[A-Za-z]\w{0,5}\b|[\w@.+-]+(?:/[\w@.+-]+)+")
_DOTTED = re.compile(r"\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\b")
_QUOTED = re.compile(r"`+([^`\n]{1,200})`+")
_CODE = re.compile(r"[a-z0-9][A-Z]|_|\d")
_CALLED = re.compile(r"\b([A-Za-z_]\w{2,})\s*\(")
_ANYWHERE = (
    "a about above actual actually add added after again all also an and any are as at be "
    "because been before being below better between both bug but by call called can cannot case "
    "change changed check code correct could current currently def describe description did do "
    "does doing done due each else error even example expect expected fail failed fails false "
    "file find first fix for from function get gets given got had has have he hello help here "
    "hi how however i if import in instead int into is issue it item its itself just know last "
    "like line list look make may me method might more most must my name need needed new no none "
    "not now object of old on one only or other our out output over own please possible print "
    "problem python question raise reproduce result results return returns run same see self "
    "set should show simple since so some something still str such support sure test tests than "
    "that the their them then there these they thing this those though thus to too true try type "
    "under up us use used user using value values version very want was way we well were what "
    "when where whether which while who why will with without work working works would wrong "
    "yes you your"
)
_PLAIN = frozenset(_ANYWHERE.split())
"""Words of any request, that say little of where to look; stemmed ones too."""


CODE_WORTH = 2.0
"""What a name is worth at least that is one of code."""


class Frame(NamedTuple):
    """A place that a trace or a message of a tool names."""

    path: str
    line: int


class Request(NamedTuple):
    """A request, taken apart."""

    words: dict[str, float]
    """By word what it is worth."""
    names: dict[str, float]
    """Identifiers as they are written, and what each is worth."""
    paths: tuple[str, ...]
    """What may be paths of files, modules with `/`."""
    frames: tuple[Frame, ...]
    """In their order."""


def read(text: str) -> Request:
    """Take a request apart."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]}\n{text[-_LONGEST // 2 :]}"
    frames = tuple(
        Frame(
            (found["python"] or found["path"]).replace("\\", "/"),
            int((found["line1"] or found["line2"])[:9]),
        )
        for found in _FRAME.finditer(text)
    )
    quoted = {name for part in _QUOTED.findall(text) for name in identifiers(part)}
    quoted.update(_CALLED.findall(text))
    dotted = _DOTTED.findall(text)
    quoted.update(name for part in dotted for name in part.split("."))
    title = text.strip().partition("\n")[0]
    names: dict[str, float] = {}
    found_words: dict[str, float] = {}
    in_title = set(identifiers(title))
    for name in identifiers(text):
        is_code = bool(_CODE.search(name)) or name in quoted
        worth = CODE_WORTH if is_code else 1.0
        if name in in_title:
            worth *= 1.5
        names[name] = max(names.get(name, 0.0), worth)
        for word in words(name):
            own = 0.15 if word in _PLAIN else worth
            found_words[word] = max(found_words.get(word, 0.0), own)
    paths = dict.fromkeys(found.strip("/.") for found in _PATH.findall(text))
    paths.update(dict.fromkeys(part.replace(".", "/") for part in dotted))
    return Request(found_words, names, tuple(path for path in paths if path), frames)
