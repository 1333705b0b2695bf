"""The guard in processes of their own: what was added to an interpreter stays there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from local_doubles import Web

HEAD = """
import json, os, socket, sys
from qcode.network import guard
def said(do):
    try:
        do()
    except BaseException as error:
        refused = guard.offline_in(error)
        return refused.message if refused else f"{type(error).__name__}: {error}"
    return "done"
"""


def played(code: str, *arguments: str, **environ: str) -> Any:
    """Run code that sets `out`, which is returned."""
    script = f"{HEAD}\n{code}\nprint(json.dumps(out))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, **environ},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


REFUSED = "offline: {} (asked for by __main__) is not this machine, so nothing is sent there"

TRIES = """
guard.refuse_others()
T, U, S4, S6 = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.AF_INET, socket.AF_INET6
tries = {
    "connect": lambda: socket.socket().connect(("192.0.2.1", 80)),
    "connect_ex": lambda: socket.socket().connect_ex(("192.0.2.1", 80)),
    "a name": lambda: socket.socket().connect(("name.invalid", 80)),
    "bytes": lambda: socket.socket().connect((b"name.invalid", 80)),
    "any": lambda: socket.socket().connect(("0.0.0.0", 80)),
    "nothing": lambda: socket.socket().connect(("", 80)),
    "old spelling": lambda: socket.socket().connect(("127.1", 80)),
    "mapped": lambda: socket.socket(S6).connect(("::ffff:192.0.2.1", 80)),
    "sendto": lambda: socket.socket(S4, U).sendto(b"x", ("192.0.2.1", 53)),
    "sendto flags": lambda: socket.socket(S4, U).sendto(b"x", 0, ("name.invalid", 53)),
    "sendmsg": lambda: socket.socket(S4, U).sendmsg([b"x"], [], 0, ("192.0.2.1", 53)),
    "broadcast": lambda: socket.socket(S4, U).sendto(b"x", ("<broadcast>", 9)),
    "getaddrinfo": lambda: socket.getaddrinfo("name.invalid", 443),
    "gethostbyname": lambda: socket.gethostbyname("name.invalid"),
    "gethostbyname_ex": lambda: socket.gethostbyname_ex("name.invalid"),
    "gethostbyaddr": lambda: socket.gethostbyaddr("192.0.2.1"),
    "getnameinfo": lambda: socket.getnameinfo(("192.0.2.1", 80), 0),
    "the C module": lambda: __import__("_socket").getaddrinfo("name.invalid", 443),
    "its sockets": lambda: __import__("_socket").socket(S4, T).connect(("name.invalid", 80)),
    "its names": lambda: __import__("_socket").gethostbyaddr("127.0.0.2"),
    "a scope": lambda: socket.socket(S6, U).sendto(b"x", ("::1%none", 53)),
    "a scope looked up": lambda: socket.getaddrinfo("::1%none", 53),
}
out = {name: said(do) for name, do in tries.items()}
"""


def test_whatever_leaves_this_machine_is_refused() -> None:
    out = played(TRIES)

    assert {name: text for name, text in out.items() if not text.startswith("offline: ")} == {}
    assert out["connect"] == REFUSED.format("192.0.2.1:80")


def test_names_are_not_looked_up() -> None:
    # A name that is looked up in vain is another error (`gaierror`).
    out = played(TRIES)

    assert {out["a name"], out["bytes"]} == {REFUSED.format("name.invalid:80")}


def test_this_machine_is_not_looked_up_either() -> None:
    """127.0.0.2 stands in no file of hosts, so that a name server would be asked for its name."""
    out = played(
        """
guard.refuse_others()
out = [
    socket.gethostbyaddr("127.0.0.2"), socket.getnameinfo(("127.0.0.2", 80), 0)[0],
    socket.getfqdn("127.0.0.2"), socket.gethostbyname("LOCALHOST"),
    socket.gethostbyname_ex("localhost"), socket.gethostbyaddr("::1"),
]
"""
    )

    assert out == [
        ["localhost", [], ["127.0.0.2"]],
        *("127.0.0.2", "localhost", "127.0.0.1"),
        ["localhost", [], ["127.0.0.1"]],
        ["localhost", [], ["::1"]],
    ]


def test_this_machine_stays(tmp_path: Path) -> None:
    out = played(
        """
        guard.refuse_others()
        def by(family, host):
            with socket.socket(family) as listener:
                listener.bind((host, 0)); listener.listen()
                port = listener.getsockname()[1]
                socket.create_connection((sys.argv[1] if host == "127.0.0.1" else host, port), 5)
        def unix():
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(sys.argv[2]); listener.listen()
                socket.socket(socket.AF_UNIX).connect(sys.argv[2])
        def pair():
            socket.socketpair()
        def told():
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("localhost", 9))
        out = [said(lambda: by(socket.AF_INET, "127.0.0.1")), said(unix), said(pair), said(told)]
        """.replace("\n        ", "\n"),
        "localhost",
        str(tmp_path / "s"),
    )

    assert out == ["done"] * 4


def test_there_is_no_way_back() -> None:
    out = played(
        """
import _socket
connect, ask = socket.socket.connect, socket.getaddrinfo
guard.refuse_others()
guard._is_offline = False
guard.is_loopback = lambda host: True
guard._refused = lambda host, port: None
socket.socket.connect, socket.getaddrinfo = connect, ask
class Bare(_socket.socket): pass
out = [said(lambda: socket.socket().connect(("192.0.2.1", 80))),
       said(lambda: socket.getaddrinfo("name.invalid", 80)),
       said(lambda: Bare().connect(("192.0.2.1", 80)))]
"""
    )

    assert [text.partition(" (")[0] for text in out] == [
        "offline: 192.0.2.1:80",
        "offline: name.invalid:80",
        "offline: 192.0.2.1:80",
    ]


LIBRARIES = {
    "httpx": "import httpx; httpx.get('https://name.invalid/')",
    "httpx2": "import httpx2; httpx2.get('https://name.invalid/')",
    "httpx, asynchronous": (
        "import asyncio, httpx\n"
        "async def get():\n async with httpx.AsyncClient() as c: await c.get('https://name.invalid')\n"
        "asyncio.run(get())"
    ),
    "urllib": "import urllib.request; urllib.request.urlopen('http://name.invalid/')",
    "http.client": (
        "import http.client; http.client.HTTPSConnection('name.invalid').request('GET', '/')"
    ),
    "requests": "import requests; requests.get('https://name.invalid/')",
    "aiohttp": (
        "import asyncio, aiohttp\n"
        "async def get():\n async with aiohttp.ClientSession() as s: await s.get('http://name.invalid')\n"
        "asyncio.run(get())"
    ),
    "openai": ("import openai\nopenai.OpenAI(api_key='k', max_retries=0).models.list()"),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_libraries_are_refused(library: str) -> None:
    code = "guard.refuse_others()\nout = said(lambda: exec(sys.argv[1], {}))"

    out = played(code, LIBRARIES[library])

    assert out.startswith("offline: ")
    assert "is not this machine" in out


@pytest.mark.slow
def test_litellm_gets_no_prices_and_works_all_the_same() -> None:
    out = played(
        """
asked = []
def hear(event, args):
    if event == "socket.getaddrinfo":
        asked.append(str(args[0]))
sys.addaudithook(hear)
guard.refuse_others()
import litellm
out = [asked, bool(litellm.model_cost)]
""",
        LITELLM_LOCAL_MODEL_COST_MAP="",
    )

    assert "raw.githubusercontent.com" in out[0]
    assert out[1]


def test_no_model_is_fetched_from_a_hub() -> None:
    out = played(
        """
guard.refuse_others()
from qcode.local.fetch import fetch
class Progress:
    def update(self, *_):
        pass
    note = update
out = said(lambda: fetch("owner/name", progress=Progress()))
""",
        HF_ENDPOINT="https://hub.invalid",
    )

    assert out.startswith("offline: hub.invalid:443 (download) is not this machine")


def test_a_redirect_of_a_server_here_is_not_followed_elsewhere() -> None:
    web = Web(lambda _handler, _body: (302, {"Location": "http://name.invalid/"}, b""))
    try:
        out = played(
            "import httpx\nguard.refuse_others()\n"
            "out = said(lambda: httpx.get(sys.argv[1], follow_redirects=True))",
            web.url,
        )
    finally:
        web.close()

    assert out.startswith("offline: name.invalid:80")


def test_a_page_here_that_leads_elsewhere_is_told_of_in_a_line() -> None:
    web = Web(lambda _handler, _body: (302, {"Location": "http://127.1/next"}, b""))
    try:
        out = played(
            "import asyncio\nfrom qcode.mentions.pages import page\nguard.refuse_others()\n"
            "out = said(lambda: asyncio.run(page(sys.argv[1])))",
            web.url,
        )
    finally:
        web.close()

    assert out.startswith("offline: 127.1:80")


@pytest.mark.parametrize("library", ["httpx", "urllib", "requests"])
def test_a_proxy_elsewhere_is_not_used(library: str) -> None:
    code = "guard.refuse_others()\nout = said(lambda: exec(sys.argv[1], {}))"
    source = LIBRARIES[library].replace("https://", "http://")

    out = played(
        code, source, HTTP_PROXY="http://proxy.invalid:3128", http_proxy="http://proxy.invalid:3128"
    )

    assert out.startswith("offline: proxy.invalid:3128")


def test_what_connects_beneath_python_is_not_there() -> None:
    out = played("guard.refuse_others()\nout = said(lambda: __import__('pycares'))")

    assert out.startswith("ModuleNotFoundError: `pycares` connects beneath Python")


def test_no_other_python_is_started() -> None:
    out = played(
        """
import multiprocessing
guard.refuse_others()
def started():
    multiprocessing.get_context("spawn").Process(target=print).start()
out = said(started)
"""
    )

    assert out.startswith("ModuleNotFoundError: `multiprocessing.popen_spawn_posix` connects")


def test_programs_are_started_by_the_sandbox_alone() -> None:
    out = played(
        """
import ctypes.util, platform, subprocess
from qcode.sandbox import plain
guard.refuse_others()
def kept():
    with_it = plain.start(["true"], cwd="/")
    with_it.wait(10); with_it.close()
out = [said(lambda: subprocess.run(["true"])), said(lambda: os.system("true")), said(kept),
       said(platform.processor), said(lambda: ctypes.util.find_library("c"))]
"""
    )

    assert out[0].startswith("offline: `true`, started by __main__, would reach the network")
    assert out[1].startswith("offline: `a program`, started by __main__")
    assert out[2:] == ["done"] * 3


def test_what_is_made_up_of_a_refusal_still_tells_it() -> None:
    from qcode.errors import OfflineError
    from qcode.network.guard import offline_in

    refused = OfflineError("offline: a", hint="b")
    wrapped = RuntimeError("c")
    wrapped.__cause__ = ExceptionGroup("d", [ValueError(), refused])

    assert offline_in(wrapped) is refused
    assert offline_in(RuntimeError()) is None
    assert (str(refused), refused.exit_code, refused.strerror) == (
        "offline: a; b",
        3,
        "offline: a; b",
    )
