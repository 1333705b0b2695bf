"""Repairs of JSON that no standard parser takes.

The text is taken to tokens once, the tokens are written as JSON again, and the
standard library decides whether that is a value: a repair can change how
something is written, but never make up what is missing between two values.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any, TypeAlias

from qcode.calls.lenient import (
    BEHIND,
    CLOSED,
    DECODER,
    LEVELS,
    TOO_DEEP,
    Unreadable,
    cut_off,
    end_of,
    fault_at,
)
from qcode.record import Record

_QUOTED = r""" \"\"\"(?:[^"\\]++|\\.|"(?!""))*+\"\"\"
             | '''(?:[^'\\]++|\\.|'(?!''))*+'''
             | "(?:[^"\\]++|\\.)*+"
             | '(?:[^'\\]++|\\.)*+' """
_STRING = re.compile(_QUOTED, re.VERBOSE | re.DOTALL)
_TOKEN = re.compile(
    rf"""(?P<space> \s++ )
       | (?P<stop> \[e~\[ | \]<\]minimax\[>\[ )
       | (?P<escape> (?:\\++[nrt])++ )
       | (?P<string> {_QUOTED} )
       | (?P<mark> [{{}}\[\](),:] )
       | (?P<word> [A-Za-z_]\w*+ )
       | (?P<number> [+-]?[0-9.][\w.+-]*+ )""",
    re.VERBOSE | re.DOTALL,
)
_CLOSER = {"{": "}", "[": "]", "(": ")"}
_OPENER = {"}": "{", "]": "[", ")": "("}
_WORDS = {"true": "true", "false": "false", "null": "null",
          "True": "true", "False": "false", "None": "null"}  # fmt: skip
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LITERAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


_Token: TypeAlias = tuple[str, int, str]
"""Kind, offset and text; a plain tuple, since there can be a million."""


class _Scan(Record):
    tokens: list[_Token]
    end: int
    missing: str
    """Closing brackets that the text does not have."""
    half: bool
    """The text ends inside a string, a word or a number; that token is left out."""
    notes: list[str]


def string(text: str, at: int) -> tuple[str, int]:
    """Return what the string that begins at a quote says, and the offset behind it.

    Raises:
        Unreadable: it is none, or has no end.
    """
    token = _STRING.match(text, at)
    if token is None:
        raise cut_off(text)
    try:
        written = _written(token[0], python=_is_python(token[0]), notes=[])
        return str(DECODER.decode(written)), token.end()
    except ValueError:
        raise fault_at("the string cannot be read", text, at) from None


def repaired(text: str, at: int, ended: bool, notes: list[str]) -> tuple[Any, int]:
    """Return the value that begins at a bracket, and the offset behind it; see `loads`.

    Raises:
        Unreadable: there is no single reading.
    """
    scan = _scan(text, at)
    notes += scan.notes
    if _is_doubled(scan.tokens):
        return _single(text, scan, notes), scan.end
    if not scan.missing:
        return _decode(text, scan.tokens, notes), scan.end
    if ended and not scan.half and _may_close(scan.tokens[-1]):
        value = _decode(text, scan.tokens, notes, closing=scan.missing)
        notes.append(CLOSED)
        return value, scan.end
    _decode(text, scan.tokens, notes, half=scan.half)
    raise cut_off(text)


def _may_close(last: _Token) -> bool:
    """Say whether a value surely ends with its last token; a number may be cut."""
    kind, _, token = last
    return kind in ("string", "word") or token in ("}", "]", ")")


def _scan(text: str, at: int) -> _Scan:
    """Return the tokens of the value that begins at a bracket."""
    tokens: list[_Token] = []
    opened: list[_Token] = []
    notes: list[str] = []
    length = len(text)
    while at < length:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup == "stop":
            if text[at] in "\"'" or (text[at] in "+-\\" and at + 1 == length):
                return _Scan(tokens, length, _missing(opened), True, notes)
            behind = BEHIND.match(text, at)
            if tokens and end_of(behind) == length and behind and not behind["surplus"]:
                break
            raise _unexpected("character", tokens, text, at)
        kind, end, token = match.lastgroup or "", match.end(), match[0]
        if kind == "mark":
            _mark(text, (kind, at, token), tokens, opened, notes)
            tokens.append((kind, at, token))
            if not opened:
                return _Scan(tokens, end, "", False, notes)
        elif kind == "escape":
            notes.append("literal \\n between tokens dropped")
        elif kind != "space":
            if end == length and (kind == "number" or _is_half(token)):
                return _Scan(tokens, length, _missing(opened), True, notes)
            if kind == "word" and token not in _WORDS:
                raise _unexpected("word", tokens, text, at)
            if kind == "string" and len(token) == 2 and text.startswith(token[0], end):
                return _Scan(tokens, length, _missing(opened), True, notes)  # three quotes, open
            if kind == "string" and tokens[-1][0] == "string":
                raise _unexpected("string", tokens, text, at)
            tokens.append((kind, at, token))
        at = end
    return _Scan(tokens, length, _missing(opened), False, notes)


def _unexpected(what: str, tokens: list[_Token], text: str, at: int) -> Unreadable:
    hint = ""
    if tokens and tokens[-1][0] == "string":
        hint = ' behind a string (a quote inside a string is written \\")'
    return fault_at(f"unexpected {what}{hint}", text, at)


def _is_half(word: str) -> bool:
    return word not in _WORDS and any(whole.startswith(word) for whole in _WORDS)


def _missing(opened: list[_Token]) -> str:
    return "".join("}" if token == "{" else "]" for _, _, token in reversed(opened))


def _mark(
    text: str, mark: _Token, tokens: list[_Token], opened: list[_Token], notes: list[str]
) -> None:
    """Keep the open brackets, and drop a comma that stands before a closing one."""
    _, at, sign = mark
    if sign in _CLOSER:
        if len(opened) >= LEVELS:
            raise Unreadable(TOO_DEEP)
        opened.append(mark)
    elif sign in _OPENER:
        _, begin, opener = opened[-1]
        if opener != _OPENER[sign]:
            raise fault_at(f"`{_CLOSER[opener]}` expected", text, at)
        has_comma = tokens[-1][2] == "," and tokens[-2][2] not in {*_CLOSER, ","}
        if has_comma:
            tokens.pop()
        if sign != ")":
            notes += ["trailing comma dropped"] * has_comma
        elif not has_comma and not _is_tuple(tokens, begin):
            raise fault_at("parentheses around one value", text, at)
        opened.pop()


def _is_tuple(tokens: list[_Token], begin: int) -> bool:
    """Say whether what a parenthesis opened is empty or has a comma of its own."""
    depth = 0
    for _, at, token in reversed(tokens):
        if at == begin:
            return tokens[-1][1] == begin
        if token == "," and depth == 0:
            return True
        depth += (token in _OPENER) - (token in _CLOSER)
    return False


def _decode(
    text: str, tokens: list[_Token], notes: list[str], *, closing: str = "", half: bool = False
) -> Any:
    """Return what the tokens, with the closing brackets behind them, are as JSON.

    Raises:
        Unreadable: they are none; with `cut` if more text could make them some.
            `half` says that a string, a word or a number has begun behind them.
    """
    python = any(
        (kind == "string" and _is_python(token)) or (kind == "word" and token[0] in "TFN")
        for kind, _, token in tokens
    )
    rewritten: list[str] = []
    out = [
        _MARKS[token[2]] if token[0] == "mark" else _rewritten(text, token, python, rewritten)
        for token in tokens
    ]
    if any(sign == "(" for _, _, sign in tokens):
        rewritten.append(_PYTHON)
    source = " ".join(out)
    tail = '""' if half else closing
    try:
        value = DECODER.decode(f"{source} {tail}" if tail else source)
    except json.JSONDecodeError as error:
        # A fault at the half value itself means that no value may stand there.
        if error.pos >= len(source) + (3 if half else 0):
            raise cut_off(text) from None
        fault = error.msg[0].lower() + error.msg[1:]
        raise fault_at(fault, text, _origin(tokens, out, error.pos)) from None
    except ValueError:
        raise Unreadable("A number has too many digits.") from None
    except RecursionError:
        raise Unreadable(TOO_DEEP) from None
    notes += rewritten
    return value


def _origin(tokens: list[_Token], out: list[str], position: int) -> int:
    """Return where the text has what stands at a position of the rewritten tokens."""
    for (_, at, _), written in zip(tokens, out, strict=True):
        if position <= len(written):
            return at
        position -= len(written) + 1
    return tokens[-1][1] + len(tokens[-1][2])


def _rewritten(text: str, token: _Token, python: bool, notes: list[str]) -> str:
    kind, at, written = token
    if kind == "string":
        try:
            return _written(written, python=python, notes=notes)
        except ValueError:
            raise fault_at("the string cannot be read", text, at) from None
    if kind == "word":
        if written[0] in "TFN":
            notes.append(_PYTHON)
        return _WORDS[written]
    if _NUMBER.fullmatch(written):
        return written
    if not _LITERAL.fullmatch(written):
        raise fault_at("not a number", text, at)
    notes.append(_PYTHON)
    unsigned = written.removeprefix("+")
    return unsigned if _NUMBER.fullmatch(unsigned) else repr(float(unsigned))


def _is_python(token: str) -> bool:
    """Say whether a string token is quoted as JSON never is."""
    return token[0] == "'" or token[:3] == '"""'


_MARKS = {sign: sign for sign in "{}[],:"} | {"(": "[", ")": "]"}
_PYTHON = "Python literal read as JSON"
_JSON_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}|(.))', re.DOTALL)
_PYTHON_ESCAPE = re.compile(
    r"""\\(?: [\n\\'"abfnrtv]
            | [0-3][0-7]{0,2}
            | [4-7][0-7]?(?![0-7])
            | x[0-9a-fA-F]{2}
            | u[0-9a-fA-F]{4}
            | U[0-9a-fA-F]{8}
            | N\{[A-Za-z0-9 -]+\}
            | (.) )
        | [\n\r\0\ud800-\udfff]""",
    re.VERBOSE | re.DOTALL,
)


def _written(token: str, *, python: bool, notes: list[str]) -> str:
    """Return a string token as JSON writes it; an escape that is none keeps its backslash.

    Raises:
        ValueError: it is no string.
    """
    if not python:
        fixed = _JSON_ESCAPE.sub(_fixed, token)
        if fixed != token:
            notes.append("invalid escape in a string")
        return fixed
    notes.append(_PYTHON)
    try:
        return json.dumps(ast.literal_eval(_PYTHON_ESCAPE.sub(_python_fixed, token)))
    except (SyntaxError, MemoryError, RecursionError, TypeError):
        raise ValueError("no string") from None


def _fixed(match: re.Match[str]) -> str:
    if match[1] is None:
        return match[0]
    return "'" if match[1] == "'" else "\\" + match[0]


def _python_fixed(match: re.Match[str]) -> str:
    """Keep an escape that is one; write what Python's source may not have as an escape."""
    if match[0][0] == "\\":
        return match[0] if match[1] is None else "\\\\" + _as_source(match[1])
    return _as_source(match[0])


def _as_source(sign: str) -> str:
    is_source = sign not in "\n\r\0" and not "\ud800" <= sign <= "\udfff"
    return sign if is_source else f"\\u{ord(sign):04x}"


def _is_doubled(tokens: list[_Token]) -> bool:
    """Say whether a template's `{{` opens the value; no JSON begins so."""
    return [token for _, _, token in tokens[:2]] == ["{", "{"] and tokens[1][1] == tokens[0][1] + 1


def _single(text: str, scan: _Scan, notes: list[str]) -> Any:
    """Read doubled braces as single ones: all of them, or the outermost alone."""
    tokens: list[_Token] = []
    twin = ("", -1)
    for kind, at, token in scan.tokens:
        if (token, at) == twin:
            twin = ("", -1)
            continue
        tokens.append((kind, at, token))
        twin = (token, at + 1) if token in ("{", "}") else ("", -1)
    if scan.missing:
        _decode(text, tokens, notes, half=scan.half)
        raise cut_off(text)
    try:
        value = _decode(text, tokens, notes)
    except Unreadable:
        value = _decode(text, scan.tokens[1:-1], notes)
    notes.append("doubled braces read as single ones")
    return value
