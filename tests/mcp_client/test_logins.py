"""Logins by OAuth, against a real authorization server: what holds, and how it is renewed."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from offering import Person, free_port, listening

from qcode.errors import UsageError
from qcode.mcp.connection import Connection
from qcode.mcp.errors import LoginNeeded
from qcode.mcp.servers import Server, server
from qcode.mcp.tokens import Kept
from qcode.mcp.transports import Surroundings
from qcode.sandbox.plain import Plain


def connection(far: Server, folder: Path, person: Person | None = None) -> Connection:
    outside = Plain(dict(os.environ))
    around = Surroundings(
        cwd=folder,
        outside=outside,
        inside=outside,
        tokens=folder / "tokens",
        login=person.log_in if person else None,
    )
    return Connection(far, around)


async def add(to: Connection) -> str:
    async def asking(client: Any, _alive: Any) -> Any:
        return await client.call_tool("add", {"a": 1, "b": 2})

    return str((await to.ask(asking)).content[0].text)


async def once(far: Server, folder: Path, person: Person | None = None) -> str:
    """Connect, add, and close."""
    made = connection(far, folder, person)
    try:
        return await add(made)
    finally:
        await made.close()


def test_a_login_is_renewed_as_long_as_that_needs_nobody(tmp_path: Path) -> None:
    async def do(port: int) -> None:
        far = server("far", {"url": f"http://127.0.0.1:{port}/mcp"}, {})
        kept, person = Kept(tmp_path / "tokens", far), Person()

        def change(**more: Any) -> None:
            data = kept.read()
            data["tokens"] |= more.pop("tokens", {})
            kept.file.write_text(json.dumps({**data, **more}))

        with pytest.raises(LoginNeeded, match="wants to know who asks"):
            await once(far, tmp_path)
        assert await once(far, tmp_path, person) == "3"
        assert len(person.asked) == 1
        first = kept.read()["tokens"]
        beside = connection(far, tmp_path)
        assert await add(beside) == "3"
        assert kept.read()["tokens"] == first
        # An hour later in another process, while this connection stands.
        change(expires_at=1.0)
        assert await once(far, tmp_path) == "3"
        second = kept.read()["tokens"]
        assert second["access_token"] != first["access_token"]
        assert await add(beside) == "3"  # with what the other one got: its own does not hold
        assert kept.read()["tokens"] == second
        # The server does not take it, whatever its life was said to be.
        change(tokens={"access_token": "gone"})
        assert await add(beside) == "3"
        assert kept.read()["tokens"]["access_token"] not in ("gone", second["access_token"])
        change(tokens={"access_token": "gone", "refresh_token": "gone"})
        with pytest.raises(LoginNeeded, match="does not hold any more"):
            await once(far, tmp_path)
        await beside.close()
        assert await once(far, tmp_path, person) == "3"
        assert len(person.asked) == 2
        assert kept.file.stat().st_mode & 0o777 == 0o600

    with listening("oauth") as port:
        asyncio.run(do(port))


def test_who_is_known_beforehand_need_not_register(tmp_path: Path) -> None:
    redirect = f"http://localhost:{free_port()}/back"

    async def do(port: int) -> None:
        oauth = {
            "clientId": "arranged",
            "clientSecret": "${SECRET}",
            "scopes": ["read"],
            "redirectUri": redirect,
        }
        table = {"url": f"http://127.0.0.1:{port}/mcp", "oauth": oauth}
        far, person = server("far", table, {"SECRET": "between us"}), Person()
        assert await once(far, tmp_path, person) == "3"
        (url,) = person.asked
        asked = parse_qs(urlsplit(url).query)
        assert asked["client_id"] == ["arranged"]
        assert asked["scope"] == ["read"]
        assert asked["redirect_uri"] == [redirect]
        assert await once(far, tmp_path) == "3"
        assert "between us" not in Kept(tmp_path / "tokens", far).file.read_text()

    with listening("oauth", redirect) as port:
        asyncio.run(do(port))


def test_a_login_is_answered_on_this_machine_alone() -> None:
    for redirect in ("http://example.com:80/", "https://localhost:1/", "http://localhost/"):
        table = {"url": "https://example.com/mcp", "oauth": {"redirect": redirect}}
        with pytest.raises(UsageError, match="address of this machine"):
            server("far", table, {})
