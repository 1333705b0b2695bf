"""Permission rules: `shell(pytest *)`, `edit(src/**)`, `read(…)`, `mcp(github:*)`, a tool's name.

Deny wins over ask, ask over allow. An allowing rule for the shell holds for words that are
certainly what is run, and each command of a text needs one; a denying one holds for all that
can be seen in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING

from qcode.errors import UsageError
from qcode.permissions import Verdict
from qcode.record import Record

if TYPE_CHECKING:
    from qcode.shell.words import Simple

KINDS = ("shell", "edit", "read", "mcp")


class Rule(Record):
    """One rule as it was read."""

    text: str
    kind: str
    """One of `KINDS`, or `tool`."""
    pattern: str = ""
    """What stands in the brackets, or the tool's name."""
    words: tuple[tuple[str, bool], ...] = ()
    """Of a shell rule: each word and whether it is a pattern."""
    rest: bool = False
    """Whether any words may follow."""

    @property
    def is_read(self) -> bool:
        """Whether the words are known; else only the very same text is meant."""
        return bool(self.words) or self.rest


class Ruling(Record):
    """What the rules say, and which did."""

    verdict: Verdict
    rule: str
    perhaps: bool = False
    """It is a denying rule, and whether it holds is only known when the text is run."""


class Rules(Record):
    """All rules of a session."""

    allow: tuple[Rule, ...] = ()
    ask: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()

    def allowing(self, texts: Iterable[str]) -> Rules:
        """Return these rules with some more that allow."""
        return Rules((*self.allow, *map(parse, texts)), self.ask, self.deny)

    def without(self, given: Sequence[Rule]) -> Rules:
        """Return these rules without some that allow; others that say the same stay."""
        return Rules(
            tuple(rule for rule in self.allow if not any(rule is one for one in given)),
            self.ask,
            self.deny,
        )

    def denied(self, kind: str) -> tuple[str, ...]:
        """Return the globs of files that must not be read or edited, for the sandbox to hold."""
        return tuple(rule.pattern for rule in self.deny if rule.kind == kind)

    def on_command(self, text: str, root: str, directory: str) -> Ruling | None:
        """Return what the rules that deny or ask say of a shell text."""
        if not (self.deny or self.ask):
            return None
        from qcode.shell.through import seen
        from qcode.shell.touched import touched

        found = seen(text)
        maybe: Ruling | None = None
        by_path = any(rule.kind in ("read", "edit") for rule in (*self.deny, *self.ask))
        reads, writes = touched(found, directory) if by_path else ((), ())
        for verdict, rules in ((Verdict.DENY, self.deny), (Verdict.ASK, self.ask)):
            for rule in rules:
                hit = _on_seen(rule, found.commands)
                if rule.kind in ("read", "edit"):
                    paths = reads if rule.kind == "read" else writes
                    hit = any(_names(rule, path, root) for path in paths)
                if hit:
                    return maybe if maybe and verdict is Verdict.ASK else Ruling(verdict, rule.text)
                if hit is None and maybe is None:
                    maybe = Ruling(Verdict.ASK, rule.text, perhaps=verdict is Verdict.DENY)
        return maybe

    def allows(self, command: Simple) -> bool:
        """Whether one command is allowed by its words."""
        return any(_allows(rule, command) for rule in self.allow)

    def allows_text(self, text: str) -> bool:
        """Whether all commands are allowed, or this very text is."""
        return any(
            rule.kind == "shell"
            and ((rule.rest and not rule.words) or rule.pattern.strip() == text.strip())
            for rule in self.allow
        )

    def destroying(self, root: str) -> Rules:
        """Return only those that allow a thing that is lost for good, and say so themselves."""
        from qcode.shell.destructive import destroys

        return Rules(
            tuple(
                rule
                for rule in self.allow
                if rule.kind == "shell" and destroys([word for word, _ in rule.words], root)
            )
        )

    def on_paths(self, kind: str, paths: Sequence[Sequence[str]], root: str) -> Ruling | None:
        """Return what the rules say of files; each path is given in all its forms.

        The last of a path's forms is where it leads to.
        """
        kinds = ("edit", "read") if kind == "edit" else ("read",)
        for verdict, rules in ((Verdict.DENY, self.deny), (Verdict.ASK, self.ask)):
            for rule in rules:
                if rule.kind in kinds and any(
                    _names(rule, form, root) for path in paths for form in path
                ):
                    return Ruling(verdict, rule.text)
        found = [self._allowing(kind, path[-1], root) for path in paths]
        return Ruling(Verdict.ALLOW, found[0]) if found and all(found) else None

    def _allowing(self, kind: str, path: str, root: str) -> str:
        for rule in self.allow:
            if rule.kind == kind and _names(rule, path, root):
                return rule.text
        return ""

    def on_tool(self, name: str) -> Ruling | None:
        """Return what the rules say of a tool by its name."""
        for verdict, rules in (
            (Verdict.DENY, self.deny),
            (Verdict.ASK, self.ask),
            (Verdict.ALLOW, self.allow),
        ):
            for rule in rules:
                if rule.kind in ("tool", "mcp") and fnmatchcase(name, rule.pattern):
                    return Ruling(verdict, rule.text)
        return None


def rules_of(
    allow: Iterable[str] = (), ask: Iterable[str] = (), deny: Iterable[str] = ()
) -> tuple[Rules, tuple[str, ...]]:
    """Return the rules, and what to tell the person of those that are left out.

    Raises:
        UsageError: one is not a rule.
    """
    kept: list[Rule] = []
    warnings: list[str] = []
    for text in allow:
        rule = parse(text)
        if why := too_broad(rule):
            warnings.append(f"the rule `{text}` is ignored: {why}")
        else:
            kept.append(rule)
    return Rules(
        tuple(kept),
        tuple(parse(text, exactly=True) for text in ask),
        tuple(parse(text, exactly=True) for text in deny),
    ), tuple(warnings)


_FORM = r"\s*([A-Za-z_][\w-]*)\s*(?:\((.*)\)\s*)?"
_MEANT = {"bash": "shell", "run_shell_command": "shell", "sh": "shell", "command": "shell",
          "write": "edit", "file": "edit", "write_file": "edit", "read_file": "read"}  # fmt: skip


def parse(text: str, *, exactly: bool = False) -> Rule:
    """Return the rule that a text is; with `exactly`, its words have to be known.

    Raises:
        UsageError: it is none; the hint is the nearest good form.
    """
    match = re.fullmatch(_FORM, text, re.DOTALL)
    if match is None:
        inner = text.strip().strip("()") or "pytest *"
        raise UsageError(f"`{text}` is not a rule", hint=f"did you mean `shell({inner})`?")
    name, inner = match.group(1), match.group(2)
    if inner is None:
        if name == "shell":
            raise UsageError("`shell` is not a rule", hint="all commands are `shell(*)`")
        if name in KINDS:
            return Rule(text, name, "**")
        return Rule(text, "tool", name)
    if name not in KINDS:
        import difflib

        near = _MEANT.get(name.lower()) or next(
            iter(difflib.get_close_matches(name.lower(), KINDS, n=1)), "shell"
        )
        raise UsageError(
            f"`{text}` is not a rule: there is no kind `{name}`",
            hint=f"did you mean `{near}({inner})`?",
        )
    inner = inner.strip()
    if not inner:
        raise UsageError(f"`{text}` is not a rule: it is empty", hint=f"all is `{name}(*)`")
    if name == "shell":
        return _shell_rule(text, inner, exactly=exactly)
    if name == "mcp":
        server, _, tool = inner.partition(":")
        return Rule(text, "mcp", f"mcp__{server}__{tool or '*'}")
    return Rule(text, name, inner)


def _shell_rule(text: str, inner: str, *, exactly: bool) -> Rule:
    from qcode.shell.words import Unknown, read

    found = read(inner)
    if isinstance(found, Unknown) or len(found) > 1:
        why = found.reason if isinstance(found, Unknown) else "it has more than one command"
        if exactly:
            raise UsageError(
                f"`{text}` cannot be a rule that denies or asks: {why}",
                hint="give the program and its first words, like `shell(git push *)`",
            )
        return Rule(text, "shell", inner)
    words = tuple((word.text, word.globbed) for word in found[0].words)
    rest = words[-1] == ("*", True)
    return Rule(text, "shell", inner, words[:-1] if rest else words, rest)


_ANYTHING = (
    "sh bash dash zsh ksh mksh ash fish pwsh env sudo doas su xargs parallel find ssh scp docker "
    "podman kubectl npx uvx bunx pipx curl wget eval exec source command builtin busybox nohup "
    "setsid timeout nice stdbuf script watch awk gawk sed tee dd"
)
_INTERPRETERS = "python python2 python3 node deno bun ruby perl php lua"


def too_broad(rule: Rule) -> str:
    """Return why a rule allows more than anybody can have meant, or nothing."""
    if rule.kind == "tool" and rule.pattern == "run_shell_command":
        return "all commands are `shell(*)`"
    if rule.kind != "shell" or not rule.is_read:
        return ""
    if not rule.words:
        return ""  # `shell(*)`, which says what it is
    name, globbed = rule.words[0]
    name = name.rsplit("/", 1)[-1]
    second = rule.words[1][0] if len(rule.words) > 1 else ""
    if globbed:
        return "its program is a pattern; name it, or allow everything with `shell(*)`"
    if not rule.rest and not any(pattern for _, pattern in rule.words):
        return ""
    if name in _ANYTHING.split():
        return f"{name} runs or overwrites anything; allow the very command"
    if re.sub(r"[\d.]+$", "", name) in _INTERPRETERS.split() and (
        not second or (second.startswith("-") and second != "-m") or len(rule.words) < 2
    ):
        return f"{name} runs anything; allow the very command, or a module or script of it"
    if name == "git" and (not second or second.startswith("-") or rule.words[1][1]):
        return "git runs anything that a repository names; allow a sub-command"
    if name == "make" and second in ("-f", "-C", "-I"):
        return f"make {second} runs anything; allow a target"
    return ""


def _allows(rule: Rule, command: Simple) -> bool:
    if rule.kind != "shell" or not rule.is_read or len(command.words) < len(rule.words):
        return False
    if len(command.words) > len(rule.words) and not rule.rest:
        return False
    return all(
        not given.globbed and (fnmatchcase(given.text, word) if pattern else given.text == word)
        for (word, pattern), given in zip(rule.words, command.words, strict=False)
    )


def _on_seen(rule: Rule, commands: Iterable[Sequence[str]]) -> bool | None:
    """Whether a rule that denies or asks holds for a text; None: perhaps."""
    if rule.kind != "shell":
        return False
    perhaps = False
    for words in commands:
        match = _on_words(rule, words)
        if match:
            return True
        perhaps = perhaps or match is None
    return None if perhaps else False


def _on_words(rule: Rule, words: Sequence[str]) -> bool | None:
    from qcode.shell.pieces import ANY, GLOB

    for place, (wanted, pattern) in enumerate(rule.words):
        if place >= len(words):
            return False
        word = words[place]
        if place == 0 and "/" not in wanted:
            word = word.rsplit("/", 1)[-1]
        if ANY in word or GLOB in word:
            known = re.split(f"[{ANY}{GLOB}]", word, maxsplit=1)[0]
            return None if pattern or wanted.startswith(known) else False
        if not (fnmatchcase(word, wanted) if pattern else word == wanted):
            return False
    return True


def _names(rule: Rule, path: str, root: str) -> bool:
    """Whether a file rule means a path, or a directory above it."""
    relative = os.path.relpath(path, root)
    return bool(_expression(rule.pattern).fullmatch(path)) or (
        not relative.startswith("..") and bool(_expression(rule.pattern).fullmatch(relative))
    )


@lru_cache(maxsize=256)
def _expression(pattern: str) -> re.Pattern[str]:
    """Return what a glob means: without a slash, a name at any depth; `./` is the workspace.

    What has no `*` at its end may be a directory, and means all that is in it.
    """
    glob = os.path.expanduser(pattern) if pattern.startswith("~") else pattern
    anchored = "/" in glob.rstrip("/")
    glob = glob.removeprefix("./").rstrip("/").removesuffix("/**")
    out = "" if anchored else "(?:.*/)?"
    for part in re.split(r"(\*\*/|\*\*|\*|\?)", glob):
        out += {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))
    below = "" if glob.endswith("*") and not pattern.endswith("/**") else "(?:/.*)?"
    return re.compile(out + below, re.DOTALL)
