"""A shell text in its commands, each with what a person may want to know before they allow it.

It is shown beside the text and decides nothing: reading is lenient, and where it is in doubt it
says too much. What a program reads from files of its own is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from qcode.record import Record
from qcode.shell.destructive import destroys
from qcode.shell.pieces import ANY, GLOB, Piece, pieces
from qcode.shell.through import KEYWORDS, SHELLS, Seen, commands_of, poisons, program
from qcode.shell.touched import touched

PATHS = 3
"""Named of one command for one reason."""

_NETWORK = frozenset(
    {"curl", "wget", "ssh", "scp", "sftp", "rsync", "ftp", "nc", "ncat", "netcat", "socat",
     "telnet", "ping", "dig", "nslookup", "host", "aria2c", "http", "https", "xh", "gh", "glab",
     "aws", "gcloud", "az", "kubectl", "docker", "podman", "rclone"}
)  # fmt: skip
_FETCHES = {
    "git": "clone fetch pull push ls-remote submodule",
    "pip": "install download", "pip3": "install download", "pipx": "install run", "uvx": "",
    "uv": "add sync pip lock run tool", "poetry": "install add update lock publish",
    "npm": "install i ci add update publish exec", "npx": "", "pnpm": "install i add update",
    "yarn": "install add up upgrade", "bun": "install add", "bunx": "",
    "cargo": "install add update fetch publish", "go": "get install mod", "gem": "install push",
    "bundle": "install update", "composer": "install require update", "brew": "install upgrade",
    "apt": "install update upgrade", "apt-get": "install update upgrade", "dnf": "install update",
    "apk": "add update", "pacman": "-S -Sy -Syu", "conda": "install create update",
}  # fmt: skip
"""Programs that use the network for some of their sub-commands; with none here, always."""
_OPERANDS = frozenset(
    {"tee", "touch", "cp", "mv", "rm", "rmdir", "mkdir", "ln", "truncate", "install", "unlink",
     "shred"}
)  # fmt: skip
_IN_PLACE = re.compile(r"-[a-zA-Z]*i.*|--in-place(=.*)?")
_OTHER_USER = frozenset({"sudo", "doas", "su", "runuser", "pkexec"})
_INTERPRETERS = frozenset(["python", "python3", "node", "perl", "ruby", "php", "lua"])
_DEVICES = re.compile(r"/dev/(null|zero|u?random|std(in|out|err)|tty|fd/\d+)")
_PLAIN = re.compile(r"[A-Za-z0-9_@%+:,./=~^-]+")


class Part(Record):
    """One command of a text."""

    text: str
    """Its words; `$…` stands for what is not known before it runs."""
    findings: tuple[str, ...] = ()


class Around(Record):
    """What has to be known of the place where a text would run."""

    root: str
    directory: str
    outside: Callable[[str], bool]
    """Whether an absolute path is outside the workspace."""
    hidden: Callable[[str], str]
    """Why an absolute path is hidden, or nothing."""


def parted(text: str, around: Around, known: Sequence[str] | None = None) -> tuple[Part, ...]:
    """Return the commands of a text in their order; none where it has but one.

    `known` is what a strict reading says of each command, if there is one.
    """
    found = [piece for piece in map(_bare, pieces(text)) if piece.words or piece.redirections]
    if len(found) < 2:
        return ()
    if known is None or len(known) != len(found):
        known = [""] * len(found)
    return tuple(
        Part(_written(piece), _findings(piece, around) or ((said,) if said else ()))
        for piece, said in zip(found, known, strict=True)
    )


def _bare(piece: Piece) -> Piece:
    words = piece.words
    while words and words[0] in KEYWORDS:
        words = words[1:]
    return Piece(words, piece.assignments, piece.redirections, piece.document)


def _findings(piece: Piece, around: Around) -> tuple[str, ...]:
    said: dict[str, None] = {}
    commands = commands_of(piece)
    for words in commands:
        if loses := destroys(words, around.root):
            said[loses] = None
        for each in _of_program(words, piece):
            said[each] = None
    for name, _ in piece.assignments:
        if poisons(name):
            said[f"sets {name}"] = None
    written = [each.target for each in piece.redirections if each.writes]
    for words in commands:
        if program(words) in _OPERANDS:
            written += [word for word in words[1:] if word and not word.startswith("-")]
    if shown := [path for path in map(_shown, written) if not _DEVICES.fullmatch(path)]:
        said[f"writes {_some(shown)}"] = None
    every, _ = touched(Seen(commands, piece.redirections, ()), around.directory)
    named = [path for path in every if not _DEVICES.fullmatch(path)]
    if beyond := [path for path in named if around.outside(path)]:
        said[f"outside the workspace: {_some(beyond)}"] = None
    for path in named:
        if why := around.hidden(path):
            said[f"{path}: {why}"] = None
            break
    return tuple(said)


def _of_program(words: Sequence[str], piece: Piece) -> list[str]:
    name, rest = program(words), words[1:]
    said: list[str] = []
    if ANY in words[0]:
        said.append("which program it runs is not known")
    if name in _OTHER_USER:
        said.append("as another user")
    verbs = _FETCHES.get(name)
    if name in _NETWORK or (
        verbs is not None and (not verbs or any(word in verbs.split() for word in rest))
    ):
        said.append("network")
    given = [word for word in rest if word == "-s" or not word.startswith("-")]
    is_fed = bool(piece.document) or not given or given[0] in ("-s", "-")
    if is_fed and (name in SHELLS or name in _INTERPRETERS):
        said.append("runs what it reads")
    if name in ("sed", "perl") and any(_IN_PLACE.fullmatch(word) for word in rest):
        said.append("changes files in place")
    return said


def _some(paths: Sequence[str]) -> str:
    unique = list(dict.fromkeys(paths))
    more = f" and {len(unique) - PATHS} more" if len(unique) > PATHS else ""
    return ", ".join(unique[:PATHS]) + more


def _written(piece: Piece) -> str:
    words = [f"{name}={_word(value)}" for name, value in piece.assignments]
    words += map(_word, piece.words)
    words += [
        f"{each.operator}{_word(each.target)}"
        for each in piece.redirections
        if each.writes or "&" not in each.operator
    ]
    return " ".join(words)


def _word(word: str) -> str:
    shown = _shown(word)
    if ANY in word or GLOB in word or _PLAIN.fullmatch(shown):
        return shown
    return "'" + shown.replace("'", "'\\''") + "'"


def _shown(word: str) -> str:
    return word.replace(ANY, "$…").replace(GLOB, "*")
