"""Running git without anything that a repository or the caller's environment configures.

A repository may name programs (hooks, filters, a file system monitor) and an
environment another repository (inside a hook of git, say). None of that counts
here, and nothing is ever fetched.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from qcode import paths
from qcode.errors import QcodeError
from qcode.record import Record
from qcode.sandbox import house
from qcode.sandbox.child import Child, Done

_SAFE = (
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.logAllRefUpdates=false"),
    *("-c", "core.untrackedCache=false"),
    # What a stat says is believed as a whole or not at all.
    *("-c", "core.trustctime=true"),
    *("-c", "core.checkStat=default"),
    *("-c", "protocol.allow=never"),
)
_KEPT = frozenset(
    {
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_CEILING_DIRECTORIES",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_EXEC_PATH",
    }
)
"""Of git's variables: those that say where it is installed and configured, not on what it works."""

_TIMEOUT_S = 120.0
"""Of one command; that of a huge repository on a cold disk takes a while."""


def environment() -> dict[str, str]:
    """Return the environment for a git that works on what it is told to, and on nothing else."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name in _KEPT
    }
    return plain | {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",  # for a git that does not know the line above
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def start(
    cwd: Path | str,
    *arguments: str,
    stdin: int = subprocess.DEVNULL,
    writes: Sequence[str] = (),
) -> Child:
    """Start git in a directory; its output is read from the process's `stdout`.

    It may write to `writes` and what is below them, and to nothing else.

    Raises:
        QcodeError: there is no git, or no such directory.
    """
    try:
        return house.start(
            ["git", *_SAFE, *arguments],
            cwd=cwd,
            env=environment(),
            writes=writes,
            is_ours=_is_ours(arguments),
            stdin=stdin,
        )
    except OSError as error:
        raise _cannot(error) from error


def run(
    cwd: Path | str, *arguments: str, stdin: bytes | None = None, writes: Sequence[str] = ()
) -> Done:
    """Run git in a directory to its end, whatever its exit code.

    Raises:
        QcodeError: there is no git, no such directory, or it took far too long.
    """
    try:
        return house.run(
            ["git", *_SAFE, *arguments],
            cwd=cwd,
            env=environment(),
            writes=writes,
            is_ours=_is_ours(arguments),
            input=stdin or b"",
            timeout_s=_TIMEOUT_S,
        )
    except OSError as error:
        raise _cannot(error) from error
    except subprocess.TimeoutExpired as error:
        raise QcodeError(f"git {arguments[0]} took longer than {_TIMEOUT_S:.0f} s") from error


def _is_ours(arguments: Sequence[str]) -> bool:
    """Whether a command is on a repository of qcode's own, made where no command can write."""
    option = "--git-dir="
    named = [Path(word.removeprefix(option)) for word in arguments if word.startswith(option)]
    return any(paths.state_dir() in path.parents for path in named)


def _cannot(error: OSError) -> QcodeError:
    if isinstance(error, FileNotFoundError) and error.filename == "git":
        return QcodeError("checkpoints need git, which is not installed", hint="install git")
    return QcodeError(f"git could not be started: {error.strerror}")


def end(process: Child) -> None:
    """End a git that is asked through its pipes."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.close()
    except OSError:
        pass  # it has ended before
    process.stdout.close()
    process.wait()
    process.close()


class Place(Record):
    """Where git keeps what belongs to a directory."""

    top: str
    """The top of the work tree."""
    git_dir: str
    common_dir: str
    """Of all work trees of the repository: there are its objects."""
    prefix: str
    """The way from the top to the directory, with a final `/`; empty for the top."""
    hash_name: str
    """`sha1` or `sha256`."""


def place(directory: Path | str) -> Place | None:
    """Return the repository in whose work tree a directory lies; None if git finds none.

    Raises:
        QcodeError: there is no git, or no such directory.
    """
    options = ("--path-format=absolute", "--show-toplevel", "--git-dir", "--git-common-dir")
    done = run(directory, "rev-parse", *options, "--show-object-format", "--show-prefix")
    lines = os.fsdecode(done.stdout).split("\n")
    if done.returncode or len(lines) != 6 or not lines[0]:
        return None  # also where a path has a newline in it: then there is no telling
    top, git_dir, common_dir, hash_name, prefix, _ = lines
    return Place(top, git_dir, common_dir, prefix, hash_name)


def settings(directory: Path | str, *options: str) -> dict[str, str]:
    """Return git's configuration for a directory; names are as git normalises them.

    A setting without a value is `true`, and the last one of a name counts.
    """
    done = run(directory, *options, "config", "--list", "-z")
    pairs = (item.partition(b"\n") for item in done.stdout.split(b"\0") if item)
    return {
        os.fsdecode(name): os.fsdecode(value) if line_end else "true"
        for name, line_end, value in pairs
    }


def without_filters(known: Mapping[str, str]) -> list[str]:
    """Return the options that keep git from running any configured filter."""
    names = {
        name.rpartition(".")[0] for name in known if name.startswith("filter.") and "=" not in name
    }
    return [
        word
        for name in sorted(names)
        for setting in ("clean=", "smudge=", "process=", "required=false")
        for word in ("-c", f"{name}.{setting}")
    ]


class Ignored:
    """Asks one long-lived git which paths its rules ignore.

    The rules are as they were when it was first asked; `close` forgets them.
    """

    def __init__(self, root: str, options: Sequence[str] = ()) -> None:
        self._root = root
        self._options = options
        self._process: Child | None = None
        self._leaves = False

    def ask(self, paths: Iterable[str]) -> set[str]:
        """Return those that are ignored. Paths are relative to the root, no tracked ones.

        A path that git cannot judge (below a link, say) is not ignored.
        """
        out: set[str] = set()
        batch: list[str] = []
        size = 0
        for path in paths:
            batch.append(path)
            size += len(path) * 4 + 1
            if size > 8000:  # fits into any pipe, so that neither side ever waits for the other
                out |= self._ask(batch)
                batch, size = [], 0
        return out | self._ask(batch)

    def leave(self) -> None:
        """Have git forget the rules of the directory that it was asked about last.

        It may be another one of the same name by now. Those of the root stay.
        """
        self._leaves = True

    def close(self) -> None:
        """End the process; the next question starts another, which reads the rules anew."""
        process, self._process = self._process, None
        if process is not None:
            end(process)

    def _ask(self, batch: Sequence[str]) -> set[str]:
        if not batch:
            return set()
        try:
            return self._answers(batch)
        except (OSError, ValueError):
            self.close()
        except QcodeError:
            if os.path.isdir(self._root):
                raise
            return set()
        if len(batch) == 1:
            return set()
        half = len(batch) // 2  # one that git dies of must not take the others with it
        return self._ask(batch[:half]) | self._ask(batch[half:])

    def _answers(self, batch: Sequence[str]) -> set[str]:
        if self._process is None:
            command = ("check-ignore", "--stdin", "-z", "-v", "-n", "--no-index")
            self._process = start(self._root, *self._options, *command, stdin=subprocess.PIPE)
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        asked = [*((".",) if self._leaves else ()), *batch]
        self._leaves = False
        stdin.write(b"".join(os.fsencode(path) + b"\0" for path in asked))
        stdin.flush()
        out = set()
        fields: list[bytes] = []
        rest = b""
        # Each answer is source, line, pattern and path, each with a NUL behind it.
        while len(fields) < 4 * len(asked):
            data = os.read(stdout.fileno(), 65536)
            if not data:
                raise ValueError("git has ended")
            *whole, rest = (rest + data).split(b"\0")
            fields += whole
        for path, pattern in zip(asked, fields[2::4], strict=True):
            if pattern and not pattern.startswith(b"!"):
                out.add(path)
        out.discard(".")
        return out
