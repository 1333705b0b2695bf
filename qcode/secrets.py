"""Keys and passwords in text: known by how they look, or because they are known.

What is found is replaced by a mark that says of which kind it was, so that neither
the model nor a log sees it; what is masked once stays as it is. The text keeps its
lines. This is a net with holes by nature: a password in a sentence looks like a word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache

SHORTEST_KNOWN = 8
"""Characters; a shorter value stands in too much by chance."""

MARK = re.compile(r"\[masked: [^\]\n]{1,24}\]")
"""What stands in place of a secret; a file that is written must not get a new one."""

_LOGIN, _KNOWN, _PEM = "login", "secret", "key"
"""Shown of a password in an address, a value that is known, and a line of a private key."""

_WORD = r"[A-Za-z0-9_-]"
_FORMS: tuple[tuple[str, str, str, str], ...] = (
    # what is looked for, what must not stand before it, the whole, what is shown of it
    ("sk-", _WORD, rf"sk-(?={_WORD}*[0-9]){_WORD}{{16,}}", "sk-…"),
    ("sk_live_", _WORD, r"sk_live_[A-Za-z0-9]{16,}", "sk_live_…"),
    ("gh", _WORD, r"gh[pousr]_[A-Za-z0-9]{20,}", "gh…"),
    ("github_pat_", _WORD, r"github_pat_[A-Za-z0-9_]{20,}", "github_pat_…"),
    ("AKIA", "[A-Za-z0-9]", r"AKIA[A-Z0-9]{16,}", "AKIA…"),
    ("ASIA", "[A-Za-z0-9]", r"ASIA[A-Z0-9]{16,}", "ASIA…"),
    ("AIza", _WORD, rf"AIza{_WORD}{{30,}}", "AIza…"),
    ("xox", _WORD, r"xox[abeoprs]-[A-Za-z0-9-]{10,}", "xox…"),
    ("xapp-", _WORD, r"xapp-[0-9]-[A-Za-z0-9-]{10,}", "xapp-…"),
    ("glpat-", _WORD, rf"glpat-{_WORD}{{16,}}", "glpat-…"),
    ("hf_", _WORD, r"hf_[A-Za-z0-9]{30,}", "hf_…"),
    ("npm_", _WORD, r"npm_[A-Za-z0-9]{30,}", "npm_…"),
    ("pypi-", _WORD, rf"pypi-{_WORD}{{50,}}", "pypi-…"),
    ("dop_v1_", _WORD, r"dop_v1_[a-f0-9]{40,}", "dop_v1_…"),
    ("eyJ", _WORD, rf"eyJ{_WORD}{{8,}}\.eyJ{_WORD}{{8,}}\.{_WORD}{{8,}}", "jwt"),
)
_LOGIN_IN_URL = r"://[^\s/:@]{0,256}:([^\s/@]{1,1024})@(?=[^\s/@])"
_PLACEHOLDER = r"[$%<{*\[\\].*|\.{2,}|x+|[Yy]our.*|(?i:p|pw|pwd|pass|passwd|password|secret|token)"
"""What stands for a password in an example; masking it would hide nothing."""

_BEGIN = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_BORDER = r"\n|-----"
_BASE64 = r"(?:[A-Za-z0-9+/]|\\[nr])+={0,2}"
_KEY_LINE = 24
"""Characters of base64 in a row from which on a line after BEGIN counts as part of the key."""

_HEADERS = 8
"""Lines that may stand between BEGIN and the key itself; in a program there are others."""
_OUTSIDE, _INSIDE = -2, -1
"""Of a private key; a number from 0 on: so many lines after BEGIN, none of the key yet."""
_WORD_REST = r"[A-Za-z0-9_+/=.-]+"
_HELD = 8192
"""Characters that a stream holds back at most, to see the end of a word."""

_NAME_ENDS = (
    "_KEY", "_APIKEY", "_TOKEN", "_SECRET", "_PASSWORD", "_PASSWD", "_PASSPHRASE", "_PASS",
    "_PWD", "_CREDENTIALS", "_CREDENTIAL", "_CREDS", "_COOKIE", "_COOKIES", "_AUTH", "_PAT",
)  # fmt: skip
_NAME_PARTS = (
    "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "APIKEY", "API_KEY", "ACCESS_KEY",
    "PRIVATE_KEY", "AUTH_TOKEN", "ACCESS_TOKEN", "COOKIE", "BEARER",
)  # fmt: skip
_NAME_STARTS = (
    "AWS_", "AZURE_", "OPENAI_", "ANTHROPIC_", "DASHSCOPE_", "GEMINI_", "MISTRAL_", "OPENROUTER_",
    "LITELLM_",
)  # fmt: skip
_NAMES = frozenset(
    {"TOKEN", "AUTH", "CREDENTIALS", "PGPASSWORD", "PGPASSFILE", "NETRC", "QCODE_BASE_URL"}
)


# All of them at once would cost every start 4 ms, and most texts need none.
@cache
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression)


def looks_secret(name: str, value: str) -> bool:
    """Return whether an environment variable is one to keep to oneself, by its name or value."""
    upper = name.upper()
    return (
        upper in _NAMES
        or upper.endswith(_NAME_ENDS)
        or upper.startswith(_NAME_STARTS)
        or any(part in upper for part in _NAME_PARTS)
        or ("://" in value and bool(_compiled(_LOGIN_IN_URL).search(value)))
        or next(_found(value, ()), None) is not None
    )


def known_in(environ: Mapping[str, str]) -> list[str]:
    """Return the values of variables that are secrets themselves.

    Not all that `looks_secret` are: a region, an address or a path of a provider is kept
    from programs, yet stands in too many texts for good reason.
    """
    return [
        value
        for name, value in environ.items()
        if len(value) >= SHORTEST_KNOWN
        # `AWS_REGION` looks secret by its beginning only.
        and looks_secret(f"_{name.partition('_')[2]}" if "_" in name else name, value)
        and not _NO_SECRET.fullmatch(value)
    ]


_NO_SECRET = re.compile(r"(?:/[\w.@+-]+){2,}/?|https?://[^\s@]+|[a-z]+(?:[-_ ][a-z]+)?|[\d.]+")
"""A path, an address, words, a number."""


class Masker:
    """Replaces secrets in text; the same text always comes to the same."""

    def __init__(self, known: Collection[str] = ()) -> None:
        """`known` are values to mask wherever they stand."""
        marks = {_mark(shown) for *_, shown in _FORMS} | {_mark(w) for w in (_LOGIN, _KNOWN, _PEM)}
        self._known = tuple(
            sorted(
                {
                    value
                    for value in known
                    if len(value) >= SHORTEST_KNOWN and not any(value in mark for mark in marks)
                },
                key=lambda value: (-len(value), value),
            )
        )

    def mask(self, text: str) -> str:
        """Return the text with marks in place of secrets."""
        return self.mask_part(text, _OUTSIDE)[0]

    def mask_part(self, text: str, place: int) -> tuple[str, int, bool]:
        """Mask a part of a text that begins at a place in regard to a private key.

        Returns the masked text, the place at its end, and whether a word goes on
        there that was masked.
        """
        in_word = False
        if place != _OUTSIDE or "PRIVATE KEY" in text:
            spans, place = _private_keys(text, place)
            text, in_word = _replaced(text, spans)
        # A mark ends a word, so what stands beside one may be a key only now.
        while spans := list(_found(text, self._known)):
            text, ends_masked = _replaced(text, spans)
            in_word = in_word or ends_masked
        return text, place, in_word

    @property
    def known(self) -> tuple[str, ...]:
        """The known values, the longest first."""
        return self._known


class StreamMasker:
    """Masks text that comes in pieces; a secret may be split between them.

    What may go on to be one is held back: the last word if it may, at most 8 KiB.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = ""
        self._in_word = False
        """Whether the text that was given out ended in the middle of a masked word."""
        self._place = _OUTSIDE
        self._before = ""
        """The last two characters given out, if they are of a word that goes on."""

    def feed(self, text: str) -> str:
        """Take a piece, return what can be shown by now."""
        self._held += text
        keep = self._keep_from()
        if len(self._held) - keep > _HELD:
            keep = len(self._held)
        ready, self._held = self._held[:keep], self._held[keep:]
        return self._show(ready)

    def flush(self) -> str:
        """Return what is held back: nothing more comes."""
        ready, self._held = self._held, ""
        shown = self._show(ready)
        self._in_word, self._place, self._before = False, _OUTSIDE, ""
        return shown

    def _keep_from(self) -> int:
        """Return from where on the text may be part of something that is not whole yet."""
        held = self._held
        end = len(held)
        line = held.rfind("\n") + 1
        if self._place != _OUTSIDE or "-----BEGIN " in held:
            return line
        keep = self._word_begin(end)
        before = "" if keep else self._before
        if end - keep <= _HELD and not self._may_become(held[keep:], before):
            keep = end if self._across(keep) == keep else keep
        if (dashes := held.rfind("-----B", line, keep)) >= 0:
            keep = dashes
        for value in self._masker.known:
            if any(c.isspace() for c in value):
                for size in range(min(len(value) - 1, end), 0, -1):
                    if held.endswith(value[:size]):
                        keep = min(keep, end - size)
                        break
        # A word is masked as a whole, and so is a known value.
        while keep < end and (earlier := self._across(self._word_begin(keep))) < keep:
            keep = earlier
        return keep

    def _across(self, position: int) -> int:
        """Return where a known value begins that goes on at a position, or the position."""
        for value in self._masker.known:
            first = max(0, position - len(value) + 1)
            start = self._held.find(value, first, position + len(value) - 1)
            if 0 <= start < position:
                return start
        return position

    def _word_begin(self, position: int) -> int:
        least = max(0, len(self._held) - _HELD - 1)
        while position > least and not self._held[position - 1].isspace():
            position -= 1
        return position

    def _may_become(self, word: str, before: str) -> bool:
        """Return whether a word that goes on may have a secret in it then."""
        if "://" in word or word.endswith((":", ":/")):
            return True
        for prefix, not_after, *_ in _FORMS:
            if prefix in word:
                return True
            for size in range(1, len(prefix)):
                left = (before + word[:-size])[-2:]
                if word.endswith(prefix[:size]) and not _goes_on(left, not_after):
                    return True
        return any(
            value in word or any(word.endswith(value[:size]) for size in range(1, len(value)))
            for value in (*self._masker.known, "-----BEGIN")
        )

    def _show(self, text: str) -> str:
        if not text:
            return ""
        if self._in_word:
            match = _compiled(_WORD_REST).match(text)
            text = text[match.end() if match else 0 :]
            if not text:
                return ""
            self._in_word = False
        before = self._before if self._place == _OUTSIDE else ""
        shown, place, in_word = self._masker.mask_part(before + text, self._place)
        if not shown.startswith(before):  # a word was too long to be held
            before = ""
            shown, place, in_word = self._masker.mask_part(text, self._place)
        self._place, self._in_word = place, in_word
        self._before = "" if in_word or text[-1].isspace() else (self._before + text)[-2:]
        return shown[len(before) :]


def _replaced(text: str, spans: list[tuple[int, int, str]]) -> tuple[str, bool]:
    """Return the text with marks in it, and whether it ends with one."""
    out: list[str] = []
    done = 0
    for start, end, shown in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= done:
            out += (text[done:start], _mark(shown))
        done = max(done, end)  # one that begins inside another goes with it
    out.append(text[done:])
    return "".join(out), bool(spans) and done == len(text)


def _goes_on(left: str, not_after: str) -> bool:
    """Return whether a word goes on after these two characters; after `\\n` a new one begins."""
    escape = len(left) > 1 and left[-2] == "\\" and left[-1] in "nrt"
    return bool(left) and not escape and bool(_compiled(not_after).match(left[-1]))


def _mark(shown: str) -> str:
    return f"[masked: {shown}]"


def _found(text: str, known: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    for value in known:
        start = text.find(value)
        while start >= 0:
            yield start, start + len(value), _KNOWN
            start = text.find(value, start + len(value))
    # Searching for plain strings is many times faster than one expression for all of them.
    for prefix, before, whole, shown in _FORMS:
        start = text.find(prefix)
        while start >= 0:
            end = start + len(prefix)
            if not _goes_on(text[max(0, start - 2) : start], before):
                match = _compiled(whole).match(text, start)
                if match:
                    yield start, match.end(), shown
                    end = match.end()
            start = text.find(prefix, end)
    if "://" in text and "@" in text:
        for match in _compiled(_LOGIN_IN_URL).finditer(text):
            if not _compiled(_PLACEHOLDER).fullmatch(match[1]):
                yield match.start(1), match.end(1), _LOGIN


def _private_keys(text: str, place: int) -> tuple[list[tuple[int, int, str]], int]:
    """Return the lines between BEGIN and END as far as they look like a key, and the place then."""
    found: list[tuple[int, int, str]] = []
    position = 0
    while position < len(text):
        if place == _OUTSIDE:
            begin = _compiled(_BEGIN).search(text, position)
            if begin is None:
                break
            place, position = 0, begin.end()
        border = _compiled(_BORDER).search(text, position)
        stop = border.start() if border else len(text)
        parts = list(_compiled(_BASE64).finditer(text, position, stop))
        long = [part for part in parts if len(part[0]) >= _KEY_LINE]
        if long:
            place = _INSIDE
            found.append((long[0].start(), long[-1].end(), _PEM))
        elif place == _INSIDE:
            # The last line of a key is as short as it happens to be.
            if parts and not text[parts[-1].end() : stop].strip(" \t\r\\\"',;"):
                found.append((*parts[-1].span(), _PEM))
            place = _OUTSIDE
        elif place >= 0:
            place = place + 1 if place < _HEADERS else _OUTSIDE
        position = stop + 1
        if border and border[0] != "\n":  # the end of this key, or the beginning of the next
            place = _OUTSIDE
            position = stop if _compiled(_BEGIN).match(text, stop) else border.end()
    return found, place
