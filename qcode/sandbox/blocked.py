"""What the sandbox kept a command from, told from what the command printed; pure.

The kernel says no in the words of the program that it says it to: `Read-only file
system`, `Network is unreachable`, an empty file. A model takes that for a broken
machine and tries again in other ways. So these words are looked for, and whatever
the confinement accounts for is named together with what may be asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from qcode.record import Record
from qcode.sandbox.policy import Confinement, Network

MOST = 5
"""So many are named; a build that fails to write fails a thousand times."""
_TAIL = 64 * 1024
"""Characters of an output that are looked at: at its beginning and at its end."""
_AROUND = 400
"""Characters of a line, around the words of a refusal, in which its path is looked for."""
_MOST_REFUSALS = 200

_REFUSED = re.compile(
    r"(?i)read-only file system|permission denied|operation not permitted"
    r"|device or resource busy|no such file or directory"
)
_PATHS = re.compile(r"""['"`‘]([^'"`’\n]+)['"`’]|([^\s'"`‘’:,;()\[\]]+)""")
_SPEAKER = re.compile(r"\s*(/[^\s:]{1,300}): (?=\S)")
"""The program that says it, by its path (`/bin/bash: line 1: `), and then what it says."""
_UNREACHABLE = re.compile(
    r"Network is unreachable|[Cc]ould not resolve|[Tt]emporary failure in name resolution"
    r"|Name or service not known|EAI_AGAIN|ENETUNREACH|No route to host|[Ff]ailed to resolve"
    r"|nodename nor servname|dns error|no such host|server misbehaving"
    r"|socket(?:\(\))?: (?:Permission denied|Operation not permitted)"
)
_NO_SOCKET = re.compile(r"socket\.py\", line \d+, in __init__[^\0]{0,200}?\[Errno 1?[13]\]")
_HOST = re.compile(r"(?i)[\s:'\"(/]((?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24})(?![\w.(])")


class Block(Record):
    """One thing that a command was kept from."""

    what: str
    """As it follows `blocked by the sandbox:`."""
    access: str = ""
    """What the model may ask the person for; empty where it is not to be had."""


def blocked(output: str, cwd: str, confinement: Confinement) -> tuple[Block, ...]:
    """Return what of a command's failures the confinement accounts for.

    `output` is what it printed; a path in it that is relative counts from `cwd`.
    """
    if len(output) > 2 * _TAIL:
        output = output[:_TAIL] + "\n" + output[-_TAIL:]
    found: dict[str, Block] = {}
    for block in (*_files(output, cwd, confinement), *_network(output, confinement)):
        found.setdefault(block.what, block)
        if len(found) == MOST:
            break
    return tuple(found.values())


def _files(output: str, cwd: str, confinement: Confinement) -> Iterator[Block]:
    for count, match in enumerate(_REFUSED.finditer(output)):
        if count == _MOST_REFUSALS:
            return
        start = max(output.rfind("\n", 0, match.start()) + 1, match.start() - _AROUND)
        end = output.find("\n", match.end(), match.end() + _AROUND)
        line = output[start : match.start()] + " " + output[match.end() : end if end >= 0 else None]
        speaker = _SPEAKER.match(line)
        if speaker and os.path.isfile(speaker[1]) and os.access(speaker[1], os.X_OK):
            line = line[speaker.end() :]
        is_missing = "o such" in match[0].lower()
        is_denied = "ermission" in match[0].lower()
        for quoted, bare in _PATHS.findall(line[: 2 * _AROUND]):
            word = (quoted or bare).rstrip(".")
            path = os.path.normpath(os.path.join(cwd, word))
            if hidden := _within(path, confinement.hidden):
                what = f"reading {hidden} (hidden, as secrets may be in it)"
                yield Block(what, f"read:{hidden}")
            elif not is_missing:
                yield from _unwritten(path, word, confinement, is_denied=is_denied)


def _unwritten(
    path: str, word: str, confinement: Confinement, *, is_denied: bool
) -> Iterator[Block]:
    protected = _within(path, confinement.protected)
    if not protected and path in confinement.pinned:
        protected = path
    if protected:
        what = f"changing {protected} (it decides what is run or allowed later)"
        yield Block(what, f"write:{protected}")
    elif "/" in word and not _within(path, (*confinement.writable, "/tmp", "/dev", "/proc")):
        if is_denied and not _may_write(path):
            return  # so it would be without a sandbox
        if len(path) < 2 or not os.path.isdir(os.path.dirname(path)):
            return  # it only looks like a path
        place = path if os.path.isdir(path) else os.path.dirname(path)
        yield Block(f"writing {path} (outside the workspace)", f"write:{place}")


def _may_write(path: str) -> bool:
    return os.access(path if os.path.lexists(path) else os.path.dirname(path), os.W_OK)


def _network(output: str, confinement: Confinement) -> Iterator[Block]:
    if confinement.network is Network.ON:
        return
    match = _UNREACHABLE.search(output) or _NO_SOCKET.search(output)
    if match is None:
        return
    start = max(output.rfind("\n", 0, match.start()) + 1, match.start() - _AROUND)
    host = _HOST.search(output[start : match.end() + _AROUND].split("\n", 1)[0])
    where = f" to {host[1]}" if host else ""
    why = "its proxy reaches listed hosts alone" if confinement.network is Network.PROXY else ""
    yield Block(f"connecting{where} ({why or 'the network is closed'})", "network")


def _within(path: str, tops: Sequence[str]) -> str:
    for top in tops:
        if path == top or path.startswith(top.rstrip("/") + "/"):
            return top
    return ""


def told(blocks: Sequence[Block]) -> list[str]:
    """Return the lines that the model reads."""
    lines = []
    for block in blocks:
        how = (
            f'; if the task needs it, call again with access="{block.access}": the person is asked'
            if block.access
            else ""
        )
        lines.append(f"[blocked by the sandbox: {block.what}{how}]")
    return lines
