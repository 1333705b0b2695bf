"""What a change did to tests of languages other than Python, line by line; pure.

All lines of before have to be there, in their order. What may come between them are whole
tests, imports, rows of a table, assertions and names that are new.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from qcode.protection.finding import Finding
from qcode.protection.plain_code import Line, lines_of, tokens, uncommented
from qcode.protection.roles import extension as extension_of

_MOST_LINES = 4000
"""Of files that are longer, lines are matched in the simplest way."""

SKIPS = re.compile(
    r"\. (?:skip|only|todo|failing|fixme|skipIf|runIf) (?:\(|\.|`)"
    r"|\bx(?:it|describe|test|context|specify)\b"
    r"|\bf(?:it|describe|context) \(|\bt \. (?:Skip|SkipNow|Skipf) \(|testing \. Short \("
    r"|\# \[ ignore|\@ (?:Disabled|Ignore)\b|\bshould_panic|\bmarkTestSkipped|markTestIncomplete"
    r"|\bGTEST_SKIP|\bDISABLED_|\bpending\b|: ?skip\b|\bskip (?:\"|:|if|unless)|\bfocus :"
    r"|\[ Ignore|Skip = \"|Assume|assumeTrue|XCTSkip|^skip\b|@tag : skip|\bskip :"
)
_MOCKS = re.compile(
    r"\b(?:jest|vi) \. (?:mock|spyOn|doMock|setMock|fn)|\bmockImplementation|\bmockReturn|sinon \."
    r"|\ballow (?:\(|_any)|\bMockito|\bwhen \(|\bbeforeEach|\bbeforeAll|\bafterEach|\bafterAll"
    r"|\bbefore\b|\baround\b|\bafter\b|TestMain|\bsetUp\b|\btearDown\b|BeforeEach|BeforeAll"
    r"|prototype \.|Object \. (?:define|assign)|\bstub|\bmonkey|expect \. extend|globalThis"
    r"|global \."
)
_ENDS = re.compile(
    r"process \. exit|\bos \. Exit|std :: process :: exit|\bSystem \. exit|Runtime \. halt"
    r"|\bexit !|\bexit \(|\bexit 0|^exit$|\bdie \(|\b_exit|\bat_exit|\babort \("
    r"|Environment \. Exit|\|\| true|\bset \+ e\b"
)
_ONLY = re.compile(r"\. only (?:\(|\.)|\bf(?:it|describe|context) \(|\bfocus :|: focus\b|TestMain")
OPENS = re.compile(
    r"^(?:async )?(?:it|test|describe|context|specify|suite|bench|Deno \. test|feature|scenario)\b"
    r"|^func (?:\([^)]*\) )?(?:Test|Benchmark|Fuzz|Example)\w*|^\# \[ (?:\w+ :: )?test|\@ Test\b"
    r"|\@ ParameterizedTest|^def test_|^(?:public )?function test|^(?:TEST|TEST_F|TEST_P) \("
    r"|^(?:BOOST_AUTO_)?TEST_CASE|^\@ test \"|^\[ (?:Fact|Theory|Test|TestMethod)|^func test"
    r"|^t \. Run \(|^(?:public )?(?:async )?(?:void|fun) \w*[tT]est|^test_\w+ \( \)|^pub fn test"
)
_CHECKS = re.compile(
    r"\bexpect\b|\bassert\w*|\bt \. (?:Error|Fatal|Errorf|Fatalf|Fail|FailNow)|\brequire \."
    r"|\bshould\b|\bEXPECT_|\bASSERT_|\bREQUIRE\b|\bCHECK\b|XCTAssert|\bmust_|\bverify \(|assert_"
    r"|\bis \(|\bok \(|\bis_deeply|\[ \[|\[ \""
)
_IMPORTS = re.compile(
    r"^(?:import|use|using|require|require_relative|# include|from|package|load)\b"
    r"|^const [\w{} ,]+ = require \(|^\"[\w./-]+\"$"
)
_TAKES = re.compile(r"^(?:import|const|let|var) (.*?) (?:from|= (?:await )?(?:require|import))\b")
_DECLARES = re.compile(
    r"^(?:const|let|var|val|final|auto|my|local) (?:\w+ )*?(\w+)(?: : [^=]+)? =|^(\w+) : ="
    r"|^let (?:mut )?(\w+) =|^(\w+) , (?:\w+) : ="
)
_GIVES_MEANING = re.compile(
    r"(?:\b(?:def|fn|func|function|class|interface|struct|module|undef|alias)|# define"
    r"|macro_rules !) (?:self \. )?(\w+)|^(\w+)(?: \. \w+)* = (?!=)"
)
"""Gives a name a meaning that it may have had already."""
_CLOSES = re.compile(r"[\]})]+(?: [\]});,]+)*|end")
_ROW = re.compile(r"^[\[{(].*[\]})]$|^\"[^\"]*\"(?: :.*)?$|^-?[\d.]+(?: ,.*)?$|^\w+ : .*|^\|.*\|$")
_STEERS = re.compile(
    r"^(?:return|break|continue|goto|throw|raise|if|else|try|catch|rescue|ensure)\b"
)


def compare(extension: str, before: bytes, after: bytes) -> list[Finding]:
    """Return what a change to a file of tests took from them."""
    old_text, new_text = (data.decode("utf-8", "replace") for data in (before, after))
    if b"\0" in before or b"\0" in after:
        return [Finding("weakened", "what tests use was changed")]
    old_plain, new_plain = (uncommented(extension, text) for text in (old_text, new_text))
    if tokens(extension, old_plain) == tokens(extension, new_plain):
        return []
    old, new = lines_of(extension, old_text), lines_of(extension, new_text)
    matched = _matched(old, new)
    if matched is None:
        return [_lost(old, new)]
    known = set(re.findall(r"\w+", old_plain))
    for first, last in _chunks(matched, len(new)):
        if not any(
            _says_more([each.text for each in new[first - k : last - k]], known)
            for k in _slides(new, first, last)
        ):
            return [_inserted(new[first:last])]
    return []


def added(path: str, after: bytes) -> list[Finding]:
    """Return what a new file of tests does beyond testing."""
    extension = extension_of(path)
    for line in lines_of(extension, after.decode("utf-8", "replace")):
        if _ONLY.search(line.text):
            return [Finding("skipped", "other tests are left out by it", line.number)]
        if extension == "go" and line.text.startswith("func init ("):
            return [Finding("harness", "it changes what all tests find", line.number)]
        if extension not in ("sh", "bash", "bats") and _ENDS.search(line.text):
            return [Finding("harness", "it ends the tests", line.number)]
    return []


def inline(before: bytes, after: bytes) -> list[Finding]:
    """Return what a change to a Rust source did to the tests in it."""
    if b"#[cfg(test)]" not in before and b"#[test]" not in before:
        return []
    old, new = (_test_part(data.decode("utf-8", "replace")) for data in (before, after))
    if old and not new:
        return [Finding("deleted", "its tests are gone")]
    return compare("rs", old.encode(), new.encode())


def _test_part(text: str) -> str:
    """Return the modules of tests in a Rust source, each line where it was."""
    plain = uncommented("rs", text)
    keep: list[str] = []
    at = 0
    for match in re.finditer(
        r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub\s+)?mod\s+\w+\s*\{", plain
    ):
        if match.start() < at:
            continue
        end = _closing(plain, match.end() - 1)
        keep.append("\n" * plain.count("\n", at, match.start()) + plain[match.start() : end])
        at = end
    return "".join(keep)


def _closing(text: str, opening: int) -> int:
    depth = 0
    for match in re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'|[{}]').finditer(text, opening):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                return match.end()
    return len(text)


def _matched(old: Sequence[Line], new: Sequence[Line]) -> list[int] | None:
    """Return the places of the old lines among the new ones; None if some are not there."""
    before, after = [each.text for each in old], [each.text for each in new]
    simple: list[int] = []
    at = 0
    for text in before:
        while at < len(after) and after[at] != text:
            at += 1
        if at == len(after):
            return None
        simple.append(at)
        at += 1
    if len(after) > _MOST_LINES:
        return simple
    places: list[int] = []
    for block in difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        places += range(block.b, block.b + block.size)
    return places if len(places) == len(before) else simple


def _chunks(matched: Sequence[int], length: int) -> list[tuple[int, int]]:
    """Return where lines were inserted."""
    found = []
    at = 0
    for place in [*matched, length]:
        if place > at:
            found.append((at, place))
        at = place + 1
    return found


def _slides(new: Sequence[Line], first: int, last: int) -> list[int]:
    """Return by how many lines a chunk may as well be taken to begin earlier or later."""
    found = [0]
    k = 1
    while first - k >= 0 and new[first - k].text == new[last - k].text and k < 20:
        found.append(k)
        k += 1
    k = 0
    while last + k < len(new) and new[first + k].text == new[last + k].text and k < 20:
        k += 1
        found.append(-k)
    return found


def _says_more(texts: Sequence[str], known: set[str]) -> bool:
    """Whether inserted lines cannot change what the others find."""
    whole = "\n".join(texts)
    if _ENDS.search(whole) or _ONLY.search(whole):
        return False
    if not _is_balanced(whole):
        # The end of one test and all but the end of the next: told in the other order.
        for at in range(len(texts) - 1):
            if _CLOSES.fullmatch(texts[at]) and OPENS.search(texts[at + 1]):
                rest = [*texts[at + 1 :], texts[at]]
                return _says_more(rest, known) and (not at or _says_more(texts[:at], known))
        return False
    if OPENS.search(texts[0]):
        return True
    if texts[0].startswith(("@", "# [", "[ ")) and OPENS.search(whole) and "{" in whole:
        return True
    if any(_MOCKS.search(each) or SKIPS.search(each) for each in texts):
        return False
    if any(
        (match[1] or match[2]) in known for each in texts for match in _GIVES_MEANING.finditer(each)
    ):
        return False
    for text in texts:
        match = _TAKES.match(text)
        if match and known.intersection(re.findall(r"\w+", match[1])) - {"type", "as"}:
            return False
    if _is_function(texts, known):
        return True
    checked = bool(_CHECKS.search(whole))
    for text in texts:
        if _IMPORTS.search(text) or _CLOSES.fullmatch(text):
            continue
        if match := _DECLARES.search(text):
            if next(filter(None, match.groups())) in known:
                return False
            continue
        if _CHECKS.search(text) or _ROW.search(text):
            if _STEERS.search(text) and not text.startswith("if"):
                return False
            continue
        if checked and text.startswith("if ") and text.endswith("{"):
            continue  # `if got != want {` with what complains in it
        return False
    return True


def _is_function(texts: Sequence[str], known: set[str]) -> bool:
    match = re.match(
        r"(?:pub |export |async |static |private )*(?:func|fn|function|def) (\w+)", texts[0]
    )
    return match is not None and match[1] not in known


def _is_balanced(text: str) -> bool:
    bare = re.sub(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`', "", text)
    depth = 0
    for sign in re.findall(r"[{}()\[\]]", bare):
        depth += 1 if sign in "{([" else -1
        if depth < 0:
            return False
    return depth == 0


def _lost(old: Sequence[Line], new: Sequence[Line]) -> Finding:
    """Return what it is that lines of before are gone."""
    now = {each.text for each in new}
    before = {each.text for each in old}
    gone = [each for each in old if each.text not in now] or list(old[-1:])
    fresh = [each for each in new if each.text not in before]
    line = fresh[0].number if fresh else 0
    skipping = next((each for each in fresh if SKIPS.search(each.text)), None)
    if skipping is not None:
        return Finding("skipped", "tests are skipped, or only some are run", skipping.number)
    openers = [each for each in gone if OPENS.search(each.text)]
    if openers and len(openers) > sum(1 for each in fresh if OPENS.search(each.text)):
        return Finding("deleted", f"a test is gone: {_short(openers[0].text)}", line)
    checking = next((each for each in gone if _CHECKS.search(each.text)), gone[0])
    return Finding("weakened", f"gone or changed: {_short(checking.text)}", line)


def _inserted(chunk: Sequence[Line]) -> Finding:
    skipping = next((each for each in chunk if SKIPS.search(each.text)), None)
    if skipping is not None:
        return Finding("skipped", "tests are skipped, or only some are run", skipping.number)
    first = chunk[0]
    return Finding("weakened", f"came to the tests: {_short(first.text)}", first.number)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
