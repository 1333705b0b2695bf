"""What a run must not change: kept before it, looked at during it, put back after it."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from qcode.headless.ended import Violation
from qcode.protection import judge, pairs, restore, special, special_lines, tested
from qcode.protection.finding import Finding
from qcode.protection.globs import Globs
from qcode.protection.installed import Installed
from qcode.protection.kept import Keeper, Kept, content, is_same, read, settled, signature
from qcode.protection.named import Named, named
from qcode.protection.roles import CODE, Role, extension, is_test, role_at, role_of
from qcode.protection.scan import Folder, Tree
from qcode.record import replace
from qcode.transaction import TEMPORARY

Before = Callable[[str], bytes | None]
"""Gives what a file, by its path relative to the workspace, held before; None: there was none.

A `LookupError` or `OSError` says that it is not known; then it is left alone."""

LARGEST_SOURCE = 2 * 2**20
"""Bytes of a source that is looked at for special cases."""


class Protection:
    """What is protected, and what it was."""

    def __init__(
        self,
        root: Path,
        globs: Sequence[str],
        commands: Sequence[str],
        *,
        allowed: Sequence[str],
        before: Before | None,
        spill_dir: Path | None,
    ) -> None:
        self.root = Path(os.path.realpath(root))
        self.given: list[str] = []
        """Files that globs protect."""
        self.by_default: list[str] = []
        """Files of the default grade, those first that a command names."""
        self.globs = tuple(globs)
        self._globs = Globs(self.root, globs)
        self._allowed = Globs(self.root, allowed)
        self._commands = tuple(commands)
        self._before = before
        self._named = named(self.root, commands) if commands else Named()
        self._roles: dict[str, Role] = {}
        self._kept: dict[str, Kept] = {}
        self._tree = Tree(self.root, self._globs)
        self._keeper = Keeper(self.root, spill_dir)
        self._installed = Installed(self.root, self._keeper)
        self._known_tests: dict[str, bytes] | None = None
        self._pairs: list[pairs.Pair] | None = None

    @classmethod
    def begin(
        cls,
        root: Path,
        globs: Sequence[str],
        commands: Sequence[str],
        *,
        allowed: Sequence[str] = (),
        before: Before | None = None,
        spill_dir: Path | None = None,
    ) -> Protection:
        """Return the protection of a workspace as it is now.

        `globs` protect byte for byte. With `commands`, tests and what runs them are protected
        against being weakened, but for what `allowed` exempts. `before` gives sources as they
        were, which need not be kept here; without it they are not looked at. What is too much
        for the memory is copied to `spill_dir`.

        Raises:
            UsageError: a glob is none.
        """
        made = cls(root, globs, commands, allowed=allowed, before=before, spill_dir=spill_dir)
        made._take()
        return made

    def _take(self) -> None:
        if not self._globs and not self._commands:
            return
        first = dict.fromkeys((*self._named.scripts, *self._named.data))
        found: dict[str, Role] = {}
        for folder, files in self._tree.begin():
            for name in files:
                path = f"{folder.path}/{name}" if folder.path else name
                if self._globs and self._is_given(folder, path):
                    self.given.append(path)
                    self._roles[path] = ""
                elif self._commands and (role := self._role(folder, path, name)):
                    found[path] = role
        for path in first:
            if path not in found and path not in self._roles and not self._allowed.covers(path):
                found[path] = "script" if path in self._named.scripts else "data"
        self._roles.update(found)
        self.given.sort()
        for path in list(self._roles):
            if found.get(path) == "inline" and not self._has_tests(path):
                del self._roles[path], found[path]
                continue
            if found.get(path) == "inline" and self._before is not None:
                continue
            kept = self._keeper.keep(path)
            if kept is None:
                del self._roles[path]
                found.pop(path, None)
            else:
                self._kept[path] = kept
        tests = tuple(sorted(path for path, role in found.items() if role == "test"))
        self._named = replace(self._named, tests=tests)
        self.by_default = [path for path in first if path in found]
        self.by_default += sorted(found.keys() - first.keys())
        if self._commands:
            self._installed.begin()

    def _has_tests(self, path: str) -> bool:
        if self._before is not None:
            return True  # asked for when it changed
        try:
            return b"#[cfg(test)]" in read(self.root / path)[0]
        except OSError:
            return False

    def _is_given(self, folder: Folder, path: str) -> bool:
        said = self._globs.match(path, is_folder=False)
        return folder.is_given if said is None else said

    def _role(self, folder: Folder, path: str, name: str) -> Role:
        role = role_of(folder.path, name, in_tests=folder.in_tests)
        if role and self._allowed and self._allowed.covers(path):
            return ""
        # What git ignores is mostly written by the tests themselves.
        return "" if role == "data" and self._tree.ignores(folder, path) else role

    # Looking.

    def look(self, changed: Iterable[str] | None = None) -> list[Violation]:
        """Return what was done to protected files, and to sources among those `changed`.

        Paths are relative to the workspace. Without them, sources are not looked at.
        """
        found: list[Violation] = []
        if self._kept or self._commands or self._globs:
            fresh, gone = self._tree.added()
            for path in self._kept:
                found += self._looked_at(path, gone)
            for folder, name in fresh:
                found += self._new(folder, name)
            found += self._installed.look()
        for path in dict.fromkeys(changed or ()):
            found += self._source(path)
        return sorted(found, key=lambda each: (each.path, each.line))

    def _looked_at(self, path: str, gone: Sequence[str]) -> list[Violation]:
        kept = self._kept[path]
        real = self.root / path
        if gone and any(path.startswith(f"{folder}/") for folder in gone if folder):
            return [self._deleted(path)]
        try:
            status = os.lstat(real)
        except PermissionError:
            return [Violation(path, "changed", "its folder was closed")]
        except OSError:
            return [self._deleted(path)]
        if kept.signature is not None and signature(status) == kept.signature:
            return []
        if stat.S_IFMT(status.st_mode) != stat.S_IFMT(kept.mode):
            return [
                Violation(path, "changed", "it is something else than a file or link of before")
            ]
        if stat.S_ISLNK(kept.mode):
            try:
                same = os.readlink(real) == kept.link
            except OSError:
                same = False
            return [] if same else [Violation(path, "changed", "the link leads elsewhere")]
        if not stat.S_ISREG(kept.mode):
            return []
        role = self._roles[path]
        if stat.S_IMODE(status.st_mode) != stat.S_IMODE(kept.mode) and (
            not role or (path in self._named.scripts and kept.mode & 0o100)
        ):
            return [Violation(path, "changed" if not role else "harness", "its mode was changed")]
        try:
            data, status = read(real)
        except OSError as error:
            why = f"it cannot be read any more ({error.strerror})"
            return [] if kept.why_not else [Violation(path, "changed", why)]
        if kept.why_not and not kept.digest:
            return [Violation(path, "changed", f"it was changed, and {kept.why_not}")]
        if is_same(kept, data):
            if stat.S_IMODE(status.st_mode) == stat.S_IMODE(kept.mode):
                self._kept[path] = replace(kept, signature=settled(status))
            return []
        if not role:
            return [Violation(path, "changed", "it is protected, and was changed")]
        return self._judged(path, role, content(kept), data)

    def _judged(self, path: str, role: Role, before: bytes, after: bytes) -> list[Violation]:
        try:
            found = judge.changed(path, role, before, after, self._named)
        except RecursionError:
            found = [Finding("weakened", "it was changed, and is too deep to be read")]
        return _violations(path, found)

    def _deleted(self, path: str) -> Violation:
        role = self._roles[path]
        if not role:
            return Violation(path, "deleted", "it is protected, and is gone")
        return _violations(path, [judge.deleted(role)])[0]

    def _new(self, folder: Folder, name: str) -> list[Violation]:
        path = f"{folder.path}/{name}" if folder.path else name
        if path in self._kept or name.startswith(TEMPORARY):
            return []
        if self._globs and self._is_given(folder, path):
            return [Violation(path, "changed", "it is new, where nothing may come")]
        role = self._role(folder, path, name) if self._commands else ""
        if role in ("", "data", "inline"):
            return []
        found: list[Finding] = []
        try:
            status = os.lstat(self.root / path)
            if stat.S_ISLNK(status.st_mode) and role != "test":
                return [Violation(path, "harness", "a link to what changes how tests are run")]
            data = b"" if stat.S_ISLNK(status.st_mode) else read(self.root / path)[0]
        except OSError:
            data = b""
        prefix = f"{folder.path}/" if folder.path else ""
        has_tests = any(
            other.startswith(prefix) and self._roles[other] == "test" for other in self._kept
        )
        with contextlib.suppress(RecursionError):
            found = judge.added(path, role, data, self._named, has_tests=has_tests)
        return _violations(path, found)

    def _source(self, path: str) -> list[Violation]:
        if self._before is None or not self._commands or self._allowed.covers(path):
            return []
        role = self._roles.get(path) or role_at(path)
        if path in self._kept or role not in ("", "inline"):
            return []
        try:
            before = self._before(path)
        except (LookupError, OSError):
            return []
        try:
            after = read(self.root / path)[0]
        except OSError:
            after = None
        if role == "inline" and before is not None and path in self._roles:
            if after is None:
                lost = b"#[cfg(test)]" in before
                return [Violation(path, "deleted", "its tests are gone")] if lost else []
            if found := self._judged(path, role, before, after):
                return found
        if after is None or len(after) > LARGEST_SOURCE or after == before:
            return []
        try:
            return _violations(path, self._special_cased(path, before, after))
        except RecursionError:  # nobody writes so deep, and nothing was seen
            return []

    def _special_cased(self, path: str, before: bytes | None, after: bytes) -> list[Finding]:
        kind = extension(path)
        if kind not in CODE:
            return []
        found = tested.looked_for(path, kind, before, after, self._tests().keys())
        if kind == "py":
            if self._pairs is None:
                python = {name: data for name, data in self._tests().items() if name[-3:] == ".py"}
                self._pairs = pairs.of_tests(python)
            return [*found, *special.special_cases(before, after, self._pairs)]
        tests = dict(self._tests())
        if kind == "rs" and before is not None:
            tests[path] = before  # it may hold tests of its own
        return [*found, *special_lines.special_cases(path, before, after, tests)]

    def _tests(self) -> dict[str, bytes]:
        """Return the tests and their data as they were, by path."""
        if self._known_tests is None:
            self._known_tests = {}
            for path, kept in self._kept.items():
                if kept.data is not None and (
                    self._roles[path] in ("test", "data", "script") or is_test(path)
                ):
                    self._known_tests[path] = kept.data
        return self._known_tests

    # Putting back.

    def roll_back(self, violations: Iterable[Violation]) -> list[Violation]:
        """Put back the files that violations name, as a whole, and no others.

        Returns them with `rolled_back`, or with why that was not possible.
        """
        done: dict[str, str] = {}
        out: list[Violation] = []
        modes = {path: folder.mode for path, folder in self._tree.folders.items()}
        for each in violations:
            if each.path not in done:
                try:
                    done[each.path] = self._put_back(each.path, modes)
                except OSError as error:
                    done[each.path] = error.strerror or str(error)
            why = done[each.path]
            if why:
                out.append(replace(each, why=f"{each.why}; not put back: {why}"))
            else:
                out.append(replace(each, rolled_back=True))
        return out

    def _put_back(self, path: str, modes: dict[str, int]) -> str:
        """Put one file back; return why it was not, or nothing."""
        if not path or path.startswith("/") or ".." in path.split("/"):
            return "it is no file of the workspace"
        if path in self._kept:
            restore.put_back(self.root, path, self._kept[path], modes)
            return ""
        if self._installed.owns(path):
            self._installed.put_back(path)
            return ""
        is_given = self._globs.covers(path)
        if not is_given and role_at(path) in ("", "inline"):
            if self._before is None:
                return "what it held before is not known"
            try:
                before = self._before(path)
            except LookupError:
                return "what it held before is not known"
            if before is not None:
                restore.write(self.root, path, before, None, modes)
                return ""
        restore.remove(self.root, path)
        return ""

    @property
    def tests(self) -> list[str]:
        """The files of tests, those first that a command names."""
        return [
            path
            for path in self.by_default
            if self._roles.get(path) in ("test", "script") and not path.endswith("__init__.py")
        ]


def _violations(path: str, findings: Iterable[Finding]) -> list[Violation]:
    return [Violation(path, each.kind, each.why, each.line) for each in findings]


SHOWN = 3
"""Files that the model is told by name."""


def describe(protection: Protection) -> str:
    """Return one line that tells the model what it must not change; nothing if all is free."""
    tests = protection.tests
    shown = tests if len(tests) <= SHOWN + 1 else tests[:SHOWN]
    told = ", ".join(shown)
    if len(tests) > len(shown):
        told += f" and {len(tests) - len(shown)} more"
    given = ", ".join(protection.globs)
    if given and told:
        return f"Do not change {given}, nor these tests: {told}."
    if told:
        return f"Do not change these tests: {told}."
    return f"Do not change {given}." if given else ""
