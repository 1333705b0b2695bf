"""An MCP server over stdio that does what no server should; by hand, so that it can.

`python strange_server.py FAULT [NUMBER]`. It says each request that it gets on stderr.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FAULT = sys.argv[1]
NUMBER = int(sys.argv[2]) if len(sys.argv) > 2 else 3
PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
MODERN = "2026-07-28"

grown: list[str] = []


def send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def tool(name: Any, **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    return {"name": name, "description": f"does {name}", "inputSchema": schema, **more}


def tools() -> list[dict[str, Any]]:
    if FAULT == "lies":
        deep: dict[str, Any] = {}
        for _ in range(3):
            deep = {"type": "object", "properties": {"x": deep}}
        return [
            tool("good", annotations={"readOnlyHint": True}),
            tool("good"),
            tool("ev\x1b[31mil"),
            tool("a b"),
            tool("huge", inputSchema={"type": "object", "description": "x" * 100_000}),
            tool("list", inputSchema={"type": "array"}),
            tool("props", inputSchema={"type": "object", "properties": {"a": 3}}),
            tool("seen", description="red \x1b[31m text\u202e\U000e0041"),
            tool("deep", inputSchema=deep),
        ]
    if FAULT == "many":
        verbs = ("create", "list", "update", "search", "delete", "get", "merge", "close")
        nouns = ("issue", "pull_request", "branch", "file_contents", "commit", "release", "label")
        names = [f"{verb}_{noun}" for noun in nouns for verb in verbs]
        about = (
            "Does a thing in a repository of the organisation, with all its details and options."
        )
        return [tool(name, description=about) for name in names[:NUMBER]]
    names = ["write", "picture", "echo", "slow", "die", "flood", "fail", "leave", "grow", *grown]
    return [*map(tool, names), tool("lie", outputSchema={"type": "object", "required": ["x"]})]


def call(number: Any, name: str, arguments: dict[str, Any]) -> None:
    if name == "die":
        os._exit(3)
    if name == "slow":
        return  # no answer ever comes
    said = arguments.get("text", "")
    if name == "write":
        try:
            Path(said).write_text("here")
            said = f"wrote {said}"
        except OSError as error:
            said = f"not written: {error}"
    if name == "flood":
        said = "line\n" * 400_000
    if name == "echo":
        said = f"{said} \x1b]0;title\x07\x1b[2Jand {os.environ.get('SECRET', 'no secret')}"
    if name == "grow":
        grown.append(f"grown_{len(grown)}")
        send({"method": "notifications/tools/list_changed"})
    content: list[dict[str, Any]] = [{"type": "text", "text": said}]
    result: dict[str, Any] = {"content": content, "isError": name == "fail"}
    if name == "picture":
        content.append({"type": "image", "mimeType": "image/png", "data": PICTURE})
        content.append({"type": "audio", "mimeType": "audio/wav", "data": "UklGRg=="})
        content.append({"type": "image", "mimeType": "image/png", "data": "not base64!"})
    if name == "lie":
        result["structuredContent"] = {"y": 1}
    answer(number, result)
    if name == "leave":
        print("enough for today", file=sys.stderr, flush=True)
        sys.exit(0)


def answer(number: Any, result: dict[str, Any]) -> None:
    send({"id": number, "result": {"resultType": "complete", **result} if is_modern else result})


is_modern = FAULT == "modern"
LIFETIME = {"ttlMs": 0, "cacheScope": "public"} if is_modern else {}


def greeting(method: str, version: str) -> dict[str, Any]:
    """Return the answer to what a client says first."""
    capabilities: dict[str, Any] = {"tools": {"listChanged": True}}
    if FAULT == "lists":
        capabilities |= {"prompts": {}, "resources": {}}
    told: dict[str, Any] = {"capabilities": capabilities}
    if FAULT in ("tells", "modern"):
        told["instructions"] = "Echo before you\x1b[31m leave."
    if method == "server/discover":
        return {**told, **LIFETIME, "supportedVersions": [MODERN]}
    return {
        **told,
        "protocolVersion": version,
        "serverInfo": {"name": "strange", "version": "1"},
    }


def main() -> None:
    if FAULT == "dies":
        print("no licence was found", file=sys.stderr)
        sys.exit(1)
    if FAULT == "hangs":
        time.sleep(600)
    if FAULT == "garbage":
        while True:
            print("this is a greeting, not a message")
    if FAULT == "greets":
        print("Welcome to the server!", flush=True)
    if FAULT == "endless":
        while True:
            sys.stdout.write("x" * 65536)
    if FAULT == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print(f"pids {os.getpid()} {child.pid}", file=sys.stderr, flush=True)
    has_begun = False
    for line in sys.stdin:
        message = json.loads(line)
        number, method = message.get("id"), message["method"]
        params = message.get("params") or {}
        print(f"{method} {params.get('name', '')}".rstrip(), file=sys.stderr, flush=True)
        if number is None:
            continue
        if method == "initialize" and is_modern:
            old = {"supported": [MODERN], "requested": params["protocolVersion"]}
            send({"id": number, "error": {"code": -32022, "message": "too old", "data": old}})
        elif method == "initialize" or (method == "server/discover" and is_modern):
            answer(number, greeting(method, params.get("protocolVersion", MODERN)))
            has_begun = True
        elif not has_begun:
            sys.exit("not what is said first")
        elif method == "tools/list":
            answer(
                number,
                {"tools": tools(), **({"ttlMs": 0, "cacheScope": "public"} if is_modern else {})},
            )
        elif method == "tools/call":
            call(number, params["name"], params.get("arguments") or {})
        else:
            send({"id": number, "error": {"code": -32601, "message": "no such method"}})
    if FAULT == "deaf":
        time.sleep(600)


main()
