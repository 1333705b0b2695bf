"""What a file of instructions imports: `@docs/style.md`."""

from __future__ import annotations

import re

from qcode.markdown import without_code

_IMPORT = re.compile(r"(?<![^\s(*_])@((?:~/|\.{0,2}/)?[^\s@`'\"<>()\[\]{}|*,;:!?#]{1,400})")


def imports(text: str) -> tuple[str, ...]:
    """Return the paths that a text imports, in order, each once.

    What stands in code is none. That there is such a file is another matter: `@alice` is
    a path for all that the text tells.
    """
    found = (match[1].rstrip("./") for match in _IMPORT.finditer(without_code(text)))
    return tuple(dict.fromkeys(path for path in found if path))


def only_imports(text: str) -> bool:
    """Whether a text says nothing of its own but which files it imports; headings aside."""
    bare = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL) if text.count("<!--") < 9 else text
    words = [
        word
        for line in bare.splitlines()
        if not line.lstrip().startswith("#")
        for word in line.split()
    ]
    return all(word.startswith("@") or word in ("-", "*") for word in words)
