"""Files as tools see them: decoded text that can be written back the same, whole or not at all."""

from __future__ import annotations

import codecs
import contextlib
import os
import stat
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import beneath
from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.clip import clip
from qcode.transaction import Change, Conflict, Delete, Incomplete, commit
from qcode.workspace import digest

if TYPE_CHECKING:
    from qcode.tools.base import Context

WHOLE_LIMIT = 8 * 1024 * 1024
"""Bytes up to which a file is read at once, and known by its content instead of its times."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with BOM"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_MAGIC = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a media file"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive (or a document or package in one)"),
    (b"\x1f\x8b", "gzip data"),
    (b"\x7fELF", "a compiled program"),
    (b"SQLite format 3", "an SQLite database"),
)


class Coding(Record):
    """How a file's text is encoded; enough to write other text the same way."""

    codec: str = "utf-8"
    bom: bytes = b""
    label: str = ""
    """For the model and the person; empty for plain UTF-8."""

    def encode(self, text: str) -> bytes:
        """Return the text's bytes in this coding, BOM included.

        Raises:
            ToolError: the coding has no such character.
        """
        try:
            return self.bom + text.removeprefix("\ufeff" if self.bom else "").encode(self.codec)
        except UnicodeEncodeError as error:
            bad = text[error.start : error.start + 1]
            raise ToolError(
                f"The file is {self.label or self.codec}, which has no {bad!r}. Use other "
                "characters, or convert the file to UTF-8 with a shell command first."
            ) from None


def binary_kind(data: bytes) -> str:
    """Return what binary data is, in words, or nothing if it may be text."""
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ""
    return "binary" if b"\0" in data[:8192] else ""


def decode(data: bytes) -> tuple[str, Coding]:
    """Return text and coding; encoding the text again gives the same bytes."""
    for bom, codec, label in _BOMS:
        if data.startswith(bom):
            try:
                return data[len(bom) :].decode(codec), Coding(codec, bom, label)
            except UnicodeDecodeError:
                break
    for coding in (Coding(), Coding("cp1252", label="Windows-1252")):
        try:
            return data.decode(coding.codec), coding
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1"), Coding("latin-1", label="Latin-1")


def line_count(text: str) -> int:
    """Return the number of lines, the last one with or without its end."""
    return text.count("\n") + (not text.endswith("\n") if text else 0)


def fingerprint(real: Path, data: bytes | None = None) -> str:
    """Return what tells whether a file changed: its content's digest.

    A file over `WHOLE_LIMIT` is known by size and time stamp, as reading all of
    it to show a part would be slow. `data` is the content, where it is at hand.
    """
    if data is None or len(data) > WHOLE_LIMIT:
        status = beneath.status(real)
        if status.st_size > WHOLE_LIMIT:
            return f"{status.st_size}:{status.st_mtime_ns}"
    return digest(beneath.read(real) if data is None else data)


def changed_since_seen(context: Context, real: Path, data: bytes) -> bool:
    """Return whether the model knows another content of the file; False if it knows none."""
    known = context.seen.get(real)
    return known is not None and known != fingerprint(real, data)


def read_existing(
    context: Context, text: str, real: Path, largest: int | None = None
) -> tuple[os.stat_result, bytes]:
    """Return an ordinary file's state and its content, which is at least as new.

    Raises:
        ToolError: there is none, it has more bytes than `largest`, or it cannot be read.
    """
    try:
        file, status = beneath.open_stream(real)
        with file:
            if largest is not None and status.st_size > largest:
                raise ToolError(
                    f"{clip(text)} is too large to edit ({status.st_size:,} bytes; {largest:,} at "
                    "most). Use a shell command such as sed."
                )
            return status, context.buffers[real] if real in context.buffers else file.read()
    except beneath.NotRegular as error:
        raise not_a_file(error, text, "Use list_directory, or name a file in it.") from None
    except FileNotFoundError:
        raise missing(context, text, real) from None
    except OSError as error:
        raise failed(error, text) from error


def not_a_file(error: beneath.NotRegular, text: str, instead: str) -> ToolError:
    """Return the error for what is no ordinary file; `instead` is what to do with a directory."""
    if stat.S_ISDIR(error.mode):
        return ToolError(f"{clip(text)} is a directory. {instead}")
    return ToolError(f"{clip(text)} is a device, pipe or socket, not a file.")


_FEW = 12
"""Names that a directory is told to have."""


def missing(context: Context, text: str, real: Path) -> ToolError:
    """Return the error for a path that does not exist, with what may have been meant."""
    import difflib

    show = context.workspace.show
    names = sorted(beneath.names(real.parent))
    lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(real.name.lower(), list(lower), 3, 0.6)
    found = [show(real.parent / lower[name]) for name in near]
    found += [path for path in same_name(context, real.name) if path not in found]
    if found:
        return ToolError(f"{clip(text)} does not exist. Did you mean {' or '.join(found[:5])}?")
    also = "" if beneath.is_folder(real.parent) else ", nor does its directory"
    if there := _there(context, real.parent):
        return ToolError(f"{clip(text)} does not exist{also}. {there}")
    return ToolError(f"{clip(text)} does not exist{also}. Use glob or list_directory.")


def _there(context: Context, folder: Path) -> str:
    """Return what the nearest directory has that is there, if it is little; else nothing.

    A small model that makes up a path makes it up again, unless it is told what there is.
    """
    while folder != context.workspace.root and not beneath.is_folder(folder):
        if folder == folder.parent:
            return ""
        folder = folder.parent
    if not context.workspace.contains(folder):
        return ""
    names = sorted(
        f"{name}/" if beneath.is_folder(folder / name) else name
        for name in beneath.names(folder)
        if not name.startswith(".") and not context.is_hidden(folder / name)
    )
    if not 0 < len(names) <= _FEW:
        return ""
    where = "The workspace" if folder == context.workspace.root else context.workspace.show(folder)
    return f"{where} has {', '.join(names)}."


def same_name(context: Context, name: str) -> list[str]:
    """Return up to three files of a name, wherever they are."""
    from qcode.tools.ignore import walk

    found: list[str] = []
    # Bounded: in a huge tree a hint is not worth the wait.
    for count, entry in enumerate(walk(context.workspace.root, context.workspace.root)):
        if entry.name.lower() == name.lower():
            found.append(entry.path)
        if count > 20_000 or len(found) == 3:
            break
    return found


def failed(error: OSError, path: str) -> ToolError:
    """Return an operating system's error in words for the model."""
    import errno

    if isinstance(error, beneath.Swapped):
        return ToolError(
            f"{clip(path)}: {error.strerror}; nothing was done. Something else changes that "
            "directory: find out what, then try again."
        )
    words = {
        errno.ENOSPC: "the disk is full; nothing was changed. Tell the person",
        errno.EDQUOT: "the disk quota is used up; nothing was changed. Tell the person",
        errno.EFBIG: "the file would be larger than allowed; nothing was changed",
        errno.EROFS: "the file system is read-only; nothing was changed",
        errno.EACCES: "permission denied",
        errno.EPERM: "the operation is not permitted",
        errno.ENOTDIR: "a part of the path is a file, not a directory",
        errno.EEXIST: "a part of the path is a file, not a directory",
        errno.EISDIR: "it is a directory",
        errno.ENAMETOOLONG: "the name is too long",
        errno.ELOOP: "its symbolic links go in a circle",
    }
    return ToolError(f"{clip(path)}: {words.get(error.errno or 0, error.strerror or str(error))}.")


def land(context: Context, changes: Sequence[Change], *, unknown: Collection[Path] = ()) -> None:
    """Make changes of files, all or none, and note the contents as known to the model.

    `unknown` are files of which the model does not know all: somebody else changed
    them since it read them.

    Raises:
        ToolError: they could not be made.
    """
    show = context.workspace.show
    try:
        commit(changes)
    except Conflict as conflict:
        raise ToolError(
            f"{show(conflict.path)} was changed by something else just now; nothing was changed. "
            "Read it again."
        ) from None
    except Incomplete as error:
        stuck = ", ".join(map(show, error.paths))
        raise ToolError(
            f"It failed ({error.cause}), and what was done could not be taken back. "
            f"Changed already: {stuck}. Look at these files, and tell the person."
        ) from error
    except OSError as error:
        raise failed(error, show(Path(error.filename))) from error
    for change in changes:
        if isinstance(change, Delete):
            context.seen.pop(change.path, None)
        elif change.path not in unknown:
            with contextlib.suppress(OSError):
                context.seen[change.path] = fingerprint(change.path, change.data)
