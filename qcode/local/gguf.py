"""Read the facts at the head of a GGUF file that decide how it is served.

The format (little-endian, version 2 and 3): magic, version, number of tensors, number of
key-value pairs, then the pairs, each a string, a type number and a value.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from qcode.errors import QcodeError

_SCALARS = {0: "B", 1: "b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "?"} | {
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9
_LONGEST_STRING = 1 << 20
"""Bytes; the strings wanted here are names. A longer one means that the file is damaged."""
_SPLIT_NAME = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)
_QUANT_SUFFIX = re.compile(r"[-._](?:i?q\d\w*|[bf]+(?:16|32)|mxfp4)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Gguf:
    """What the head of the file says."""

    architecture: str
    name: str
    trained_window: int | None
    """Tokens, from `<architecture>.context_length`."""

    @property
    def is_qwen25_coder(self) -> bool:
        plain = re.sub(r"[^a-z0-9]", "", self.name.lower())
        return self.architecture == "qwen2" and "qwen25coder" in plain


def read(path: Path) -> Gguf:
    """Read the head of `path`.

    Raises:
        QcodeError: it is not a GGUF file, or one part of a split one.
    """
    if is_split(path.name):
        raise QcodeError(
            f"`{path.name}` is one part of a split model",
            hint="join the parts with llama.cpp's `llama-gguf-split --merge` and use the result",
        )
    try:
        with path.open("rb") as file:
            facts = _head(file)
    except OSError as error:
        raise QcodeError(f"cannot read `{path}`: {error.strerror}") from error
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise QcodeError(
            f"`{path}` is not a GGUF file", hint="a model for llama.cpp is needed"
        ) from error
    architecture = str(facts.get("general.architecture", ""))
    window = facts.get(f"{architecture}.context_length")
    return Gguf(
        architecture=architecture,
        name=str(facts.get("general.basename") or facts.get("general.name") or path.stem),
        trained_window=window if isinstance(window, int) else None,
    )


def is_split(name: str) -> bool:
    """Whether a file of this name holds only a part of a model."""
    return _SPLIT_NAME.search(name) is not None


def model_id(name: str) -> str:
    """The model's id for requests: the file's name without ending and quantisation."""
    return _QUANT_SUFFIX.sub("", re.sub(r"\.gguf$", "", name, flags=re.IGNORECASE))


def _head(file: BinaryIO) -> dict[str, object]:
    if file.read(4) != b"GGUF":
        raise ValueError("magic")
    version, _tensors, pairs = struct.unpack("<IQQ", file.read(20))
    if version not in (2, 3):
        raise ValueError("version")
    facts: dict[str, object] = {}
    for _ in range(pairs):
        key = _string(file)
        kind = _unpack(file, "<I")
        # The first array is the vocabulary; nothing that is wanted here stands after it.
        if kind == _ARRAY:
            break
        facts[key] = _string(file) if kind == _STRING else _unpack(file, _scalar(kind))
    return facts


def _scalar(kind: object) -> str:
    form = _SCALARS.get(kind) if isinstance(kind, int) else None
    if form is None:
        raise ValueError("type")
    return form


def _string(file: BinaryIO) -> str:
    length = _unpack(file, "<Q")
    if not isinstance(length, int) or length > _LONGEST_STRING:
        raise ValueError("length")
    content = file.read(length)
    if len(content) < length:
        raise ValueError("short")
    return content.decode()


def _unpack(file: BinaryIO, form: str) -> int | float | bool:
    (value,) = struct.unpack(form, file.read(struct.calcsize(form)))
    return value  # type: ignore[no-any-return]  # struct's result is untyped
