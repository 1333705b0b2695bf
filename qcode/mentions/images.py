"""Pictures as models take them."""

from __future__ import annotations

import base64
from pathlib import Path

from qcode import beneath
from qcode.errors import ToolError
from qcode.messages import Image

BYTES = 5 * 1024 * 1024
"""Of one picture; some APIs take no larger one."""
MOST = 8
"""Pictures with one message."""


def media_type(start: bytes) -> str:
    """Return the type of a picture by how its file begins; nothing if it is none."""
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "image/webp"
    return ""


def is_image(real: Path) -> bool:
    """Whether a file is a picture of a kind that models take."""
    try:
        file, _ = beneath.open_stream(real)
        with file:
            return bool(media_type(file.read(16)))
    except OSError:
        return False


def image(real: Path, name: str) -> Image:
    """Return a picture to be shown.

    Raises:
        ToolError: it is too large, or none.
        OSError: it cannot be read.
    """
    file, status = beneath.open_stream(real)
    with file:
        data = file.read(BYTES + 1)
    kind = media_type(data)
    if len(data) > BYTES:
        raise ToolError(
            f"it has {status.st_size:,} bytes, and {BYTES:,} are the most for a picture"
        )
    if not kind:
        raise ToolError("it is no PNG, JPEG, WebP or GIF")
    return Image(name, kind, base64.b64encode(data).decode("ascii"))
