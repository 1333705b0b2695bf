"""Where a benchmark is taken from: a path, a git repository, an archive or a file by its URL.

What is downloaded is kept in a cache, whole or not at all, and is never run from there. A
person pins it behind a `#`: `URL#sha256=…` for a file, `URL#rev=…` for a repository; without
that what came is named once, ready to be pinned.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from qcode.errors import QcodeError, UsageError
from qcode.evals.loaders.base import Loading
from qcode.network import guard

MOST_BYTES = 4 << 30
"""Of one download, and of what an archive holds."""

SILENCE_S = 60.0
"""A server that sends nothing for so long is given up."""

_ARCHIVE = re.compile(r"\.(?:tar(?:\.(?:gz|xz|bz2))?|tgz|zip)\Z")
_FILE = re.compile(r"\.(?:jsonl?|yaml|toml)\Z")
_SCHEMES = ("http", "https", "file", "ssh", "git")
_SCP = re.compile(r"[\w.-]+@[\w.-]+:[^/].*")
_REVISION = re.compile(r"[\w./-]+")


def find(text: str, loading: Loading) -> Path:
    """Return where the source lies on this machine, fetched if need be.

    Raises:
        UsageError: there is no such path, the pin is wrong, or the URL is of no known kind.
        QcodeError: it could not be fetched; nothing is left of it then.
    """
    address, _, fragment = text.partition("#")
    path = Path(address).expanduser()
    if path.exists():
        return path.resolve()
    is_scp = _SCP.fullmatch(address) is not None
    scheme = urlsplit(address.removeprefix("git+")).scheme
    if not is_scp and scheme not in _SCHEMES:
        raise UsageError(
            f"there is no {address}", hint="give a folder, a file, a git repository or a URL"
        )
    pins = dict(parse_qsl(fragment))
    if unknown := set(pins) - {"sha256", "rev"}:
        raise UsageError(
            f"`#{min(unknown)}=` pins nothing", hint="write #sha256=… for a file, #rev=… for git"
        )
    name = urlsplit(address).path
    if (
        not is_scp
        and not address.startswith("git+")
        and (_ARCHIVE.search(name) or _FILE.search(name))
    ):
        return _file(address, pins, loading)
    return _repository(address.removeprefix("git+"), pins.get("rev", ""), loading)


_VERBS = frozenset(
    ["clone", "fetch", "checkout", "init", "apply", "commit", "read-tree", "checkout-index"]
)


def git(
    *words: str | Path,
    folder: Path | None = None,
    data: bytes | None = None,
    extra: Mapping[str, str] | None = None,
) -> bytes:
    """Run git without the person's own settings and without asking anything; return what it says.

    Raises:
        QcodeError: it failed; its last line says why.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "LC_ALL": "C",
    }
    at = () if folder is None else ("-C", str(folder))
    try:
        done = subprocess.run(
            ["git", *at, *map(str, words)],
            env={**kept, **own, **(extra or {})},
            input=data if data is not None else b"",
            capture_output=True,
        )
    except OSError as error:
        raise QcodeError(f"git cannot be started: {error.strerror}", hint="install git") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"]
        why = next((line for line in said if line.startswith(("fatal:", "error:"))), said[-1])
        verb = next((str(word) for word in words if str(word) in _VERBS), str(words[0]))
        raise QcodeError(f"git {verb} failed: {why.partition(': ')[2] or why}")
    return done.stdout


def fetch_commit(url: str, commit: str, into: Path) -> None:
    """Make a bare repository that has one commit with its files, and nothing that came after it.

    A server that gives out no single commits is asked for all, and what is not needed stays
    in a folder that is removed.

    Raises:
        QcodeError: the repository cannot be reached, or has no such commit.
    """
    _check(url, "a repository")
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=into.parent) as top:
        fresh = Path(top) / "repository"
        git("init", "-q", "--bare", "--template=", fresh)
        try:
            git(*_SLOW, "fetch", "-q", "--no-tags", "--depth=1", url, commit, folder=fresh)
        except QcodeError:
            every = Path(top) / "all"
            git(*_SLOW, "clone", "-q", "--bare", "--template=", url, every)
            try:
                git("cat-file", "-e", f"{commit}^{{commit}}", folder=every)
            except QcodeError as error:
                raise QcodeError(f"{url} has no commit {commit}") from error
            git("update-ref", "refs/heads/wanted", commit, folder=every)
            git(
                "fetch", "-q", "--no-tags", "--depth=1", every.as_uri(), "refs/heads/wanted",
                folder=fresh,
            )  # fmt: skip
        git("update-ref", "refs/heads/main", commit, folder=fresh)
        (fresh / "FETCH_HEAD").unlink(missing_ok=True)
        _settle(fresh, into)


_SLOW = ("-c", "http.lowSpeedLimit=1", "-c", f"http.lowSpeedTime={SILENCE_S:.0f}")


def _repository(url: str, revision: str, loading: Loading) -> Path:
    if revision and (not _REVISION.fullmatch(revision) or revision.startswith("-")):
        raise UsageError(f"{revision!r} is no git revision")
    into = loading.cache / f"{_stem(url)}-{_short(f'{url}#{revision}')}"
    if not into.is_dir():
        _check(url, "a benchmark")
        loading.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".clone-", dir=loading.cache) as top:
            fresh = Path(top) / "repository"
            depth = () if revision else ("--depth=1",)
            plain = ("-c", "core.symlinks=true", "-c", "core.autocrlf=false")
            git(*_SLOW, "clone", "-q", "--template=", *plain, *depth, "--", url, fresh)
            if revision:
                git("checkout", "-q", "--detach", revision, "--", folder=fresh)
            _settle(fresh, into)
    if not revision:
        came = git("rev-parse", "HEAD", folder=into).decode().strip()
        loading.note(f"{url} is at {came}; pin it: {url}#rev={came}")
    return into


def _file(url: str, pins: dict[str, str], loading: Loading) -> Path:
    wanted = pins.get("sha256", "").lower()
    if wanted and not re.fullmatch(r"[0-9a-f]{64}", wanted):
        raise UsageError(f"#sha256={wanted} is no SHA-256", hint="it has 64 hexadecimal digits")
    name = unquote(Path(urlsplit(url).path).name)
    folder = loading.cache / f"{_stem(url)}-{_short(f'{url}#{wanted}')}"
    kept = folder / name
    if not kept.is_file():
        _check(url, "a benchmark")
        loading.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=loading.cache) as top:
            fresh = Path(top) / "file"
            fresh.mkdir()
            came = _download(url, fresh / name)
            if wanted and came != wanted:
                raise QcodeError(
                    f"{url} has the SHA-256 {came}, not {wanted}",
                    hint="nothing was kept; see whether it was changed on purpose, then pin that",
                )
            if _ARCHIVE.search(name):
                _unpack(fresh / name, fresh / "unpacked")
            _settle(fresh, folder)
    if not wanted:
        digest = hashlib.sha256(kept.read_bytes()).hexdigest()
        loading.note(f"{url} came with this SHA-256; pin it: {url}#sha256={digest}")
    if not _ARCHIVE.search(name):
        return kept
    inside = [each for each in (folder / "unpacked").iterdir() if each.name != "pax_global_header"]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder / "unpacked"


def _check(url: str, what: str) -> None:
    """Refuse what leaves this machine where that is not wanted."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return
    host = parts.hostname or url.partition("@")[2].partition(":")[0]
    guard.check(host, parts.port or 0, wanted=what, hint="give a folder on this machine")


def _download(url: str, into: Path) -> str:
    """Write what the URL gives; return its SHA-256."""
    digest = hashlib.sha256()
    size = 0
    try:
        with urllib.request.urlopen(url, timeout=SILENCE_S) as answer, into.open("wb") as file:
            while piece := answer.read(1 << 20):
                size += len(piece)
                if size > MOST_BYTES:
                    raise QcodeError(f"{url} is larger than {MOST_BYTES >> 30} GB")
                digest.update(piece)
                file.write(piece)
            promised = answer.headers.get("Content-Length")
    except (OSError, urllib.error.URLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise QcodeError(f"{url} cannot be fetched: {reason}") from error
    if promised is not None and promised.isdigit() and int(promised) != size:
        raise QcodeError(f"{url} broke off: {size} bytes of {promised} came", hint="try again")
    return digest.hexdigest()


def _unpack(archive: Path, into: Path) -> None:
    """Unpack an archive; nothing of it may lead out of the folder.

    Raises:
        QcodeError: it is damaged, too large, or would write elsewhere.
    """
    into.mkdir()
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as packed:
                _fits(archive, sum(each.file_size for each in packed.infolist()))
                packed.extractall(into)  # noqa: S202 -- it drops what leads out of the folder
        else:
            with tarfile.open(archive) as packed_tar:
                members = packed_tar.getmembers()
                _fits(archive, sum(each.size for each in members))
                packed_tar.extractall(into, members, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise QcodeError(f"{archive.name} cannot be unpacked: {error}") from error


def _fits(archive: Path, size: int) -> None:
    if size > MOST_BYTES:
        raise QcodeError(f"{archive.name} holds more than {MOST_BYTES >> 30} GB")


def _settle(fresh: Path, into: Path) -> None:
    """Move what is whole to its place; who was there first stays."""
    try:
        fresh.rename(into)
    except OSError:
        if not into.exists():
            shutil.move(fresh, into)


def _stem(url: str) -> str:
    """Return a name that people know it by again."""
    name = re.split(r"[/:]", url.rstrip("/"))[-1].removesuffix(".git")
    return re.sub(r"[^\w.-]", "_", _ARCHIVE.sub("", name))[:60] or "source"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
