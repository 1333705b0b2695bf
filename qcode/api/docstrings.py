"""What a docstring says: of the function, and of each parameter; Google's, NumPy's, Sphinx' way."""

from __future__ import annotations

import inspect
import re

_SECTION = re.compile(
    r"(args|arguments|parameters|params|returns?|raises|yields?|examples?|notes?|see also)\s*:?\s*",
    re.IGNORECASE,
)
_OF_PARAMETERS = ("arg", "param")
_GOOGLE = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_NUMPY = re.compile(r"\*{0,2}(\w+)\s*(?::\s*.*)?")
_SPHINX = re.compile(r":param(?:\s+[^:]+?)?\s+(\w+)\s*:\s*(.*)")


def read(docstring: str | None) -> tuple[str, dict[str, str]]:
    """Return what stands before the first section, and the text of each parameter."""
    reader = _Reader()
    lines = inspect.cleandoc(docstring or "").split("\n")
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        reader.take(line, following)
    told = {name: " ".join(filter(None, words)) for name, words in reader.texts.items()}
    return "\n".join(reader.about).strip(), told


class _Reader:
    def __init__(self) -> None:
        self.about: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self._section = ""
        """Its heading in lower case; empty before the first one."""
        self._underlined = False
        self._indent = 0
        """How far the section's parameters are set in; 0: that is not known yet."""
        self._current: list[str] | None = None
        """The text that goes on."""

    def take(self, line: str, following: str) -> None:
        rule = following.strip()
        is_underlined = bool(rule) and not rule.strip("-=")
        if (line.rstrip().endswith(":") or is_underlined) and _SECTION.fullmatch(line):
            self._section, self._underlined = line.lower(), is_underlined
            self._indent, self._current = 0, None
        elif match := _SPHINX.fullmatch(line.strip()):
            self._section = "sphinx"
            self._begin(match[1], match[2])
        elif line.startswith(":"):
            self._section, self._current = "sphinx", None
        elif not self._section:
            self.about.append(line)
        elif self._section == "sphinx":
            self._go_on(line)
        elif self._section.startswith(_OF_PARAMETERS):
            self._of_parameter(line)

    def _of_parameter(self, line: str) -> None:
        words = line.strip()
        if not words or (self._underlined and not words.strip("-=")):
            return
        indent = len(line) - len(line.lstrip())
        match = (_NUMPY if self._underlined else _GOOGLE).fullmatch(words)
        if self._underlined and match and indent == 0:
            self._begin(match[1], "")
        elif not self._underlined and match and indent <= (self._indent or indent):
            self._indent = indent
            self._begin(match[1], match[2])
        else:
            self._go_on(line)

    def _begin(self, name: str, text: str) -> None:
        self._current = self.texts[name] = [text]

    def _go_on(self, line: str) -> None:
        if self._current is not None:
            self._current.append(line.strip())
