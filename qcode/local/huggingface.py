"""Download a model of a Hugging Face repository, resuming where an earlier run stopped."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any

from qcode.errors import OfflineError, QcodeError, UsageError
from qcode.local.offers import Offer, choose, offers
from qcode.local.packages import require_space
from qcode.local.progress import Progress
from qcode.network import ledger, purpose
from qcode.network.guard import offline_in

_REPO = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?::(?P<choice>[^:]+))?")
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
    """A repository and what was said of the model: a file, its quantisation or nothing."""

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


Select = Callable[[Sequence[Offer], str | None], Offer | None]
"""Which of the models that are offered to take, by what was said; None: it cannot be told.

May raise a QcodeError that says why none of them can be used."""


def fetch_from_hub(
    wanted: Wanted, hub: Hub, store: Path, progress: Progress, select: Select = choose
) -> Path:
    """Return the first file of the model in `store`, downloading what is not there.

    Raises:
        QcodeError: no such repository or file, no network, no space, or a wrong checksum.
    """
    folder = store / wanted.repo
    here = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*.gguf")}
    if (whole := offers(here, is_here=True)) and (found := select(whole, wanted.choice)):
        return folder / found.name
    purpose.begin(PURPOSE)
    chosen = _pick(_list(wanted.repo, hub), wanted, select)
    # Asked before anything is fetched, so that what is needed is known.
    remotes = [_ask(hub, wanted.repo, name) for name in chosen.files]
    try:
        missing = [
            (folder / name, remote)
            for name, remote in zip(chosen.files, remotes, strict=True)
            if not (folder / name).is_file()
        ]
        require_space(folder, sum(_left(target, remote) for target, remote in missing))
        for target, remote in missing:
            partial = _partial(target)
            partial.parent.mkdir(parents=True, exist_ok=True)
            _download(remote, hub, partial, progress)
            _verify(remote, partial, progress)
            partial.replace(target)
    except OfflineError:
        raise
    except OSError as error:
        raise QcodeError(f"cannot store the model in `{folder}`: {error.strerror}") from error
    return folder / chosen.name


def _partial(target: Path) -> Path:
    return target.with_name(target.name + ".partial")


def _left(target: Path, remote: _Remote) -> int:
    partial = _partial(target)
    kept = partial.stat().st_size if partial.exists() else 0
    return max(0, (remote.size or 0) - kept)


def _pick(offered: Sequence[Offer], wanted: Wanted, select: Select) -> Offer:
    if not offered:
        raise QcodeError(
            f"`{wanted.repo}` has no GGUF files",
            hint="take a repository with GGUF files; their names often end in -GGUF",
        )
    if found := select(offered, wanted.choice):
        return found
    names = sorted(one.name for one in offered)
    shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    raise UsageError(
        f"which file of `{wanted.repo}`?"
        if wanted.choice is None
        else f"`{wanted.repo}` has no `{wanted.choice}`",
        hint=f"name one as `{wanted.repo}:FILE`; there are {shown}",
    )


def _list(repo: str, hub: Hub) -> tuple[Offer, ...]:
    """Ask what the repository has, with sizes (`blobs`: the hub's own client asks so, too)."""
    request = _request(hub, f"{hub.endpoint}/api/models/{repo}?blobs=true")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            data = answer.read()
            _account(answer.geturl(), len(data))
            found: Any = json.loads(data)
        listing = {str(entry["rfilename"]): _size(entry) for entry in found["siblings"]}
    except (OSError, http.client.HTTPException) as error:
        raise _failure(error, repo, hub) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise QcodeError(f"`{hub.endpoint}` does not answer like a model hub") from error
    return offers({name: size for name, size in listing.items() if _is_model(name)})


def _size(entry: Mapping[str, Any]) -> int | None:
    size = entry.get("size")
    return size if isinstance(size, int) and size > 0 else None


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
