"""A prompt as editors send it, as the message of a session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from qcode.errors import UsageError
from qcode.escapes import plain
from qcode.mentions.giving import Given, item
from qcode.mentions.images import MOST
from qcode.messages import Image
from qcode.prompts import load
from qcode.record import Record

_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif")
_LONGEST = 400_000
"""Characters of what a prompt brings along, all together."""


class Said(Record):
    """What a person said, with what their editor sent along."""

    text: str
    """What they typed; mentions of files written as `@path`."""
    given: str = ""
    """What the editor sent of files, for the model."""
    images: tuple[Image, ...] = ()


def read(blocks: Sequence[Any], root: Path, *, sees: bool) -> Said:
    """Return what the blocks of a prompt say.

    `sees`: whether the model takes pictures.

    Raises:
        UsageError: something of it cannot be taken; nothing is left out in silence.
    """
    words: list[str] = []
    given: list[str] = []
    images: list[Image] = []
    for block in blocks:
        match block.type:
            case "text":
                words.append(block.text)
            case "resource_link":
                words.append(mention(block.uri, block.name, root))
            case "resource":
                its = block.resource
                text = getattr(its, "text", None)
                if text is None:
                    raise UsageError(f"`{its.uri}` is no text, and cannot be given to the model")
                name = named(its.uri, root)
                words.append(f"`{name}`")
                given.append(item(Given(name, plain(text)), _LONGEST))
            case "image":
                if not sees:
                    raise UsageError(
                        "this model is not known to see pictures",
                        hint="`vision = true` in the configuration says that it does",
                    )
                if block.mime_type not in _PICTURES:
                    raise UsageError(f"a picture of type {block.mime_type} cannot be shown")
                images.append(Image(f"picture {len(images) + 1}", block.mime_type, block.data))
            case other:
                raise UsageError(f"qcode takes no {other}")
    if len(images) > MOST:
        raise UsageError(f"{len(images)} pictures are too many, {MOST} can be shown")
    if (size := sum(map(len, given))) > _LONGEST:
        raise UsageError(f"what is sent along has {size:,} characters, {_LONGEST:,} at most")
    told = load("mentions/pointed_at", items="\n\n".join(given)) if given else ""
    text = " ".join(filter(None, (word.strip(" ") for word in words)))
    return Said(text, told, tuple(images))


def path_of(uri: str) -> Path | None:
    """Return the file that an address names; None if it is none."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if not parts.scheme and uri.startswith("/") else None


def lines_of(uri: str) -> str:
    """Return the lines that an address names, as in `#L3-9`, as mentions have them: `:3-9`."""
    fragment = urlsplit(uri).fragment
    first, _, last = fragment.partition("-")
    numbers = [part.lstrip("L").split(":")[0] for part in (first, last) if part]
    return f":{'-'.join(numbers)}" if numbers and all(n.isdigit() for n in numbers) else ""


def named(uri: str, root: Path) -> str:
    """Return how people call what an address names: a path in the workspace where it is one."""
    path = path_of(uri)
    if path is None:
        return plain(uri)
    try:
        return f"{path.relative_to(root)}{lines_of(uri)}"
    except ValueError:
        return f"{path}{lines_of(uri)}"


def mention(uri: str, name: str, root: Path) -> str:
    """Return a link as a mention that the session follows; what is no file by its address."""
    path = path_of(uri)
    if path is None:
        if uri.startswith(("http://", "https://")):
            return f"@{uri}"
        return f"{plain(name)} ({plain(uri)})"
    shown = named(uri, root)
    lines = lines_of(uri)
    bare = shown.removesuffix(lines)
    return f'@"{bare}"{lines}' if any(c in bare for c in ' "`<>|') else f"@{shown}"
