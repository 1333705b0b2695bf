"""What a server answers, as text for the model."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from qcode.escapes import plain
from qcode.tools.base import Context
from qcode.tools.output import Output, log_opener

_NAMED = 200


def text_of(blocks: Iterable[Any], structured: Any = None) -> str:
    """Return blocks of content as text; what is no text is told of.

    `structured` is what the server gives as data besides: used where there is nothing else.
    """
    parts = [part for block in blocks if (part := _block(block))]
    if not parts and structured is not None:
        parts.append(json.dumps(structured, ensure_ascii=False))
    return plain("\n".join(parts))


def _block(block: Any) -> str:
    match getattr(block, "type", ""):
        case "text":
            return str(block.text)
        case "image" | "audio":
            size = len(block.data) * 3 // 4
            return f"[{block.type}, {block.mime_type}, {size:,} bytes: not shown]"
        case "resource_link":
            about = f": {block.description}" if block.description else ""
            return f"[resource {block.uri[:_NAMED]}{about}]"
        case "resource":
            return resource(block.resource)
        case other:
            return f"[{other or 'something'} that is not shown]"


def resource(contents: Any) -> str:
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
    return f"[{contents.uri[:_NAMED]}, {kind}, {len(data) * 3 // 4:,} bytes: not shown]"


def bounded(text: str, context: Context) -> str:
    """Return what of a text the model gets; all of it is kept in a file if that is less."""
    output = Output(log_opener(context.spill_dir, "mcp"), sizes=context.sizes)
    try:
        output.add(text.encode("utf-8", "replace"))
        return output.shown().text
    finally:
        output.close()
