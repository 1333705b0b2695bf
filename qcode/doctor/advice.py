"""What to change, by topic and kind of server.

The options are those of each server's own documentation. A topic's "" is for
any other server; without it nothing is advised.
"""

from __future__ import annotations

from collections.abc import Mapping

from qcode.doctor.server import LLAMA_CPP, LM_STUDIO, OLLAMA, SGLANG, VLLM

GOOD_WINDOW = 32_768
"""Tokens; room for the tools, a few files and some tens of steps."""

_WINDOW: Mapping[str, str] = {
    LLAMA_CPP: "start llama-server with -c {window} --parallel 1 (slots share what -c gives)",
    VLLM: "start vLLM with --max-model-len {window}",
    SGLANG: "start SGLang with --context-length {window}",
    OLLAMA: "start Ollama with OLLAMA_CONTEXT_LENGTH={window}, or `ollama create` the model "
    "from a Modelfile with PARAMETER num_ctx {window}",
    LM_STUDIO: "load the model again with a context length of {window} in its load settings",
    "": "serve the model with {window} tokens of context or more",
}
_TOOLS: Mapping[str, str] = {
    LLAMA_CPP: "start llama-server with --jinja, and with --chat-template-file if the model's "
    "own template knows no tools",
    VLLM: "start vLLM with --enable-auto-tool-choice and the --tool-call-parser of this model",
    SGLANG: "start SGLang with the --tool-call-parser of this model",
    OLLAMA: "take a model that `ollama show` lists with the capability `tools`",
    LM_STUDIO: "take a model that LM Studio marks as trained for tool use",
    "": "turn on tool calls on that server, or take a model that was trained for them",
}
_REASONING: Mapping[str, str] = {
    LLAMA_CPP: "start llama-server with --jinja --reasoning-format auto",
    VLLM: "start vLLM with the --reasoning-parser of this model",
    SGLANG: "start SGLang with the --reasoning-parser of this model",
}
_CACHE: Mapping[str, str] = {
    LLAMA_CPP: "start llama-server with --parallel 1, and with --swa-full if the model has "
    "sliding-window attention",
    VLLM: "start vLLM with --enable-prefix-caching",
    SGLANG: "start SGLang without --disable-radix-cache",
}
_CACHE_SILENT: Mapping[str, str] = {
    VLLM: "start vLLM with --enable-prompt-tokens-details to see the cached tokens",
    SGLANG: "start SGLang with --enable-cache-report to see the cached tokens",
}
_STREAMING: Mapping[str, str] = {
    "": "if a proxy stands before the server, turn off its buffering of replies",
}
_SLOW: Mapping[str, str] = {
    LLAMA_CPP: "take a smaller model or quantisation, or move layers to a GPU with -ngl 99",
    "": "take a smaller model or quantisation, or a machine with a GPU",
}

_TOPICS: Mapping[str, Mapping[str, str]] = {
    "window": _WINDOW,
    "tools": _TOOLS,
    "reasoning": _REASONING,
    "cache": _CACHE,
    "cache_silent": _CACHE_SILENT,
    "streaming": _STREAMING,
    "slow": _SLOW,
}


def fix(topic: str, kind: str, *, trained: int | None = None) -> str:
    """Return what to change on a server of that kind; empty if nothing is known to help.

    `trained` bounds the window that is advised.
    """
    by_kind = _TOPICS[topic]
    advice = by_kind.get(kind, by_kind.get("", ""))
    return advice.replace("{window}", str(min(GOOD_WINDOW, trained or GOOD_WINDOW)))
