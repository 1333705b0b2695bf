"""A lenient reading of any shell text: the words that can be seen in it, whatever else there is.

It never gives up and never says that something is harmless. What is not known before the
text is run stands in a word as `ANY`. It serves rules that deny or ask and what is shown;
where it is in doubt it sees too much.
"""

from __future__ import annotations

import re

from qcode.record import Record

ANY = "\0"
"""In a word: an expansion, which may come to any text, also to several words or none."""
GLOB = "\1"
"""In a word: an unquoted `*`, `?` or `[…]`."""

DEPTH = 6
COMMANDS = 400
ALTERNATIVES = 64
LONGEST = 1024
"""More words are not made of one by its braces, and none of one that is longer."""


class Redirection(Record):
    """Where a command's output goes to or its input comes from."""

    operator: str
    target: str

    @property
    def writes(self) -> bool:
        """Whether the target is written to."""
        if self.operator == ">&":  # with a word it means both outputs
            return not (self.target.rstrip("-").isdigit() or self.target == "-")
        return ">" in self.operator


class Piece(Record):
    """One command as it was written, before any wrapper is looked through."""

    words: tuple[str, ...]
    assignments: tuple[tuple[str, str], ...] = ()
    redirections: tuple[Redirection, ...] = ()
    document: str = ""
    """A here-document or here-string that it reads."""


_SPACE = " \t\r"
_ENDS = "\n;&|()"
_QUOTED = {"{": "\2", "}": "\3", ",": "\4"}
"""Unquoted braces and commas, until they are expanded."""
_MARKED = str.maketrans(_QUOTED)
_BRACED = re.compile(r"[{},\w]+")
_PLAIN_AGAIN = str.maketrans({value: key for key, value in _QUOTED.items()})
_RUN = re.compile(r"[A-Za-z0-9_@%+:./=\-^!~\u00a1-\U0010ffff]+")
_SIMPLE = re.compile(r"(?:[A-Za-z0-9_@%+:./=\-^!~,]+(?:[ \t]+|(?=[\n;|&]|\Z)))+")
"""Words in which nothing has a meaning: most texts are all of such."""
_REDIRECTION = re.compile(
    r"(?:\d{0,4}|\{\w+\}|&)(?:<<<|<<-|<<|<&|<>|>>|>\||>&|<(?!\()|>(?!\())|&>>|&>"
)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(?:\[[^\]]*\])?\+?=(.*)", re.DOTALL)
_IN_DOUBLE = re.compile(r'[^"\\$`]+')
_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|[0-9@*#?$!_-])")
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|c(.)|(.))",
    re.DOTALL,
)
_LETTERS = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "f": "\f",
    "v": "\v",
}


def pieces(text: str) -> tuple[Piece, ...]:
    """Return every command that can be seen in a text, those in substitutions too."""
    found: list[Piece] = []
    _Lexer(_cleaned(text), found, 0).run()
    if len(found) >= COMMANDS:
        found.append(Piece((ANY,)))
    return tuple(found)


def _cleaned(text: str) -> str:
    # Bash drops NUL bytes; the others mean something here.
    return text.translate(dict.fromkeys(range(5))).replace("\\\n", "")


class _Lexer:
    """One text, of which the commands are added to a list that it shares with its inner texts."""

    def __init__(self, text: str, found: list[Piece], depth: int) -> None:
        self.text = text
        self.found = found
        self.depth = depth
        self.at = 0
        self.words: list[str] = []
        self.redirections: list[Redirection] = []
        self.document = ""
        self.waiting: list[tuple[str, bool, bool]] = []
        """Here-documents of the line: the end, whether tabs go, whether it is expanded."""

    def run(self) -> None:
        while self.at < len(self.text) and len(self.found) < COMMANDS:
            char = self.text[self.at]
            if match := _SIMPLE.match(self.text, self.at):
                self.at = match.end()
                self.words += match.group().split()
            elif char in _SPACE:
                self.at += 1
            elif char == "#":
                self.at = self._until("\n")
            elif match := self._redirection():
                self.at = match.end()
                self._redirect(match.group())
            elif char in _ENDS:
                self.at += 1
                if char == "\n" and self.waiting:
                    self._documents()
                self._end()
            else:
                self.words += _alternatives(self._word())
        self._end()

    def _redirection(self) -> re.Match[str] | None:
        if self.text[self.at] not in "<>&{0123456789":
            return None
        return _REDIRECTION.match(self.text, self.at)

    def _redirect(self, operator: str) -> None:
        operator = operator.lstrip("0123456789")
        while self.at < len(self.text) and self.text[self.at] in _SPACE:
            self.at += 1
        quoted = self.text[self.at : self.at + 1] in ("'", '"', "\\")
        target = self._word().translate(_PLAIN_AGAIN)
        if operator in ("<<", "<<-"):
            self.waiting.append((target, operator == "<<-", not quoted))
        elif operator == "<<<":
            self.document += target + "\n"
        elif target:
            self.redirections.append(Redirection(operator, target))

    def _documents(self) -> None:
        for end, without_tabs, expanded in self.waiting:
            lines: list[str] = []
            while self.at < len(self.text):
                stop = self._until("\n")
                line = self.text[self.at : stop]
                self.at = min(stop + 1, len(self.text))
                line = line.lstrip("\t") if without_tabs else line
                if line == end:
                    break
                lines.append(line)
            body = "\n".join(lines)
            self.document += body + "\n"
            if expanded:
                self._substitutions(body)
        self.waiting = []

    def _substitutions(self, body: str) -> None:
        """Look at the commands in a text that is itself none."""
        if self.depth >= DEPTH:
            self.found.append(Piece((ANY,)))
            return
        inner = _Lexer(body, self.found, self.depth + 1)
        while inner.at < len(body):
            if body[inner.at] in "$`":
                inner._expansion()
            else:
                inner.at += 2 if body[inner.at] == "\\" else 1

    def _end(self) -> None:
        words, assignments = self.words, []
        while words and (match := _ASSIGNMENT.fullmatch(words[0])):
            assignments.append((match.group(1), match.group(2)))
            words = words[1:]
        if words or assignments or self.redirections:
            self.found.append(
                Piece(tuple(words), tuple(assignments), tuple(self.redirections), self.document)
            )
        self.words, self.redirections, self.document = [], [], ""

    def _word(self) -> str:
        parts: list[str] = []
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            if match := _RUN.match(text, self.at):
                self.at = match.end()
                parts.append(match.group())
            elif char in "<>" and text[self.at + 1 : self.at + 2] == "(":
                self.at += 1
                self._inner(")")
                parts.append(ANY)
            elif char in _SPACE + _ENDS + "<>":
                break
            elif char == "'":
                parts.append(self._single())
            elif char == '"':
                parts.append(self._double())
            elif char == "\\":
                parts.append(text[self.at + 1 : self.at + 2])
                self.at += 2
            elif char in "$`":
                parts.append(self._expansion())
            elif char in "*?[":
                self.at += 1
                parts.append(GLOB)
            elif match := _BRACED.match(text, self.at):
                self.at = match.end()
                parts.append(match.group().translate(_MARKED))
            else:
                self.at += 1
                parts.append(char)
        return "".join(parts)

    def _single(self) -> str:
        start = self.at + 1
        self.at = self._until("'", start) + 1
        return self.text[start : self.at - 1]

    def _double(self) -> str:
        parts: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                self.at += 1
                break
            if char == "\\":
                escaped = self.text[self.at + 1 : self.at + 2]
                parts.append(escaped if escaped in '$`"\\' else "\\" + escaped)
                self.at += 2
            elif char in "$`":
                parts.append(self._expansion())
            else:
                match = _IN_DOUBLE.match(self.text, self.at)
                assert match is not None  # one of its characters is here
                parts.append(match.group())
                self.at = match.end()
        return "".join(parts)

    def _expansion(self) -> str:
        """Return what stands for an expansion; the commands in it are found on the way."""
        text = self.text
        if text[self.at] == "`":
            start = self.at + 1
            stop = start
            while stop < len(text) and text[stop] != "`":
                stop += 2 if text[stop] == "\\" else 1
            self.at = stop + 1
            self._scan(re.sub(r"\\([`$\\])", r"\1", text[start:stop]))
            return ANY
        following = text[self.at + 1 : self.at + 2]
        if following == "'":
            return self._escapes()
        if following == '"':
            self.at += 1
            return self._double()
        if following in ("(", "{"):
            self.at += 1
            self._inner(")" if following == "(" else "}")
            return ANY
        match = _VARIABLE.match(text, self.at)
        self.at = match.end() if match else self.at + 1
        return ANY if match else "$"

    def _escapes(self) -> str:
        start = stop = self.at + 2
        while stop < len(self.text) and self.text[stop] != "'":
            stop += 2 if self.text[stop] == "\\" else 1
        self.at = stop + 1
        return _ESCAPE.sub(_unescaped, self.text[start:stop]).replace("\0", "")

    def _inner(self, close: str) -> None:
        """Go to the bracket that closes the one here, and look at what is in between."""
        start = self.at + 1
        opened = self.text[self.at]
        depth, at = 1, start
        while at < len(self.text) and depth:
            char = self.text[at]
            if char == "\\":
                at += 1
            elif char == "'":
                at = self._until("'", at + 1)
            elif char == opened:
                depth += 1
            elif char == close:
                depth -= 1
            at += 1
        self.at = at
        inner = self.text[start : at - 1 if depth == 0 else at]
        if opened == "{" or inner.startswith("("):  # a variable or a sum: no command itself
            self._substitutions(inner)
        else:
            self._scan(inner)

    def _scan(self, inner: str) -> None:
        if self.depth < DEPTH:
            _Lexer(inner, self.found, self.depth + 1).run()
        else:
            self.found.append(Piece((ANY,)))

    def _until(self, char: str, start: int | None = None) -> int:
        """Return where a character is next, or the end."""
        found = self.text.find(char, self.at if start is None else start)
        return len(self.text) if found < 0 else found


def _unescaped(match: re.Match[str]) -> str:
    for digits, base in zip(match.groups()[:4], (16, 16, 16, 8), strict=True):
        if digits:
            code = int(digits, base)
            return chr(code) if code < 0x110000 else ""
    if match.group(5):
        return chr(ord(match.group(5)[0]) & 0x1F)
    return _LETTERS.get(match.group(6), match.group(6))


def _alternatives(word: str) -> list[str]:
    """Return the words that braces make of one."""
    if "\2" not in word or word == "\2":
        return [word.translate(_PLAIN_AGAIN)] if word else [""]
    if len(word) > LONGEST:
        return [ANY]
    done: list[str] = []
    todo = [word]
    while todo:
        each = todo.pop(0)
        match = _BRACES.search(each)
        if match is None:
            done.append(each.translate(_PLAIN_AGAIN))
        elif len(done) + len(todo) > ALTERNATIVES:
            done.append(ANY)
        else:
            parts = match.group(1).split("\4") if "\4" in match.group(1) else [ANY]
            before, after = each[: match.start()], each[match.end() :]
            todo = [before + part + after for part in parts] + todo
    return done


_BRACES = re.compile("\2([^\2\3]*(?:\4|\\.\\.)[^\2\3]*)\3")
