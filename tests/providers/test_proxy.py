from __future__ import annotations

import asyncio
import base64
import threading

import pytest
import scripted_server as server_of
from asking import ask, failure

from qcode.errors import ProviderFault, UsageError
from qcode.providers import Done, TextPart
from qcode.providers.chat import ChatProvider
from qcode.providers.proxy import Proxy, parse_proxy, proxy_for, wanted


@pytest.mark.parametrize(
    "environ, proxy",
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:8080"}, Proxy("p", 8080)),
        ({"https_proxy": "p:8080", "HTTPS_PROXY": "http://other:1"}, Proxy("p", 8080)),
        ({"HTTP_PROXY": "http://p:8080"}, None),
        ({"ALL_PROXY": "http://p"}, Proxy("p", 80)),
        ({"HTTPS_PROXY": "https://p"}, Proxy("p", 443, tls=True)),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com"}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.b, .example.com"}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*.example.com"}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.example.com:443"}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.example.com:80"}, Proxy("p", 1)),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "ample.com"}, Proxy("p", 1)),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
    ],
)
def test_the_environment_chooses_the_proxy(environ: dict[str, str], proxy: Proxy | None) -> None:
    assert proxy_for("https", "api.example.com", 443, environ) == proxy
    assert wanted(environ) == bool(environ)


def test_networks_can_be_left_out() -> None:
    environ = {"HTTP_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8,::1"}

    assert proxy_for("http", "10.1.2.3", 80, environ) is None
    assert proxy_for("http", "::1", 80, environ) is None
    assert proxy_for("http", "192.168.1.1", 80, environ) == Proxy("p", 1)


def test_user_and_password_are_sent() -> None:
    proxy = parse_proxy("http://me:p%40ss@p:3128", "HTTPS_PROXY")

    assert proxy.authorization == "Basic " + base64.b64encode(b"me:p@ss").decode()


@pytest.mark.parametrize("url", ["socks5://p:1080", "http://:x", "ftp://p", "http://me:secret@p:x"])
def test_other_proxies_are_one_clear_error(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_proxy(url, "ALL_PROXY")

    assert "ALL_PROXY" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_loopback_is_not_proxied_by_the_environment() -> None:
    with server_of.ScriptedServer([server_of.text("hi", chunks=1)]) as server:
        provider = ChatProvider(
            base_url=server.base_url, model="m", environ={"ALL_PROXY": "socks5://127.0.0.1:1"}
        )

        assert isinstance(ask(provider)[-1], Done)


def test_plain_requests_go_to_the_proxy_whole() -> None:
    lines: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines.extend(head.split("\r\n"))
        answer = server_of.whole({"role": "assistant", "content": "hi"}).body
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
        await writer.drain()
        writer.close()

    with _Listening(serve) as port:
        provider = ChatProvider(
            base_url="http://127.0.0.1:9/v1", model="m", proxy=f"http://a:b@127.0.0.1:{port}"
        )

        assert TextPart("hi") in ask(provider)

    assert lines[0] == "POST http://127.0.0.1:9/v1/chat/completions HTTP/1.1"
    assert "Proxy-Authorization: Basic YTpi" in lines


def test_a_proxy_that_refuses_the_tunnel_is_named() -> None:
    lines: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.extend((await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n"))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    with _Listening(serve) as port:
        provider = ChatProvider(
            base_url="https://api.example.com/v1", model="m", proxy=f"http://a:b@127.0.0.1:{port}"
        )
        error = failure(provider)

    assert lines[0] == "CONNECT api.example.com:443 HTTP/1.1"
    assert "Proxy-Authorization: Basic YTpi" in lines
    assert error.fault is ProviderFault.UNREACHABLE
    assert error.message == (
        "cannot reach `api.example.com`: "
        "the proxy 127.0.0.1 answered 407 Proxy Authentication Required"
    )


class _Listening:
    """Serves on a free port, in a loop and a thread of its own."""

    def __init__(self, serve: object) -> None:
        self._serve = serve
        self._ready = threading.Event()
        self._port = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)  # type: ignore[arg-type]
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()

    def __enter__(self) -> int:
        self._thread.start()
        self._ready.wait(5)
        return self._port

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(5)
