"""Code of other languages that knows the answers of its tests; by lines, pure.

As in Python, a literal given for a literal that a test calls with and expects, where it is new.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from qcode.protection.finding import Finding
from qcode.protection.plain_code import lines_of
from qcode.protection.roles import extension

_LITERAL = r"-?\d+(?:\.\d+)?|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|true|false|nil|null|None"
_SPACED = rf"(?:- )?\d+(?: \. \d+)?|{_LITERAL}"
_CALLED = re.compile(rf"\w[\w.]*(?: [.:]+ \w+)* ?\( ((?:{_SPACED})(?: , (?:{_SPACED}))*) \)")
_VALUE = re.compile(_SPACED)
_TEST_LINE = re.compile(
    r"expect|assert|equal|\bshould\b|toBe|EXPECT|REQUIRE|if got|! = |\bis \(|XCTAssert"
)
_ROW = re.compile(rf"^[{{\[(] (?:\"[^\"]*\" , )??((?:{_SPACED})) , ((?:{_SPACED})) [}}\])],?$")
_CASE = re.compile(rf"\b(?:case|when) ({_SPACED})")
_BRANCH = re.compile(
    rf"\b(?:if|elsif|elif|else if|unless)\b.{{0,80}}?(?:(?:= ){{1,2}}=|\bis) ?({_SPACED})"
)
_AFTER = re.compile(rf"\breturn ({_SPACED}) if \w+ (?:= ){{2,3}}({_SPACED})$")
_CHOICE = re.compile(rf"\w (?:= ){{2,3}}({_SPACED}) \? ({_SPACED})")
_ENTRY = re.compile(rf"^({_SPACED}) (?:=> |= >|:|=|->|- >) ({_SPACED})$")
_GIVES = re.compile(rf"(?:\breturn|= ?>|->|- >|\bthen|:|\?) ({_SPACED})(?: [}};:].*)?$")
_LONGEST = 1000
"""Characters of a line that are looked at; longer ones are nobody's writing."""

_TRIVIAL = frozenset({"0", "1", "-1", "2", '""', "''", "true", "false", "nil", "null", "None"})


def special_cases(
    path: str, before: bytes | None, after: bytes, tests: Mapping[str, bytes]
) -> list[Finding]:
    """Return what a source was made to know of the tests of its language."""
    kind = extension(path)
    family = _family(kind)
    wanted = _pairs(
        (name, data) for name, data in tests.items() if _family(extension(name)) == family
    )
    if not wanted:
        return []
    old = lines_of(kind, (before or b"").decode("utf-8", "replace"))
    new = lines_of(kind, after.decode("utf-8", "replace"))
    had = {each.text for each in old}
    had_cases = len(_cases([each.text for each in old]))
    fresh = [
        (pair, new[at].number)
        for pair, at in _cases([each.text for each in new])
        if new[at].text not in had
    ]
    hits = [(pair, line) for pair, line in fresh if pair in wanted]
    odd = {pair for pair, _ in hits if pair[0] not in _TRIVIAL and not _is_word(pair[0])}
    if (
        not hits
        or had_cases >= 2
        or len(odd) < 1
        or len({pair for pair, _ in hits}) < 0.7 * len(fresh)
    ):
        return []
    if len(odd) == 1 and len(hits) == 1 and odd and all(pair[1] in _TRIVIAL for pair in odd):
        return []
    return [
        Finding(
            "special-cased",
            f"it gives what tests expect for {len(hits)} of their inputs",
            hits[0][1],
        )
    ]


def _family(kind: str) -> str:
    return "js" if kind in ("js", "jsx", "ts", "tsx", "mjs", "cjs", "mts", "cts") else kind


def _is_word(value: str) -> bool:
    return value[:1] in "\"'" and value[1:-1].isalpha() and value[1:-1].islower()


def _plain(value: str) -> str:
    value = value.replace(" ", "") if value[:1] not in "\"'" else value
    return f'"{value[1:-1]}"' if value[:1] == "'" else value


def _pairs(tests: Iterable[tuple[str, bytes]]) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for name, data in tests:
        for line in lines_of(extension(name), data.decode("utf-8", "replace")):
            if match := _ROW.match(line.text):
                found.add((_plain(match[1]), _plain(match[2])))
            if not _TEST_LINE.search(line.text):
                continue
            for call in _CALLED.finditer(line.text):
                inputs = _VALUE.findall(call[1])
                rest = f"{line.text[: call.start()]} {line.text[call.end() :]}"
                for output in _VALUE.findall(rest):
                    if len(inputs) == 1:
                        found.add((_plain(inputs[0]), _plain(output)))
    return found


def _cases(texts: Sequence[str]) -> list[tuple[tuple[str, str], int]]:
    """Return literals that are given for literals, and at which line."""
    found = []
    for at, text in enumerate(texts):
        if len(text) > _LONGEST:
            continue
        if match := _ENTRY.match(text):
            found.append(((_plain(match[1]), _plain(match[2])), at))
        elif match := _AFTER.search(text):
            found.append(((_plain(match[2]), _plain(match[1])), at))
        elif match := _CHOICE.search(text):
            found.append(((_plain(match[1]), _plain(match[2])), at))
        elif match := _CASE.search(text) or _BRANCH.search(text):
            rest = [text[match.end() :], *texts[at + 1 : at + 3]]
            for piece in rest:
                if gives := _GIVES.search(piece):
                    found.append(((_plain(match[1]), _plain(gives[1])), at))
                    break
    return found
