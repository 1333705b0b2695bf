"""Every command that a text may come to run, through wrappers too, for rules that deny or ask.

Which word of `sudo -u me git push` is the command depends on the options of sudo; all the
words that it can be are taken. What a program reads from its own files (make, npm run, a
script) is not seen: there the sandbox holds alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from qcode.record import Record
from qcode.shell.pieces import ANY, DEPTH, GLOB, Piece, Redirection, pieces

WORK = 2000
"""Words, and eighths of characters of scripts in scripts: more are not looked at."""

SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "rbash", "pwsh"})

KEYWORDS = frozenset(
    {"{", "}", "(", ")", "if", "then", "elif", "else", "fi", "do", "done", "while", "until", "!",
     "time", "esac", "in"}
)  # fmt: skip

_RUN_OPERANDS = (
    "sudo doas env command builtin exec nohup setsid stdbuf nice ionice time xargs parallel "
    "watch strace ltrace gdb valgrind unshare nsenter busybox toybox script su runuser chroot "
    "unbuffer proxychains proxychains4 firejail bwrap systemd-run caffeinate fakeroot "
    "prlimit setpriv npx uvx pipx bunx entr"
)
_RUN_AFTER_ONE = (
    "timeout gtimeout flock taskset chrt ssh rsh uv poetry pipenv hatch pdm rye bundle mise "
    "direnv npm pnpm yarn bun conda nix nix-shell asdf"
)
_RUN_AFTER_SOME = "docker podman kubectl nerdctl"
_WRAPPERS = {
    **dict.fromkeys(_RUN_OPERANDS.split(), 0),
    **dict.fromkeys(_RUN_AFTER_ONE.split(), 1),
    **dict.fromkeys(_RUN_AFTER_SOME.split(), 3),
}
"""Programs that run the command in their operands, and how many operands can come before it."""

_SCRIPTS = frozenset({"eval", "trap", "alias", "watch", "ssh", "rsh", "parallel", "su", "script"})
"""Those whose operands are shell text."""

_GIT_VALUES = frozenset(
    {"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env", "--exec-path",
     "--super-prefix", "--attr-source"}
)  # fmt: skip
_GIT_RUNS = frozenset({"rebase", "bisect", "submodule", "filter-branch", "config", "difftool",
                       "mergetool", "grep", "ls-remote", "fetch", "clone"})  # fmt: skip
"""Sub-commands of git with operands or options that are commands."""


class Seen(Record):
    """What can be seen of a text."""

    commands: tuple[tuple[str, ...], ...]
    """The words of each, program first, as `pieces` reads them; wrappers and wrapped alike."""
    redirections: tuple[Redirection, ...]
    sets: tuple[str, ...]
    """Names of variables that are set for a command."""


@lru_cache(maxsize=8)  # several questions are asked about one text
def seen(text: str) -> Seen:
    """Return what can be seen of a text."""
    looking = _Looking()
    found = pieces(text)
    for piece in found:
        looking.piece(piece, 0)
    commands = looking.found
    if any(program(words) in SHELLS and len(words) == 1 for words in commands):
        # echo "git push" | sh
        for words in list(commands):
            if program(words) in ("echo", "printf"):
                looking.script(" ".join(words[1:]), 1)
    return Seen(
        tuple(commands),
        tuple(each for piece in found for each in piece.redirections),
        tuple(dict.fromkeys(name for piece in found for name, _ in piece.assignments)),
    )


def commands_of(piece: Piece) -> tuple[tuple[str, ...], ...]:
    """Return the words of each command that one of a text may come to run, itself first."""
    looking = _Looking()
    looking.piece(piece, 0)
    return tuple(looking.found)


def poisons(name: str) -> bool:
    """Whether a variable decides which programs run."""
    return _POISON.fullmatch(name) is not None


def poisoned(text: str) -> tuple[str, ...]:
    """Return the variables that a text sets and that decide which programs run."""
    return tuple(name for name in seen(text).sets if poisons(name))


_POISON = re.compile(
    r"PATH|(?:LD|DYLD|GIT|PYTHON)_?\w*|BASH_ENV|ENV|IFS|PS4|PROMPT_COMMAND|\w*PAGER|LESSOPEN|EDITOR"
    r"|VISUAL|NODE_OPTIONS|PERL5\w+|RUBYOPT|JAVA_TOOL_OPTIONS|SSH_ASKPASS|CC|CXX|SHELL|HOME"
)


def program(words: Sequence[str]) -> str:
    """Return the name of a command's program, without its directory."""
    return words[0].rsplit("/", 1)[-1] if words else ""


class _Looking:
    """One text being looked through; `found` has the commands in the order in which they came."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, ...], None] = {}
        self.left = WORK

    def spend(self, work: int, depth: int) -> bool:
        """Whether there is something left to go on with; the rest is not known otherwise."""
        self.left -= work
        if self.left > 0 and depth <= DEPTH:
            return True
        self.found[(ANY,)] = None
        return False

    def piece(self, piece: Piece, depth: int) -> None:
        for _, value in piece.assignments:
            self.text(value, depth)  # GIT_PAGER="…", PROMPT_COMMAND="…"
        before = len(self.found)
        self.command(piece.words, depth)
        if piece.document:
            new = list(self.found)[before:] or [piece.words]
            if any(words and _reads_script(words) for words in new):
                self.script(piece.document, depth + 1)

    def command(self, words: tuple[str, ...], depth: int) -> None:
        while words and words[0] in KEYWORDS:
            words = words[1:]
        if not words or words in self.found or not self.spend(len(words), depth):
            return
        self.found[words] = None
        name = program(words)
        if name == "coproc":
            self.command(words[1:], depth + 1)
            self.command(words[2:], depth + 1)
        elif name == "function":
            self.command(words[2:], depth + 1)
        elif name in SHELLS:
            self.shell(words[1:], depth)
        elif name == "find":
            for number, word in enumerate(words):
                if word in ("-exec", "-execdir", "-ok", "-okdir"):
                    self.command(words[number + 1 :], depth + 1)
        elif name == "git":
            self.git(words, depth)
        if name in _SCRIPTS:
            for each in words[1:]:
                self.text(each.partition("=")[2] if name == "alias" else each, depth)
            self.script(" ".join(each for each in words[1:] if each[:1] != "-"), depth + 1)
        if name in _WRAPPERS:
            self.wrapped(words, _WRAPPERS[name], depth)

    def wrapped(self, words: tuple[str, ...], more: int, depth: int) -> None:
        """Take what can be the command: each option before it may take the word that follows."""
        for number, word in enumerate(words[1:], 1):
            if word.startswith("-"):
                more += 1
                if "S" in word or "split" in word:  # env -S "a b"
                    text = word.partition("=")[2] or word[2:] or " ".join(words[number + 1 :])
                    self.script(text, depth + 1)
            elif "=" not in word.split("/", 1)[0]:
                self.command(words[number:], depth + 1)
                if more == 0 or self.left <= 0:
                    return
                more -= 1

    def shell(self, words: tuple[str, ...], depth: int) -> None:
        if any(word.startswith(("-", "+")) and "c" in word for word in words):
            for word in words:
                if not word.startswith(("-", "+")):
                    self.script(word, depth + 1)

    def git(self, words: tuple[str, ...], depth: int) -> None:
        rest = list(words[1:])
        while rest and rest[0].startswith("-"):
            option = rest.pop(0)
            value = option.partition("=")[2]
            if option in _GIT_VALUES and rest:
                value = rest.pop(0)
            if "=" in value:  # -c alias.x='!touch a'
                self.script(value.partition("=")[2].lstrip("!"), depth + 1)
        if rest and len(rest) < len(words) - 1:
            self.command((words[0], *rest), depth + 1)
        if not rest or rest[0] not in _GIT_RUNS:
            return
        for number, word in enumerate(rest[1:], 1):
            if rest[number - 1] in ("-x", "--exec", "run", "foreach"):
                self.command(tuple(rest[number:]), depth + 1)
            text = word.partition("=")[2] if word.startswith("--") else word
            self.text(text.removeprefix("-O").lstrip("!"), depth)

    def text(self, text: str, depth: int) -> None:
        """Look at a value that is shell text if it has more than one word."""
        if any(sign in text for sign in " ;|&$`" + ANY):
            self.script(text, depth + 1)

    def script(self, text: str, depth: int) -> None:
        if ANY in text:
            self.found[(ANY,)] = None
        if not text or not self.spend(len(text) // 8 + 1, depth):
            return
        for piece in pieces(text.replace(ANY, "$_").replace(GLOB, "*")):
            self.piece(piece, depth)


def _reads_script(words: tuple[str, ...]) -> bool:
    return program(words) in SHELLS or words[0].startswith(ANY)
