"""Download one GGUF file of a Hugging Face repository, resuming where an earlier run stopped."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any

from qcode.errors import OfflineError, QcodeError, UsageError
from qcode.local.gguf import is_split
from qcode.local.packages import require_space
from qcode.local.progress import Progress
from qcode.network import ledger, purpose
from qcode.network.guard import offline_in

_REPO = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?::(?P<choice>[^:]+))?")
_PREFERRED_QUANT = "Q4_K_M"
"""llama.cpp's own default: close to the full model at a quarter of its size."""
PURPOSE = "download"
_TIMEOUT_S = 30.0
_CHUNK = 1 << 18
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Hub:
    """Where the repositories are."""

    endpoint: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A repository and what was said of the file: its name, its quantisation or nothing."""

    repo: str
    choice: str | None


@dataclass(frozen=True, slots=True)
class _Remote:
    url: str
    size: int | None
    """Bytes."""
    sha256: str | None


def parse(source: str) -> Wanted | None:
    """Read `owner/name[:QUANT or filename]`; None when it is something else."""
    match = _REPO.fullmatch(source)
    return Wanted(match["repo"], match["choice"]) if match else None


def fetch_from_hub(wanted: Wanted, hub: Hub, store: Path, progress: Progress) -> Path:
    """Return the file in `store`, downloading it when it is not there.

    Raises:
        QcodeError: no such repository or file, no network, no space, or a wrong checksum.
    """
    folder = store / wanted.repo
    here = [str(path.relative_to(folder)) for path in folder.rglob("*.gguf")]
    if here and (name := _choose(here, wanted.choice)):
        return folder / name
    purpose.begin(PURPOSE)
    name = _pick(_list(wanted.repo, hub), wanted)
    remote = _ask(hub, wanted.repo, name)
    target = folder / name
    partial = target.with_name(target.name + ".partial")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        kept = partial.stat().st_size if partial.exists() else 0
        require_space(folder, max(0, (remote.size or 0) - kept))
        _download(remote, hub, partial, progress)
        _verify(remote, partial, progress)
        partial.replace(target)
    except OfflineError:
        raise
    except OSError as error:
        raise QcodeError(f"cannot store the model in `{folder}`: {error.strerror}") from error
    return target


def _pick(names: Iterable[str], wanted: Wanted) -> str:
    names = sorted(names)
    if not names:
        raise QcodeError(
            f"`{wanted.repo}` has no GGUF files",
            hint="take a repository with GGUF files; their names often end in -GGUF",
        )
    name = _choose(names, wanted.choice)
    if name is None:
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        raise UsageError(
            f"which file of `{wanted.repo}`?"
            if wanted.choice is None
            else f"`{wanted.repo}` has no `{wanted.choice}`",
            hint=f"name one as `{wanted.repo}:FILE`; there are {shown}",
        )
    if is_split(name):
        raise QcodeError(
            f"`{name}` of `{wanted.repo}` is split into several files, which is not supported",
            hint="choose a quantisation that comes in one file: `OWNER/NAME:QUANT`",
        )
    return name


def _choose(names: Iterable[str], choice: str | None) -> str | None:
    """Find the file by its name or quantisation; one in a single piece is preferred."""
    names = sorted(names, key=lambda name: (is_split(name), name))
    if choice is not None and choice.lower().endswith(".gguf"):
        return next((name for name in names if name.lower() == choice.lower()), None)
    quant = re.escape(choice or _PREFERRED_QUANT)
    pattern = re.compile(rf"(^|[-._/]){quant}(?=[-._/])", re.IGNORECASE)
    fitting = [name for name in names if pattern.search(name)]
    if fitting:
        return fitting[0]
    return names[0] if choice is None and len(names) == 1 else None


def _list(repo: str, hub: Hub) -> list[str]:
    request = _request(hub, f"{hub.endpoint}/api/models/{repo}")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            data = answer.read()
            _account(answer.geturl(), len(data))
            found: Any = json.loads(data)
        names = [str(entry["rfilename"]) for entry in found["siblings"]]
    except (OSError, http.client.HTTPException) as error:
        raise _failure(error, repo, hub) from error
    except (ValueError, KeyError, TypeError) as error:
        raise QcodeError(f"`{hub.endpoint}` does not answer like a model hub") from error
    return [name for name in names if _is_model(name)]


def _is_model(name: str) -> bool:
    path = PurePosixPath(name)
    # mmproj files are the eyes of a model; `..` would leave the folder.
    inside = not path.is_absolute() and ".." not in path.parts
    return inside and path.suffix.lower() == ".gguf" and "mmproj" not in path.name.lower()


class _Stay(urllib.request.HTTPRedirectHandler):
    """Keeps the first answer, whose headers tell the checksum, instead of where it points."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


def _ask(hub: Hub, repo: str, name: str) -> _Remote:
    url = f"{hub.endpoint}/{repo}/resolve/main/{urllib.parse.quote(name)}"
    request = _request(hub, url, method="HEAD")
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=_TIMEOUT_S) as answer:
            headers = answer.headers
    except urllib.error.HTTPError as error:
        if not 300 <= error.code < 400:
            raise _failure(error, repo, hub) from error
        headers = error.headers
        error.close()
    except (OSError, http.client.HTTPException) as error:
        raise _failure(error, repo, hub) from error
    etag = (headers.get("X-Linked-Etag") or "").strip('"').lower()
    size = headers.get("X-Linked-Size") or ""
    return _Remote(
        url=url,
        size=int(size) if size.isdigit() else None,
        sha256=etag if _SHA256.fullmatch(etag) else None,
    )


def _request(hub: Hub, url: str, *, method: str = "GET") -> urllib.request.Request:
    request = urllib.request.Request(url, method=method)
    if hub.token:
        # Not sent on to the host that a redirect points to.
        request.add_unredirected_header("Authorization", f"Bearer {hub.token}")
    return request


def _download(remote: _Remote, hub: Hub, partial: Path, progress: Progress) -> None:
    """Append to `partial` until it is whole, connecting again as long as that brings more."""
    while True:
        before = partial.stat().st_size if partial.exists() else 0
        if remote.size is not None and before >= remote.size:
            return
        try:
            if _append(remote, hub, partial, progress):
                return
            reason = "the connection ended early"
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and before:
                return
            raise _failure(error, remote.url, hub) from error
        except (
            http.client.HTTPException,
            ConnectionError,
            TimeoutError,
            urllib.error.URLError,
        ) as e:
            if (refused := offline_in(e)) is not None:
                raise refused from e
            reason = str(getattr(e, "reason", e))
        after = partial.stat().st_size if partial.exists() else 0
        if after <= before:
            raise QcodeError(
                f"the download of `{partial.stem}` broke off: {reason}",
                hint="run it again; it goes on where it stopped",
            )


def _append(remote: _Remote, hub: Hub, partial: Path, progress: Progress) -> bool:
    """Ask for what is missing; say whether all that was promised came."""
    have = partial.stat().st_size if partial.exists() else 0
    request = _request(hub, remote.url)
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
        if answer.status != HTTPStatus.PARTIAL_CONTENT:
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else remote.size
        with partial.open("ab" if have else "wb") as out:
            # read1 hands over what has come, so that an interruption loses nothing.
            before = have
            try:
                while chunk := answer.read1(_CHUNK):
                    out.write(chunk)
                    have += len(chunk)
                    progress.update(f"downloading {partial.stem}", have, total)
            finally:
                _account(answer.geturl(), have - before)
    return total is None or have >= total


def _account(url: str, received: int) -> None:
    """Write down what came from where; what was sent for it are a few hundred bytes."""
    parts = urllib.parse.urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    ledger.add(parts.hostname or "", port, PURPOSE, sent=None, received=received)


def _verify(remote: _Remote, partial: Path, progress: Progress) -> None:
    size = partial.stat().st_size
    if remote.sha256 is None:
        progress.note(
            f"the server gives no checksum for `{partial.stem}`; only its length is known"
        )
        wrong = remote.size is not None and size != remote.size
    else:
        wrong = _digest(partial, progress) != remote.sha256
    if wrong:
        partial.unlink()
        raise QcodeError(
            f"`{partial.stem}` arrived damaged (wrong checksum) and was removed",
            hint="run it again",
        )


def _digest(path: Path, progress: Progress) -> str:
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            done += len(chunk)
            progress.update(f"checking {path.stem}", done, size)
    return digest.hexdigest()


def _failure(error: Exception, what: str, hub: Hub) -> QcodeError:
    if (refused := offline_in(error)) is not None:
        return refused
    code = None
    if isinstance(error, urllib.error.HTTPError):
        code = error.code
        error.close()
    if code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return QcodeError(
            f"`{what}` may not be read: it does not exist, is private or wants its terms accepted",
            hint="check the name; for a gated model set HF_TOKEN",
        )
    if code == HTTPStatus.NOT_FOUND:
        return QcodeError(f"`{what}` was not found on `{hub.endpoint}`", hint="check the name")
    if code is not None:
        return QcodeError(f"`{hub.endpoint}` answered with status {code}", hint="try again later")
    return QcodeError(
        f"`{hub.endpoint}` cannot be reached: {getattr(error, 'reason', error)}",
        hint="check the network, or give a .gguf file instead",
    )
