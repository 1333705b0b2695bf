"""What a server answers, as text for the model."""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
from collections.abc import Iterable
from typing import Any

from qcode.escapes import plain
from qcode.mentions.images import BYTES, MOST, media_type
from qcode.messages import Image
from qcode.record import Record
from qcode.tools.base import Context
from qcode.tools.output import Output, log_opener

_NAMED = 200


class Taken(Record):
    """What an answer holds, as the model gets it."""

    text: str
    images: tuple[Image, ...] = ()


def taken(blocks: Iterable[Any], structured: Any, context: Context, *, sees: bool) -> Taken:
    """Return what a call came to; what is neither text nor shown is kept in a file and told of.

    `structured` is what the server gives as data besides: used where there is nothing else.
    `sees`: whether the model takes pictures.
    """
    parts: list[str] = []
    images: list[Image] = []
    for block in blocks:
        if sees and len(images) < MOST and (picture := _picture(block)) is not None:
            images.append(picture)
            parts.append(f"[{picture.media_type}, shown below]")
        else:
            parts.append(_block(block, context))
    if not any(parts) and structured is not None:
        parts.append(json.dumps(structured, ensure_ascii=False))
    return Taken(plain("\n".join(filter(None, parts))), tuple(images))


def text_of(blocks: Iterable[Any]) -> str:
    """Return blocks of content as text; what is no text is told of."""
    return plain("\n".join(filter(None, (_block(block) for block in blocks))))


def _picture(block: Any) -> Image | None:
    """Return a block as a picture of a kind and size that models take."""
    if getattr(block, "type", "") != "image" or len(block.data) * 3 // 4 > BYTES:
        return None
    try:
        kind = media_type(base64.b64decode(block.data[:64]))
    except ValueError:
        return None
    return Image("picture", kind, block.data) if kind else None


def _block(block: Any, context: Context | None = None) -> str:
    match getattr(block, "type", ""):
        case "text":
            return str(block.text)
        case "image" | "audio":
            return _binary(block.type, block.mime_type, block.data, context)
        case "resource_link":
            about = f": {block.description}" if block.description else ""
            return f"[resource {block.uri[:_NAMED]}{about}]"
        case "resource":
            return resource(block.resource, context)
        case other:
            return f"[{other or 'something'} that is not shown]"


def _binary(what: str, kind: str, data: str, context: Context | None) -> str:
    """Return what stands for data that is no text: its type, its size, and where it is kept."""
    try:
        content = base64.b64decode(data)
    except ValueError:
        return f"[{what}, {kind[:_NAMED]}, which cannot be read]"
    told = f"[{what}, {kind[:_NAMED]}, {len(content):,} bytes"
    if context is None:
        return f"{told}: not shown]"
    digest = hashlib.blake2b(content, digest_size=6).hexdigest()
    file = context.spill_dir / f"mcp-{digest}{mimetypes.guess_extension(kind) or '.bin'}"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError:
        return f"{told}: not shown]"
    return f"{told}: kept in {file}]"


def resource(contents: Any, context: Context | None = None) -> str:
    """Return what a resource holds; bytes that are text are text."""
    text = getattr(contents, "text", None)
    if isinstance(text, str):
        return text
    data = str(getattr(contents, "blob", ""))
    kind = str(getattr(contents, "mime_type", "") or "unknown type")
    if kind.startswith("text/") or kind in ("application/json", "application/xml"):
        try:
            return base64.b64decode(data, validate=True).decode()
        except ValueError:
            pass
    return _binary(str(contents.uri)[:_NAMED], kind, data, context)


def bounded(text: str, context: Context) -> str:
    """Return what of a text the model gets; all of it is kept in a file if that is less."""
    output = Output(log_opener(context.spill_dir, "mcp"), sizes=context.sizes)
    try:
        output.add(text.encode("utf-8", "replace"))
        return output.shown().text
    finally:
        output.close()
