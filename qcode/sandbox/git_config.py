"""Reading git's configuration files, to see whether they are harmless."""

from __future__ import annotations

import re

_HEADER = re.compile(r'\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]')
_KEY = re.compile(r"([A-Za-z][A-Za-z0-9-]*)\s*(?:=\s*(.*))?$", re.DOTALL)
_HARMLESS = re.compile(
    r"core\.(repositoryformatversion|filemode|bare|logallrefupdates|ignorecase"
    r"|precomposeunicode|symlinks|autocrlf|eol|safecrlf|quotepath|abbrev|sparsecheckout(cone)?)"
    r"|user\.(name|email)|remote\.(.*\.)?(url|fetch|pushurl|tagopt)|branch\..*|init\..*"
    r"|extensions\..*|submodule\..*\.(url|active)|submodule\.active|pull\.(rebase|ff)"
    r"|push\.default|fetch\.prune|(commit|tag)\.gpgsign|gc\.auto|advice\..*|color\..*"
    r"|index\.version|lfs\.repositoryformatversion",
    re.DOTALL,
)
_OF_BRANCH = (".remote", ".merge", ".rebase", ".description", ".pushremote")
_UNREADABLE = "unreadable"


def read_config(text: str) -> list[tuple[str, str]]:
    """Return keys (`section.name.key`, section and key in lower case) and values in order.

    Where the text cannot be made out the key is `unreadable`.
    """
    found: list[tuple[str, str]] = []
    section = ""
    for line in re.sub(r"\\\r?\n", "", text.removeprefix("\ufeff")).splitlines():
        rest = line.strip()
        while rest.startswith("["):
            header = _HEADER.match(rest)
            if header is None:
                found.append((_UNREADABLE, rest))
                rest = ""
                break
            name = header[2]
            section = header[1].lower()
            if name is not None:
                section += "." + re.sub(r"\\(.)", r"\1", name)
            rest = rest[header.end() :].strip()
        if not rest or rest[0] in "#;":
            continue
        key = _KEY.match(rest)
        if key is None or not section:
            found.append((_UNREADABLE, rest))
        else:
            found.append((f"{section}.{key[1].lower()}", _value(key[2])))
    return found


def hostile_keys(text: str, known: str = "") -> list[str]:
    """Return the keys that may make git run something or read elsewhere; not those in `known`."""
    before = set(read_config(known))
    return sorted(
        {
            key
            for key, value in read_config(text)
            if (key, value) not in before and not _is_harmless(key, value)
        }
    )


def _is_harmless(key: str, value: str) -> bool:
    if not _HARMLESS.fullmatch(key):
        return False
    if key.startswith("branch.") and not key.endswith(_OF_BRANCH):
        return False
    if key.endswith(("url", ".remote", ".pushremote")):
        # `ext::command` is run, and so is what a leading dash makes an option of.
        return not value.startswith("-") and "::" not in value.partition("/")[0]
    return True


def _value(text: str | None) -> str:
    """Return a value without its quotes and comment."""
    if text is None:
        return "true"
    out = ""
    kept = 0  # characters that are not only space before a comment or the end
    quoted = False
    at = 0
    while at < len(text):
        char = text[at]
        if char in "#;" and not quoted:
            break
        if char == '"':
            quoted = not quoted
        elif char == "\\" and at + 1 < len(text):
            at += 1
            out += {"n": "\n", "t": "\t", "b": "\b"}.get(text[at], text[at])
            kept = len(out)
        else:
            out += char
            if quoted or not char.isspace():
                kept = len(out)
        at += 1
    return out[:kept]
