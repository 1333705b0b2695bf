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
from qcode.local.offers import parts, without_part

_SCALARS = {0: "B", 1: "b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "?"} | {
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9
_LONGEST_STRING = 1 << 20
"""Bytes; the strings wanted here are names. A longer one means that the file is damaged."""
_LONGEST_ARRAY = 1 << 16
"""Of those before the vocabulary; they have a value for each layer at most."""
_QUANT_SUFFIX = re.compile(r"[-._](?:i?q\d\w*|[bf]+(?:16|32)|mxfp4)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Gguf:
    """What the head of the file says."""

    architecture: str
    name: str
    trained_window: int | None
    """Tokens, from `<architecture>.context_length`."""
    layers: int | None = None
    cache_bytes: int | None = None
    """Of keys and values for each token at 16 bits; None: the layers differ, or it is not told."""

    @property
    def is_qwen25_coder(self) -> bool:
        plain = re.sub(r"[^a-z0-9]", "", self.name.lower())
        return self.architecture == "qwen2" and "qwen25coder" in plain


def read(path: Path) -> Gguf:
    """Read the head of `path`, which may be the first of several files.

    Raises:
        QcodeError: it is not a GGUF file, or a part of a model whose other parts are not there.
    """
    _require_parts(path)
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
    own = {
        key.removeprefix(f"{architecture}."): value
        for key, value in facts.items()
        if isinstance(value, int) and key.startswith(f"{architecture}.")
    }
    return Gguf(
        architecture=architecture,
        name=str(facts.get("general.basename") or facts.get("general.name") or path.stem),
        trained_window=own.get("context_length"),
        layers=own.get("block_count"),
        cache_bytes=_cache_bytes(own),
    )


def _require_parts(path: Path) -> None:
    names = parts(path.name)
    if len(names) == 1:
        return
    if path.name.lower() != names[0].lower():
        raise QcodeError(
            f"`{path.name}` is one part of a split model", hint=f"give the first, `{names[0]}`"
        )
    # The first is there as it is spelt; a server looks for the others beside it.
    missing = [name for name in names[1:] if not path.with_name(name).is_file()]
    if path.is_file() and missing:
        raise QcodeError(
            f"`{path.name}` is one part of a split model, and `{missing[0]}` is not beside it",
            hint="fetch all parts into one folder",
        )


def _cache_bytes(own: dict[str, int]) -> int | None:
    """Reckon what attention keeps of a token: two bytes for each number of all keys and values."""
    layers, heads = own.get("block_count"), own.get("attention.head_count")
    shared = own.get("attention.head_count_kv", heads)
    if not layers or not heads or not shared:
        return None
    if interval := own.get("full_attention_interval"):
        layers //= interval  # the others keep one state, whatever they read
    # Such a state in layers that are not told, one vector for all heads, or a window.
    elif any(key.startswith("ssm.") for key in own):
        return None
    if {"attention.kv_lora_rank", "attention.sliding_window"} & own.keys():
        return None
    width = own.get("embedding_length", 0) // heads
    keys, values = (own.get(f"attention.{name}_length", width) for name in ("key", "value"))
    return 2 * layers * shared * (keys + values) or None


def size(path: Path) -> int:
    """Return the bytes of all files of the model whose first one is `path`."""
    return sum(path.with_name(name).stat().st_size for name in parts(path.name))


def model_id(name: str) -> str:
    """The model's id for requests: the file's name without part, ending and quantisation."""
    return _QUANT_SUFFIX.sub("", re.sub(r"\.gguf$", "", without_part(name), flags=re.IGNORECASE))


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
        # The vocabulary comes last and is large; nothing that is wanted here stands after it.
        if key.startswith("tokenizer."):
            break
        if kind == _ARRAY:
            _skip_array(file)
        else:
            facts[key] = _string(file) if kind == _STRING else _unpack(file, _scalar(kind))
    return facts


def _skip_array(file: BinaryIO) -> None:
    """Tags and languages before the architecture, and what differs from layer to layer."""
    kind, count = _unpack(file, "<I"), _unpack(file, "<Q")
    if not isinstance(count, int) or count > _LONGEST_ARRAY:
        raise ValueError("array")
    for _ in range(count):
        if kind == _STRING:
            _string(file)
        else:
            _unpack(file, _scalar(kind))


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
