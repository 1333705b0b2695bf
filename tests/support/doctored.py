"""Models and servers for `qcode doctor` to look at: each answers its questions in its own way.

A `Model` is a script for `ScriptedServer`: it reads what is asked and answers
as that model would, natively or as text. The functions below make the routes
by which a kind of server is known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scripted_server import Reply, Seen, Stream, Whole, calls, delta, stream, text
from scripted_server import fault as http_fault

from qcode.prompts import load

ODD = load("doctor/odd_text")
FINDING = load("doctor/finding")

Json = dict[str, Any]


def js(value: object, status: int = 200) -> Whole:
    """Return a JSON reply."""
    return Whole(json.dumps(value).encode(), status)


@dataclass(slots=True)
class Model:
    """Answers the doctor; counts four characters as a token."""

    in_text: bool = False
    """Calls come as Hermes text instead of structured."""
    in_reasoning: bool = False
    """The same, and in the reasoning."""
    garbles: bool = False
    """Its arguments end in the middle, and the server says that all is well."""
    parallel: bool = True
    silent_about_tools: bool = False
    """Whatever is offered, it answers in words."""
    window: int | None = None
    """Longer prompts are cut to this many tokens, and nothing is said."""
    too_long: int | None = None
    """Longer prompts are refused."""
    refuses_tools: str = ""
    """The words with which tools are refused."""
    streams: bool = True
    thinks_in: str = ""
    """A field for its reasoning, or `text` for tags."""
    timings: bool = False
    caches: bool = True
    counts: bool = True

    _before: str = ""

    def __call__(self, seen: Seen) -> Reply:
        body = seen.json
        if body.get("tools") and self.refuses_tools:
            return http_fault(400, self.refuses_tools)
        prompt = "".join(str(m.get("content") or "") for m in body["messages"])
        tokens = len(prompt) // 4
        if self.too_long and tokens > self.too_long:
            return http_fault(400, f"the request exceeds the context size of {self.too_long}")
        if self.window:
            tokens = min(tokens, self.window)
        cached = tokens if self.caches and prompt == self._before else 0
        self._before = prompt
        usage: Json | None = None
        if self.counts:
            usage = {
                "prompt_tokens": tokens,
                "completion_tokens": 40,
                "prompt_tokens_details": {"cached_tokens": 0 if self.timings else cached},
            }
        reply = self._answer(body, usage)
        if self.timings and isinstance(reply, Stream):
            timings = {
                "cache_n": cached,
                "prompt_n": max(1, tokens - cached),
                "prompt_per_second": 250.0,
                "predicted_n": 40,
                "predicted_per_second": 20.0,
            }
            reply = Stream(
                (*reply.items[:-1], {"choices": [], "timings": timings}, reply.items[-1])
            )
        return reply if self.streams else _in_one_piece(reply)

    def _answer(self, body: Json, usage: Json | None) -> Stream:
        last = body["messages"][-1]
        asked = str(last.get("content"))
        wanted = self._wanted(asked, last["role"]) if body.get("tools") else []
        if not wanted or self.silent_about_tools:
            words = " ".join(str(n) for n in range(1, 31)) if "Count" in asked else "ready"
            return self._words(words, usage)
        if self.in_text or self.in_reasoning:
            objects = [json.dumps({"name": name, "arguments": args}) for name, args in wanted]
            said = "\n".join(f"<tool_call>\n{one}\n</tool_call>" for one in objects)
            if self.in_reasoning:
                return text("", reasoning=said, usage=usage)
            return text(said, usage=usage)
        if self.garbles:
            return calls(*((name, json.dumps(args)[:-4]) for name, args in wanted), usage=usage)
        return calls(*wanted, usage=usage)

    def _words(self, words: str, usage: Json | None) -> Stream:
        if self.thinks_in == "text":
            return text(f"<think>hm</think>{words}", usage=usage, chunks=10)
        items = [delta(**{self.thinks_in: "hm"})] if self.thinks_in else []
        items += [delta(content=word + " ") for word in words.split()]
        return stream(*items, usage=usage)

    def _wanted(self, asked: str, role: str) -> list[tuple[str, Mapping[str, Any]]]:
        if role == "tool":
            return [("write_note", {"path": "notes/harbour.txt", "text": FINDING})]
        if "odd.txt" in asked:
            return [("write_note", {"path": "notes/odd.txt", "text": ODD})]
        if "lantern" in asked:
            both = [("look_up", {"word": "lantern"}), ("look_up", {"word": "meadow"})]
            return list(both if self.parallel else both[:1])
        return [("look_up", {"word": "harbour"})]


def _in_one_piece(reply: Stream) -> Reply:
    """Return what a server answers that ignores `stream`."""
    from scripted_server import _fold

    return _fold(reply)


def llama_cpp(context: int = 32_768, *, slots: int = 1, trained: int = 131_072) -> dict[str, Reply]:
    entry = {"id": "scripted", "owned_by": "llamacpp", "meta": {"n_ctx_train": trained}}
    props = {
        "default_generation_settings": {"n_ctx": context},
        "total_slots": slots,
        "build_info": "b1",
    }
    return {"/v1/models": js({"data": [entry]}), "/props": js(props)}


def vllm(context: int = 32_768) -> dict[str, Reply]:
    entry = {"id": "scripted", "owned_by": "vllm", "max_model_len": context}
    return {"/v1/models": js({"data": [entry]}), "/version": js({"version": "0.19.1"})}


def ollama(*, running: int | None = 4_096, num_ctx: int | None = None) -> dict[str, Reply]:
    """Return the routes; `running` is what `/api/ps` says of the loaded model."""
    shown = {
        "model_info": {"qwen2.context_length": 32_768},
        "parameters": f"num_ctx    {num_ctx}" if num_ctx else "temperature 0.7",
    }
    loaded = [{"name": "scripted:latest", "context_length": running}] if running else []
    return {
        "/v1/models": js({"data": [{"id": "scripted:latest", "owned_by": "library"}]}),
        "/props": js({"error": "not found"}, 404),
        "/api/version": js({"version": "0.32.9"}),
        "/api/show": js(shown),
        "/api/ps": js({"models": loaded}),
    }


def lm_studio(loaded: int = 4_096) -> dict[str, Reply]:
    entry = {
        "id": "scripted",
        "state": "loaded",
        "max_context_length": 65_536,
        "loaded_context_length": loaded,
    }
    return {
        "/v1/models": js({"data": [{"id": "scripted", "owned_by": "organization_owner"}]}),
        # It answers 200 to any path.
        "/props": js({"error": "Unexpected endpoint or method"}),
        "/api/v0/models": js({"data": [entry]}),
    }
