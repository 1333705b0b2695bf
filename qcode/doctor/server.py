"""Which server answers, and what it says of itself.

Sources: llama.cpp's server README (`/props`), vLLM's and SGLang's model cards
(`max_model_len`), LM Studio's REST API v0, Ollama's API (`/api/ps`, `/api/show`).
"""

from __future__ import annotations

from qcode.doctor.wire import Reply, Wire, as_count, as_object, as_objects
from qcode.messages import JsonObject
from qcode.record import Record, replace

LLAMA_CPP, VLLM, SGLANG = "llama.cpp", "vLLM", "SGLang"
LM_STUDIO, OLLAMA, OPENAI = "LM Studio", "Ollama", "OpenAI"
UNKNOWN = "OpenAI-compatible"


class Server(Record):
    """What a server says of itself and of one model."""

    kind: str
    """One of the names above, or a hosted provider's."""
    version: str = ""
    models: tuple[str, ...] = ()
    window: int | None = None
    """Tokens that the model is served with."""
    window_source: str = ""
    """Where it is said."""
    trained: int | None = None
    """Tokens that the model itself could take."""
    slots: int | None = None
    """Requests that share llama.cpp's memory for contexts."""


def listed(reply: Reply) -> tuple[str, ...]:
    """Return the models that the reply to `GET /models` names."""
    entries = as_objects(as_object(reply.json).get("data", reply.json))
    names = [entry.get("id") or entry.get("name") for entry in entries]
    return tuple(name for name in names if isinstance(name, str))


def serves(models: tuple[str, ...], model: str) -> bool:
    """Return whether a model is among those listed; Ollama's plain names mean `:latest`."""
    return model in models or f"{model}:latest" in models


async def identify(wire: Wire, listing: Reply, model: str) -> Server:
    """Return what the listing and the server's own paths say; asks no more than it must."""
    entries = as_objects(as_object(listing.json).get("data", listing.json))
    entry = next((e for e in entries if e.get("id") == model), entries[0] if entries else {})
    found = Server(UNKNOWN, models=listed(listing))
    if wire.target.kind == "responses":
        return replace(found, kind=OPENAI)
    owner = str(entry.get("owned_by", "")).lower()
    if owner == "vllm":
        version = as_object(await wire.own("/version")).get("version")
        found = replace(found, kind=VLLM, version=_text(version))
        return _with_window(found, entry.get("max_model_len"), "/v1/models")
    if owner == "sglang":
        return await _sglang(wire, replace(found, kind=SGLANG), entry)
    props = await wire.own("/props")
    is_llama = owner == "llamacpp" or listing.headers.get("server", "").startswith("llama.cpp")
    if is_llama or "default_generation_settings" in props:
        return _llama_cpp(replace(found, kind=LLAMA_CPP), entry, props)
    own = as_objects((await wire.own("/api/v0/models")).get("data"))
    if any("max_context_length" in e for e in own):
        return _lm_studio(replace(found, kind=LM_STUDIO), own, model)
    version = (await wire.own("/api/version")).get("version")
    if version:
        found = replace(found, kind=OLLAMA, version=_text(version))
        return await _ollama(wire, found, model)
    for field in ("max_model_len", "context_length", "context_window"):
        if as_count(entry.get(field)):
            return _with_window(found, entry[field], "/v1/models")
    return found


def _llama_cpp(found: Server, entry: JsonObject, props: JsonObject) -> Server:
    meta = as_object(entry.get("meta"))
    settings = as_object(props.get("default_generation_settings"))
    found = replace(
        found,
        version=_text(props.get("build_info")),
        trained=as_count(meta.get("n_ctx_train")),
        slots=as_count(props.get("total_slots")),
    )
    if as_count(settings.get("n_ctx")):
        return _with_window(found, settings["n_ctx"], "/props")
    return _with_window(found, meta.get("n_ctx"), "/v1/models")


async def _sglang(wire: Wire, found: Server, entry: JsonObject) -> Server:
    if as_count(entry.get("max_model_len")):
        return _with_window(found, entry["max_model_len"], "/v1/models")
    info = await wire.own("/get_model_info")
    return _with_window(found, info.get("context_length"), "/get_model_info")


def _lm_studio(found: Server, own: list[JsonObject], model: str) -> Server:
    entry = next((e for e in own if e.get("id") == model), {})
    found = replace(found, trained=as_count(entry.get("max_context_length")))
    return _with_window(found, entry.get("loaded_context_length"), "/api/v0/models")


async def _ollama(wire: Wire, found: Server, model: str) -> Server:
    """A loaded model's window stands in `/api/ps`; before that, `num_ctx` is what it will get."""
    shown = await wire.own("/api/show", {"model": model})
    lengths = [v for k, v in as_object(shown.get("model_info")).items() if "context_length" in k]
    found = replace(found, trained=as_count(lengths[0]) if lengths else None)
    for running in as_objects((await wire.own("/api/ps")).get("models")):
        name = running.get("name") or running.get("model")
        if name in (model, f"{model}:latest") and as_count(running.get("context_length")):
            return _with_window(found, running["context_length"], "/api/ps")
    for line in str(shown.get("parameters", "")).splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "num_ctx" and words[1].isdigit():
            return _with_window(found, int(words[1]), "num_ctx in /api/show")
    return found


def _with_window(found: Server, window: object, source: str) -> Server:
    count = as_count(window)
    return replace(found, window=count, window_source=source) if count else found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
