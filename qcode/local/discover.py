"""Find model servers that already run on this machine, by asking the usual ports."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

USUAL_PORTS: Mapping[str, int] = MappingProxyType(
    {"llama.cpp": 8080, "vLLM": 8000, "LM Studio": 1234, "Ollama": 11434, "SGLang": 30000}
)
"""The default ports of each server's own documentation."""

CHOICES = """\
no model is configured and no local server answers on its usual port; choose one:
  qcode local up         fetch a small coding model (1.1 GB) and serve it; `run --local` does both
  your own server        start llama.cpp, vLLM, LM Studio, Ollama or SGLang; qcode finds it
  --base-url URL         any OpenAI-compatible endpoint; or QCODE_BASE_URL, key in QCODE_API_KEY
  -m PROVIDER/MODEL      a hosted model through LiteLLM, with that provider's own key variable"""
"""What to say when nothing was found: five lines."""

_HOST = "127.0.0.1"
_BODY_LIMIT = 4 << 20
"""Bytes read of one answer; a list of models is far smaller."""


@dataclass(frozen=True, slots=True)
class Found:
    """A server that answered."""

    kind: str
    """A key of `USUAL_PORTS`, or `OpenAI-compatible` when the answer does not tell."""
    base_url: str
    """Ends in `/v1`."""
    models: tuple[str, ...]
    """Ids as the server lists them, a loaded one first where that is known."""
    context_window: int | None
    """Tokens that the first model is served with; None when the server does not say."""


def discover(timeout_s: float = 0.4, ports: Mapping[str, int] = USUAL_PORTS) -> tuple[Found, ...]:
    """Ask every port at once and return what answers like a model server, in the order of `ports`.

    The whole takes at most about `timeout_s`. Never raises for what a server does:
    one that is slow, wants a key or answers something else is left out.
    """
    deadline = time.monotonic() + timeout_s
    numbers = tuple(dict.fromkeys(ports.values()))
    found: dict[int, Found] = {}
    # Daemon threads: a server that drips its answer must not keep qcode from going on.
    threads = [
        threading.Thread(
            target=_probe, args=(_Peer(port, deadline), found.__setitem__), daemon=True
        )
        for port in numbers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return tuple(found[port] for port in numbers if port in found)


@dataclass(frozen=True, slots=True)
class _Peer:
    port: int
    deadline: float
    """On the monotonic clock."""

    def ask(self, path: str, body: object = None) -> tuple[object, str]:
        """Return the JSON of one answer and its Server header; (None, "") for anything else."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            return None, ""
        # http.client knows no proxies, which is right for loopback.
        connection = http.client.HTTPConnection(_HOST, self.port, timeout=left)
        try:
            if body is None:
                connection.request("GET", path)
            else:
                headers = {"Content-Type": "application/json"}
                connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            if answer.status != 200:
                return None, ""
            return json.loads(answer.read(_BODY_LIMIT)), answer.getheader("Server", "")
        except (OSError, http.client.HTTPException, ValueError, RecursionError):
            return None, ""
        finally:
            connection.close()


def _probe(peer: _Peer, report: Callable[[int, Found], None]) -> None:
    """Report what is known after each answer, so that a slow second one costs only its detail."""
    answer, server = peer.ask("/v1/models")
    entries = _records(answer, "data")
    names = _names(entries, "id")
    if not names:
        return
    found = Found(
        kind=_kind(entries[0], server),
        base_url=f"http://{_HOST}:{peer.port}/v1",
        models=names,
        # llama.cpp's meta.n_ctx is what /props says, without a second question.
        context_window=_number(entries[0].get("max_model_len"))
        or _number(_record(entries[0].get("meta")).get("n_ctx")),
    )
    report(peer.port, found)
    report(peer.port, _refined(found, peer))


def _kind(entry: dict[str, Any], server: str) -> str:
    owner = str(entry.get("owned_by", ""))
    if owner == "llamacpp" or server.startswith("llama.cpp"):
        return "llama.cpp"
    return {"vllm": "vLLM", "sglang": "SGLang"}.get(owner, "OpenAI-compatible")


def _refined(found: Found, peer: _Peer) -> Found:
    """Ask once more for what `/v1/models` left open."""
    if found.kind == "OpenAI-compatible":
        return _by_own_api(found, peer)
    if found.context_window is not None:
        return found
    window: object = None
    if found.kind == "llama.cpp":
        props = _record(peer.ask("/props")[0])
        window = _record(props.get("default_generation_settings")).get("n_ctx")
    elif found.kind == "SGLang":
        window = _record(peer.ask("/get_model_info")[0]).get("context_length")
    return replace(found, context_window=_number(window))


def _by_own_api(found: Found, peer: _Peer) -> Found:
    """LM Studio and Ollama look alike in `/v1/models`; their own API tells them apart."""
    tags = _record(peer.ask("/api/tags")[0])
    if isinstance(tags.get("models"), list):
        return _ollama(replace(found, kind="Ollama"), tags, peer)
    own = _records(peer.ask("/api/v0/models")[0], "data")
    if any("max_context_length" in entry for entry in own):
        return _lm_studio(replace(found, kind="LM Studio"), own)
    return found


def _ollama(found: Found, tags: dict[str, Any], peer: _Peer) -> Found:
    """Read the window that Ollama really serves with, which is rarely the model's own.

    A loaded model says it (`/api/ps`); else its `num_ctx` parameter does, if it has one.
    The trained length in `model_info` is not it: Ollama cuts a longer prompt silently.
    """
    running = _records(peer.ask("/api/ps")[0], "models")
    loaded = _names(running, "name")
    models = tuple(dict.fromkeys(loaded + found.models + _names(_records(tags, "models"), "name")))
    window = _number(running[0].get("context_length")) if running else None
    if models and window is None:
        shown = _record(peer.ask("/api/show", {"model": models[0]})[0])
        window = _num_ctx(shown.get("parameters"))
    return replace(found, models=models, context_window=window)


def _num_ctx(parameters: object) -> int | None:
    """Find `num_ctx` in a Modelfile's parameters, one `name value` a line."""
    for line in str(parameters).splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "num_ctx" and words[1].isdigit():
            return int(words[1])
    return None


def _lm_studio(found: Found, own: list[dict[str, Any]]) -> Found:
    chat = [entry for entry in own if entry.get("type") != "embeddings"]
    loaded = [entry for entry in chat if entry.get("state") == "loaded"]
    # A model that is not loaded yet will be loaded with a window that only LM Studio knows.
    window = _number(loaded[0].get("loaded_context_length")) if loaded else None
    models = tuple(dict.fromkeys(_names(loaded, "id") + _names(chat, "id"))) or found.models
    return replace(found, models=models, context_window=window)


def _record(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _records(value: object, key: str) -> list[dict[str, Any]]:
    entries = _record(value).get(key)
    return (
        [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    )


def _names(entries: list[dict[str, Any]], key: str) -> tuple[str, ...]:
    return tuple(name for entry in entries if isinstance(name := entry.get(key), str) and name)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
