"""A session written to a file whole: Markdown, JSON, or one HTML page."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from qcode import journal
from qcode.conversation import Conversation
from qcode.errors import UsageError
from qcode.journal import Loaded
from qcode.masked import masked_message
from qcode.messages import JsonObject, Message, Usage, from_json, to_json
from qcode.noted import Notes
from qcode.secrets import Masker
from qcode.ui.printable import encodable, safe_json

Format = Literal["md", "json", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)


def export_session(
    source: Path, form: Format, path: Path, masker: Masker, *, force: bool = False
) -> Path:
    """Write the session of a journal to a file, all of it or nothing; return the file's path.

    A session that is open can be exported, too: its journal has all that was shown.

    Raises:
        UsageError: the journal cannot be read; the file is there, unless `force`, or cannot
            be written.
    """
    _refuse(path, force)  # before the work; it is made sure of when it is done
    write_whole(path, rendered(read(source, masker), form), force=force)
    return path


def read(source: Path, masker: Masker) -> Loaded:
    """Return a session, all that was said in it, without secrets.

    Its journal may be older than their masking.
    """
    loaded = journal.load(source)
    notes = Notes()

    def masked(messages: Sequence[Message]) -> list[Message]:
        out = []
        for message in messages:
            shown = from_json(masked_message(to_json(message), masker))
            noted = loaded.notes.of(message)
            notes.add(shown, noted.at, noted.model)
            notes.of(shown).usage = noted.usage
            out.append(shown)
        return out

    whole = loaded.conversation
    loaded.conversation = Conversation(masked(whole.items), masked(whole.archived))
    loaded.notes = notes
    loaded.title = masker.mask(loaded.title)
    return loaded


def rendered(session: Loaded, form: Format) -> str:
    """Return a session in a format."""
    if form == "html":
        from qcode.ui.page import page

        return encodable(page(session))
    if form == "json":
        return encodable(_json(session))
    from qcode.ui.transcript import markdown

    return encodable(markdown(session))


def write_whole(path: Path, text: str, *, force: bool) -> None:
    """Write a file, all of it or nothing.

    Raises:
        UsageError: it is there, unless `force`, or cannot be written.
    """
    _refuse(path, force)
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")  # a pipe or a terminal
            return
        # Where it goes in the end, so that a link stays one.
        target = Path(os.path.realpath(path)) if force else path
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), _mode(target))
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            _put(name, target, force=force)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write `{path}`: {error.strerror}") from error


def _put(made: str, target: Path, *, force: bool) -> None:
    if not force:
        try:
            os.link(made, target)  # unlike a renaming it never replaces anything
            return
        except FileExistsError:
            raise _there(target) from None
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                raise
        _refuse(target, force)  # the file system has no hard links
    os.replace(made, target)


def _mode(target: Path) -> int:
    """Return the permissions of the file there, or those of any new one."""
    try:
        return target.stat().st_mode & 0o777
    except OSError:
        mask = os.umask(0o077)
        os.umask(mask)
        return 0o666 & ~mask


def _refuse(path: Path, force: bool) -> None:
    if path.is_dir():
        raise UsageError(f"cannot write `{path}`: it is a directory")
    if not force and (path.is_file() or path.is_symlink()):
        raise _there(path)


def _there(path: Path) -> UsageError:
    return UsageError(f"`{path}` is there already", hint="--force replaces it")


def _json(loaded: Loaded) -> str:
    conversation = loaded.conversation
    messages = conversation.everything()
    aside = len(conversation.archived)
    whole = {
        "id": loaded.id,
        "title": loaded.title,
        "parent": loaded.parent,
        "cwd": loaded.cwd,
        "model": loaded.model,
        "created": loaded.created,
        "system": loaded.system,
        "usage": _usage(loaded.usage),
        "calls_repaired": loaded.repairs,
        "messages": [
            _message(message, loaded.notes, is_aside=number < aside)
            for number, message in enumerate(messages)
        ],
    }
    return safe_json(json.dumps(whole, ensure_ascii=False, indent=2)) + "\n"


def _message(message: Message, notes: Notes, *, is_aside: bool) -> JsonObject:
    noted = notes.of(message)
    out = to_json(message)
    if noted.at:
        out["at"] = noted.at
    if out["role"] == "assistant" and noted.model:
        out["model"] = noted.model
    if noted.usage is not None:
        out["usage"] = _usage(noted.usage)
    if is_aside:
        out["put_aside"] = True
    return out


def _usage(usage: Usage) -> JsonObject:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "cost_usd": usage.cost_usd,
    }
