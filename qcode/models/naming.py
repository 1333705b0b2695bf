"""What servers call a model, brought down to what the registry calls it; pure.

A name is read from the most particular form to the plainest, and the first form that the registry
has is the model: `qwen/qwen3-coder` is one, `qwen3-coder` alone might be two and is none. Nothing
is guessed by nearness, and a size is never left out.

Words are compared, since patterns for all of this would take 15 ms to compile at each start.
"""

from __future__ import annotations

from collections.abc import Iterator

_WORDS = frozenset(
    [
        # What holds it,
        "gguf", "safetensors", "llamafile", "mlx", "awq", "gptq", "exl2", "exl3", "marlin",
        "autoround", "dwq", "bnb", "unsloth", "imatrix", "imat", "i1", "ud", "hf", "dynamic",
        "block", "quantized", "compressed", "onnx", "mtp",
        # its numbers,
        "fp4", "fp8", "fp16", "fp32", "bf16", "f16", "f32", "int4", "int8", "mxfp", "mxfp4",
        "mxfp8", "nvfp4", "nvfp8", "w4a16", "w4a8", "w8a8", "w8a16",
        # which of them it is, and how it is offered.
        "latest", "default", "instruct", "it", "chat", "maas", "tee", "cloud", "basic",
        "original", "preview", "free", "nitro", "floor", "exacto", "extended", "online", "v1",
        "1m",
    ]
)  # fmt: skip
"""What says in which form or by whom it is served, and not which model it is."""

_OF_QUANTISATION = frozenset(
    [*"0123456789ksmlp", "xxs", "xs", "xl", "xxl", "nl", "r4", "r8"]
)  # fmt: skip

_REGIONS = frozenset(["us", "eu", "apac", "au", "jp", "in", "global", "us-gov"])
_VENDORS = frozenset(
    [
        *("anthropic", "openai", "qwen", "zai", "moonshotai", "moonshot", "minimax", "deepseek"),
        *("mistral", "meta", "google"),
    ]
)
"""As Bedrock writes them: `us.anthropic.claude-opus-4-6-v1:0`."""

_SERVED_BY = ("fw-", "databricks-", "labs-")

_GENERIC = frozenset({"", "model", "ggml-model", "ggml", "main", "weights"})
"""Names of files that say nothing: the folder's name is meant."""

_JOINED = str.maketrans(dict.fromkeys("_:@,", "-"))

_MAX = 512
"""Characters of a name that are looked at; a longer one is none."""


def plain(name: str) -> str:
    """Return the name without vendor, packaging, quantisation and date, in lower case.

    `hf.co/unsloth/Qwen3-Coder-Next-GGUF:Q4_K_M` and `/models/qwen3-coder-next-q4_k_m.gguf` are
    `qwen3-coder-next`. A plain name is its own plain name.
    """
    *_, last = forms(name)
    return last


def forms(name: str) -> Iterator[str]:
    """Yield the forms under which a model may be known, the most particular one first.

    The first has the vendor before it (`qwen/qwen3-coder`), the last is the plain one.
    """
    parts = _parts(name)
    text = parts[-1] if parts else ""
    for form in _stripped(text):
        if len(parts) > 1:
            yield f"{parts[-2]}/{form}"
        yield form


def key(form: str) -> str:
    """Return what is compared: servers write `4-6` and `4.6` for the same."""
    return form.replace(".", "-")


def _parts(name: str) -> list[str]:
    """Return what stands between slashes; a file whose name says nothing is left out."""
    text = name.strip().lower().replace("\\", "/")
    if len(text) > _MAX:
        return []
    parts = [part for part in text.split("/") if part.strip()]
    for part in parts:
        if part.startswith("models--") and part.count("--") > 1:  # the cache of Hugging Face
            return part.split("--", 2)[1:]
    while len(parts) > 1 and _says_nothing(parts[-1]):
        parts.pop()
    if parts:  # llama.cpp's cache: owner_repository-GGUF_file
        parts[-1] = parts[-1].rpartition("-gguf_")[2] or parts[-1]
    return parts


def _says_nothing(text: str) -> bool:
    """Whether a part of a path is but `model.gguf`, or a quantisation."""
    *_, last = _stripped(text)
    words = last.split("-")
    return last in _GENERIC or _count(["", *words]) == len(words)


def _stripped(text: str) -> Iterator[str]:
    """Yield a name ever plainer, each form once."""
    form, before = _spelt(_without_number(text)), None
    while form != before:
        yield form
        named = _spelt(_without_vendor(form))
        form, before = named if named != form else _spelt(_without_form(form)), form


def _without_number(text: str) -> str:
    """Leave out the version of Bedrock (`-v1:0`), and which of LM Studio's copies it is (`:2`)."""
    head, colon, tail = text.rpartition(":")
    if not colon or not _is_number(tail) or len(tail) > 2:
        return text
    for ending in ("-v1", "-v2", "-v3", "-1"):
        if head.endswith(ending):
            return head.removesuffix(ending)
    return head


def _without_vendor(form: str) -> str:
    for served_by in _SERVED_BY:
        form = form.removeprefix(served_by)
    first, dot, rest = form.partition(".")
    if dot and first in _REGIONS:
        form = rest
        first, dot, rest = rest.partition(".")
    if dot and first in _VENDORS and not (rest[:1] == "v" and rest[1:2].isdigit()):
        return rest
    return form


def _without_form(form: str) -> str:
    """Leave out one thing at the end that says how it is served."""
    head, dot, tail = form.rpartition(".")
    if dot and tail in _WORDS:
        return head
    words = form.split("-")
    count = _count(words)
    rest = "-".join(words[: len(words) - count])
    # `deepseek-chat` is a model, and `deepseek` would be any of a vendor's; `gpt-5.2-chat` is
    # another one than `gpt-5.2`.
    is_another = form.startswith("gpt-") or not any(map(str.isdigit, rest))
    if not rest or (words[-1] == "chat" and is_another):
        return form
    return rest


def _count(words: list[str]) -> int:
    """Return how many words at the end are one thing of that kind."""
    last = words[-1]
    if last in _WORDS or _is_measure(last) or _is_date(last):
        return 1
    if (
        len(words) > 3
        and (
            (words[-2] == "of" and _is_number(last) and _is_number(words[-3]))  # 00001-of-00003
            or (_is_date("".join(words[-3:])) and len(words[-3]) == 4)  # 2025-11-01
        )
    ):
        return 3
    for at in range(len(words) - 1, 0, -1):
        word = words[at]
        bits = word.removeprefix("i").removeprefix("t")
        if bits[:1] == "q" and _is_number(bits[1:]) and len(bits) < 4:
            return len(words) - at
        if word not in _OF_QUANTISATION:
            break
    return 0


def _is_measure(word: str) -> bool:
    """Whether it is bits a weight, or a window: `4bit`, `4.0bpw`, `128k`."""
    for unit in ("bits", "bit", "bpw"):
        if word.endswith(unit):
            return _is_number(word.removesuffix(unit).replace(".", ""))
    return word.endswith("k") and _is_number(word[:-1]) and 3 <= len(word) <= 4


def _is_date(word: str) -> bool:
    """Whether it is a date as vendors write it: `20251101`, `251101`, `0905`, `2512`."""
    if not _is_number(word):
        return False
    if len(word) == 8:
        return word.startswith("20")
    if len(word) == 6:
        return "23" <= word[:2] <= "39"
    return len(word) == 4 and not word.startswith("00") and int(word[2:]) <= 31 and word < "4000"


def _is_number(text: str) -> bool:
    """Whether it is digits alone, and those that are everybody's."""
    return text.isascii() and text.isdigit()


def _spelt(text: str) -> str:
    """Return the name as it is mostly written."""
    text = "-".join(text.translate(_JOINED).split())
    text = "-".join(filter(None, text.split("-"))).strip("-.")
    at = text.find("p")
    while at > 0:  # Fireworks: qwen3p5
        if _is_number(text[at - 1]) and _is_number(text[at + 1 : at + 2]):
            text = f"{text[:at]}.{text[at + 1 :]}"
        at = text.find("p", at + 1)
    if text.startswith("qwen"):
        return f"qwen{_generation(text[4:])}"
    for family in ("llama", "glm", "gemini", "deepseek", "minimax", "mimo"):
        rest = text.removeprefix(family)
        if rest != text and _is_number(rest[1:2] if rest[:1] in ("v", "m") else rest[:1]):
            return f"{family}-{rest}"
    return _claude(text)


def _generation(rest: str) -> str:
    """Return what follows `qwen`, as `2.5-…`: some write `-2.5-…` or `25-…`."""
    if rest[:1] == "-" and _is_number(rest[1:2]):
        rest = rest[1:]
    if rest[:1] in ("2", "3") and rest[1:2] in ("5", "6", "7", "8", "9") and rest[2:3] in ("", "-"):
        return f"{rest[0]}.{rest[1:]}"
    return rest


def _claude(text: str) -> str:
    """Return `claude-opus-4.6` for `claude-4.6-opus`, as it was called before version 4."""
    words = text.split("-")
    if words[0] != "claude":
        return text
    for at in (2, 3):
        size = words[at] if at < len(words) else ""
        version = words[1:at]
        if size in ("opus", "sonnet", "haiku") and all(_is_number(one[:1]) for one in version):
            if int(version[0][0]) < 4:
                return text
            return "-".join(["claude", size, *version, *words[at + 1 :]])
    return text
