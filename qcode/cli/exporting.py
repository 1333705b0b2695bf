"""A session written to a file whole: Markdown, JSON, or one HTML page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from qcode.conversation import Conversation
from qcode.files_whole import check_free, write_whole
from qcode.journal import loading
from qcode.journal.loading import Loaded
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
    check_free(path, force=force)  # before the work; it is made sure of when it is done
    write_whole(path, rendered(read(source, masker), form), force=force)
    return path


def read(source: Path, masker: Masker) -> Loaded:
    """Return a session, all that was said in it, without secrets.

    Its journal may be older than their masking.
    """
    loaded = loading.load(source)
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
    loaded.conversation = Conversation(
        masked(whole.items), masked(whole.archived), forgotten=masked(whole.forgotten)
    )
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


def _json(loaded: Loaded) -> str:
    conversation = loaded.conversation
    forgotten = len(conversation.forgotten)
    aside = forgotten + len(conversation.archived)
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
            _message(
                message,
                loaded.notes,
                "forgotten" if number < forgotten else "put_aside" if number < aside else "",
            )
            for number, message in enumerate(conversation.from_the_start())
        ],
    }
    return safe_json(json.dumps(whole, ensure_ascii=False, indent=2)) + "\n"


def _message(message: Message, notes: Notes, why_not_live: str) -> JsonObject:
    noted = notes.of(message)
    out = to_json(message)
    if noted.at:
        out["at"] = noted.at
    if out["role"] == "assistant" and noted.model:
        out["model"] = noted.model
    if noted.usage is not None:
        out["usage"] = _usage(noted.usage)
    if why_not_live:
        out[why_not_live] = True
    return out


def _usage(usage: Usage) -> JsonObject:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "cost_usd": usage.cost_usd,
    }
