"""The files of a large task, as one commit in a git bundle beside its task file.

A bundle has that commit alone: no parent of it, and nothing of the repository around it.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from qcode.errors import QcodeError
from qcode.evals.loaders import source
from qcode.record import Record

_END = "# end of unpacking\n"
_SETUP = """\
import hashlib, os, subprocess, sys, tempfile
file, wanted, commit = {file!r}, {sha256!r}, {commit!r}
try:
    came = hashlib.sha256(open(file, "rb").read()).hexdigest()
except OSError as error:
    sys.exit(f"the bundle {{file}} cannot be read: {{error.strerror}}")
if came != wanted:
    sys.exit(f"the bundle {{file}} has the SHA-256 {{came}}, the task says {{wanted}}")
with tempfile.TemporaryDirectory() as top:
    def git(*words):
        own = dict(os.environ, GIT_INDEX_FILE=os.path.join(top, "index"))
        subprocess.run(["git", "--git-dir", top + "/r", *words], env=own, check=True)
    subprocess.run(["git", "init", "-q", "--bare", "--template=", top + "/r"], check=True)
    git("fetch", "-q", file, "refs/heads/main")
    git("read-tree", commit)
    git("--work-tree", os.getcwd(), "-c", "core.autocrlf=false", "checkout-index", "-a", "-f")
"""


class Bundle(Record):
    """A bundle that was written."""

    file: Path
    sha256: str
    commit: str


def write(repository: Path, revision: str, file: Path) -> Bundle:
    """Write the files of a revision as a bundle; a file that is there already is replaced.

    Raises:
        QcodeError: git fails, or the file cannot be written.
    """
    who = {
        "GIT_AUTHOR_NAME": "evals", "GIT_AUTHOR_EMAIL": "evals@example.invalid",
        "GIT_COMMITTER_NAME": "evals", "GIT_COMMITTER_EMAIL": "evals@example.invalid",
        "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="qcode-bundle-") as top:
        fresh = Path(top) / "r"
        source.git("init", "-q", "--bare", "--template=", fresh)
        common = source.git("rev-parse", "--git-common-dir", folder=repository).decode().strip()
        objects = (repository / common).resolve() / "objects"
        (fresh / "objects/info").mkdir(parents=True, exist_ok=True)
        (fresh / "objects/info/alternates").write_text(f"{objects}\n", encoding="utf-8")
        tree = source.git("rev-parse", f"{revision}^{{tree}}", folder=repository).decode().strip()
        commit = source.git("commit-tree", "-m", "start", tree, folder=fresh, extra=who)
        named = commit.decode().strip()
        source.git("update-ref", "refs/heads/main", named, folder=fresh)
        made = Path(top) / "bundle"
        source.git("bundle", "create", "-q", made, "refs/heads/main", folder=fresh)
        data = made.read_bytes()
    try:
        file.write_bytes(data)
    except OSError as error:
        raise QcodeError(f"{file} cannot be written: {error.strerror}") from error
    return Bundle(file, hashlib.sha256(data).hexdigest(), named)


def setup(file: Path, sha256: str, commit: str) -> str:
    """Return the Python code that puts the files of a bundle into the folder it is run in."""
    return _SETUP.format(file=str(file.resolve()), sha256=sha256, commit=commit) + _END


def without(code: str) -> str:
    """Return a setup without what `setup` put in front of it."""
    return code.rpartition(_END)[2]
