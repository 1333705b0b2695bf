from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from local_doubles import Answer, Reply, Web

from qcode.local.discover import CHOICES, USUAL_PORTS, Found, discover

ServeJson = Callable[[dict[str, object]], Web]


def models(*ids: str, **more: object) -> dict[str, object]:
    return {"object": "list", "data": [{"id": name, **more} for name in ids]}


SERVERS: dict[str, tuple[dict[str, object], tuple[str, ...], int | None]] = {
    "llama.cpp": (
        {
            "/v1/models": models("coder", owned_by="llamacpp", meta={"n_ctx_train": 32768}),
            "/props": {"default_generation_settings": {"n_ctx": 8192}},
        },
        ("coder",),
        8192,
    ),
    "vLLM": (
        {"/v1/models": models("Qwen/Qwen3", owned_by="vllm", max_model_len=40960)},
        ("Qwen/Qwen3",),
        40960,
    ),
    "SGLang": (
        {
            "/v1/models": models("Qwen/Qwen3", owned_by="sglang"),
            "/get_model_info": {"context_length": 32768},
        },
        ("Qwen/Qwen3",),
        32768,
    ),
    "LM Studio": (
        {
            "/v1/models": models("cold", "warm", "embed", owned_by="organization_owner"),
            "/api/v0/models": {
                "data": [
                    {"id": "cold", "type": "llm", "state": "not-loaded", "max_context_length": 9},
                    {
                        "id": "warm",
                        "type": "llm",
                        "state": "loaded",
                        "max_context_length": 131072,
                        "loaded_context_length": 4096,
                    },
                    {"id": "embed", "type": "embeddings", "max_context_length": 2048},
                ]
            },
        },
        ("warm", "cold"),
        4096,
    ),
    "Ollama": (
        {
            "/v1/models": models("a:latest", "b:7b", owned_by="library"),
            "/api/tags": {"models": [{"name": "a:latest"}, {"name": "b:7b"}]},
            "/api/ps": {"models": [{"name": "b:7b", "context_length": 4096}]},
        },
        ("b:7b", "a:latest"),
        4096,
    ),
    "OpenAI-compatible": ({"/v1/models": models("m", owned_by="me")}, ("m",), None),
}


@pytest.mark.parametrize("kind", SERVERS)
def test_each_kind_is_told_by_what_it_answers(kind: str, serve_json: ServeJson) -> None:
    table, names, window = SERVERS[kind]
    web = serve_json(table)

    found = discover(timeout_s=5, ports={"anything": web.port})

    assert found == (Found(kind, f"{web.url}/v1", names, window),)


def test_newer_llama_cpp_tells_its_window_in_the_list(serve_json: ServeJson) -> None:
    web = serve_json({"/v1/models": models("m", owned_by="llamacpp", meta={"n_ctx": 16384})})

    (found,) = discover(timeout_s=5, ports={"llama.cpp": web.port})

    assert found.context_window == 16384
    assert [path for _, path, _ in web.requests] == ["/v1/models"]


def test_ollama_window_is_the_models_num_ctx_when_nothing_is_loaded(serve_json: ServeJson) -> None:
    web = serve_json(
        {
            "/v1/models": models("a", owned_by="library"),
            "/api/tags": {"models": [{"name": "a"}]},
            "/api/ps": {"models": []},
            "/api/show": {
                "parameters": 'stop "<|im_end|>"\nnum_ctx                        8192',
                "model_info": {"qwen2.context_length": 32768},
            },
        }
    )

    (found,) = discover(timeout_s=5, ports={"Ollama": web.port})

    assert found.context_window == 8192


def test_ollama_window_is_unknown_rather_than_the_trained_one(serve_json: ServeJson) -> None:
    web = serve_json(
        {
            "/v1/models": models("a", owned_by="library"),
            "/api/tags": {"models": [{"name": "a"}]},
            "/api/show": {"model_info": {"qwen2.context_length": 32768}},
        }
    )

    (found,) = discover(timeout_s=5, ports={"Ollama": web.port})

    assert found.context_window is None


@pytest.mark.parametrize(
    "content",
    [
        b"<!doctype html><title>It works</title>",
        b"",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"null",
        b'{"data": null}',
        b'{"data": []}',
        b'{"data": "x"}',
        b'{"data": [1, null, {"id": 7}, {"id": ""}]}',
    ],
)
def test_what_is_no_list_of_models_is_left_out(content: bytes, serve_json: ServeJson) -> None:
    web = serve_json({"/v1/models": content})

    assert discover(timeout_s=5, ports={"vLLM": web.port}) == ()


def test_nonsense_details_cost_only_the_detail(serve_json: ServeJson) -> None:
    web = serve_json(
        {
            "/v1/models": models("m", owned_by="llamacpp", meta=[1]),
            "/props": {"default_generation_settings": {"n_ctx": "many"}},
        }
    )

    (found,) = discover(timeout_s=5, ports={"llama.cpp": web.port})

    assert (found.models, found.context_window) == (("m",), None)


@pytest.mark.parametrize("status", [302, 401, 404, 500])
def test_a_refusal_is_left_out(status: int, serve: Callable[[Answer], Web]) -> None:
    web = serve(lambda request, body: (status, {"Location": "/login"}, b"{}"))

    assert discover(timeout_s=5, ports={"vLLM": web.port}) == ()


def test_silent_and_dripping_servers_do_not_hold_qcode_up(serve: Callable[[Answer], Web]) -> None:
    release = threading.Event()

    def hang(request: http.server.BaseHTTPRequestHandler, body: bytes) -> Reply:
        release.wait()
        return 200, {}, b"{}"

    def drip(request: http.server.BaseHTTPRequestHandler, body: bytes) -> Reply:
        while not release.wait(0.02):
            request.wfile.write(b"H")
        return 200, {}, b"{}"

    ports = {"hanging": serve(hang).port, "dripping": serve(drip).port}
    began = time.monotonic()

    found = discover(timeout_s=0.2, ports=ports)

    assert found == ()
    assert time.monotonic() - began < 2
    release.set()


def test_a_slow_detail_leaves_what_was_known(serve: Callable[[Answer], Web]) -> None:
    release = threading.Event()

    def answer(request: http.server.BaseHTTPRequestHandler, body: bytes) -> Reply:
        if request.path != "/v1/models":
            release.wait()
            return 404, {}, b""
        return 200, {}, b'{"data": [{"id": "m", "owned_by": "llamacpp"}]}'

    web = serve(answer)

    found = discover(timeout_s=0.5, ports={"llama.cpp": web.port})

    assert found == (Found("llama.cpp", f"{web.url}/v1", ("m",), None),)
    release.set()


def test_something_that_is_no_http_is_left_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def chatter() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(b"SSH-2.0-OpenSSH_9.6\r\n" * 10)
                peer.recv(1000)

        talker = threading.Thread(target=chatter)
        talker.start()

        assert discover(timeout_s=5, ports={"llama.cpp": listener.getsockname()[1]}) == ()
        talker.join()


def test_results_follow_the_order_of_the_ports(serve_json: ServeJson) -> None:
    webs = [serve_json({"/v1/models": models(f"m{n}", owned_by="vllm")}) for n in range(3)]
    ports: dict[str, Any] = {f"p{n}": web.port for n, web in enumerate(webs)}

    found = discover(timeout_s=5, ports={**ports, "again": webs[0].port})

    assert [entry.models for entry in found] == [("m0",), ("m1",), ("m2",)]


def test_nothing_is_found_where_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert discover(ports={"llama.cpp": port}) == ()


def test_the_choices_fit_in_five_lines() -> None:
    lines = CHOICES.splitlines()

    assert len(lines) <= 5
    assert max(map(len, lines)) <= 100


def test_the_usual_ports_are_those_of_the_servers() -> None:
    assert dict(USUAL_PORTS) == {
        "llama.cpp": 8080,
        "vLLM": 8000,
        "LM Studio": 1234,
        "Ollama": 11434,
        "SGLang": 30000,
    }
