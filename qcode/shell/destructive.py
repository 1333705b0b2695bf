"""Commands that lose work which nothing brings back: they are always asked about."""

from __future__ import annotations

import os
from collections.abc import Sequence

from qcode.shell.pieces import ANY, GLOB
from qcode.shell.through import program, seen

_SMALL = (".py", ".js", ".ts", ".c", ".h", ".go", ".rs", ".md", ".txt", ".json", ".toml", ".yml")
"""Ends of words that are hardly the name of a branch."""


def destruction(text: str, root: str) -> str:
    """Return what a shell text may lose, in words, or nothing; `root` is the workspace."""
    return next(filter(None, (destroys(words, root) for words in seen(text).commands)), "")


def destroys(words: Sequence[str], root: str) -> str:
    """Return what one command may lose, or nothing."""
    name = program(words)
    rest = words[1:]
    match name:
        case "git":
            return _git(rest)
        case "rm" | "mv" | "shred" | "chmod" | "chown":
            return _removal(name, rest, root)
        case "find":
            unlimited = not any(part.startswith(_TESTS) for part in rest)
            if "-delete" in rest and unlimited:
                return "find -delete without a test removes all files there"
        case "dd":
            if any(word.startswith("of=/dev/") for word in rest):
                return "dd to a device overwrites it"
    return f"{name} overwrites a file system" if name.startswith("mkfs") else ""


_TESTS = ("-name", "-iname", "-path", "-ipath", "-regex", "-iregex", "-newer", "-mtime", "-mmin",
          "-size", "-empty", "-type", "-wholename", "-samefile", "-inum")  # fmt: skip


def _removal(name: str, words: Sequence[str], root: str) -> str:
    options = [word for word in words if word.startswith("-") and word != "-"]
    operands = [word for word in words if not word.startswith("-")]
    recursive = any(
        "--recursive".startswith(each) if each.startswith("--") else set(each) & set("rR")
        for each in options
        if each != "--"
    )
    for operand in operands:
        parts = operand.rstrip("/").split("/")
        if name in ("rm", "mv", "shred") and ".git" in parts:
            return f"{name} {_shown(operand)} loses the repository's history"
        if (recursive or name == "mv") and _is_broad(operand, root):
            if name == "mv" and operand == operands[-1]:
                continue
            return f"{name} {_shown(operand)} concerns far more than one thing"
    return ""


def _is_broad(operand: str, root: str) -> bool:
    """Whether a path is the workspace, something around it, the home directory, or not known."""
    if operand.startswith((ANY, "~")):
        return True
    bare = operand.rstrip("/")
    last = bare.rsplit("/", 1)[-1]
    if last in (GLOB, f".{GLOB}", f"{GLOB}{GLOB}"):
        bare = bare[: -len(last)].rstrip("/") or ("/" if operand.startswith("/") else ".")
    if ANY in bare or GLOB in bare:
        return False
    path = os.path.normpath(os.path.join(root, bare or "/"))
    return path == root or root.startswith(path.rstrip("/") + "/")


def _git(words: Sequence[str]) -> str:
    if any("requireforce" in word.lower() for word in words):
        return "git clean without its safety catch removes files"
    rest = list(words)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in ("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env"):
            del rest[:1]
    if not rest:
        return ""
    name, given = rest[0], rest[1:]
    loses = _LOSES.get(name)
    return loses(given) if loses else ""


def _has(words: Sequence[str], short: str = "", *long: str) -> bool:
    """Whether one of the options is given, in a cluster or abbreviated."""
    for word in words:
        if word == "--":
            return False
        if word.startswith("--"):
            option = word.split("=")[0]
            if len(option) > 3 and any(each.startswith(option) for each in long):
                return True
        elif word.startswith("-") and set(word[1:]) & set(short):
            return True
    return False


def _operands(words: Sequence[str]) -> list[str]:
    return [word for word in words if not word.startswith("-")]


def _reset(words: Sequence[str]) -> str:
    return "git reset --hard drops uncommitted changes" if _has(words, "", "--hard") else ""


def _clean(words: Sequence[str]) -> str:
    if _has(words, "n", "--dry-run") or not _has(words, "f", "--force"):
        return ""
    return "git clean removes files that git does not have"


def _push(words: Sequence[str]) -> str:
    if _has(words, "f", "--force", "--force-with-lease", "--mirror") or any(
        word.startswith("+") for word in words
    ):
        return "a forced git push overwrites commits of the other repository"
    if _has(words, "d", "--delete", "--prune") or any(word.startswith(":") for word in words):
        return "git push deletes branches of the other repository"
    return ""


def _checkout(words: Sequence[str]) -> str:
    operands = _operands(words)
    makes = _has(words, "bt", "--orphan", "--track", "--detach")
    files = any(
        word in (".", "..") or word.startswith((".", "/", ":", GLOB)) or word.endswith(_SMALL)
        for word in operands
    )
    if _has(words, "f", "--force", "--ours", "--theirs") or "--" in words[:-1] or files:
        return "git checkout overwrites uncommitted changes"
    return "" if makes or len(operands) < 2 else "git checkout overwrites uncommitted changes"


def _switch(words: Sequence[str]) -> str:
    drops = _has(words, "f", "--force", "--discard-changes")
    return "git switch drops uncommitted changes" if drops else ""


def _restore(words: Sequence[str]) -> str:
    if _has(words, "S", "--staged") and not _has(words, "W", "--worktree"):
        return ""
    return "git restore overwrites uncommitted changes" if words else ""


def _stash(words: Sequence[str]) -> str:
    return "git stash loses what was stashed" if words[:1] in (["drop"], ["clear"]) else ""


def _branch(words: Sequence[str]) -> str:
    loses = _has(words, "Df", "--force")
    return "git branch loses commits that are nowhere else" if loses else ""


def _reflog(words: Sequence[str]) -> str:
    return "git reflog loses the way back" if words[:1] in (["expire"], ["delete"]) else ""


def _gc(words: Sequence[str]) -> str:
    return "git gc --prune loses the way back" if _has(words, "", "--prune") else ""


def _update_ref(words: Sequence[str]) -> str:
    return "git update-ref loses commits" if _has(words, "d", "--delete", "--stdin") else ""


def _rm(words: Sequence[str]) -> str:
    return "git rm removes files with changes" if _has(words, "f", "--force") else ""


def _worktree(words: Sequence[str]) -> str:
    forced = words[:1] == ["remove"] and _has(words, "f", "--force")
    return "git worktree remove drops uncommitted changes" if forced else ""


def _always(_words: Sequence[str]) -> str:
    return "it rewrites or removes what git keeps"


_LOSES = {
    "reset": _reset,
    "clean": _clean,
    "push": _push,
    "checkout": _checkout,
    "switch": _switch,
    "restore": _restore,
    "stash": _stash,
    "branch": _branch,
    "reflog": _reflog,
    "gc": _gc,
    "update-ref": _update_ref,
    "rm": _rm,
    "worktree": _worktree,
    "filter-branch": _always,
    "filter-repo": _always,
    "prune": _always,
    "checkout-index": _always,
}


def _shown(word: str) -> str:
    return word.replace(ANY, "$…").replace(GLOB, "*")
