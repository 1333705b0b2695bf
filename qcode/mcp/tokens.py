"""What logins to servers brought, in files that only the person reads."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qcode.files_safe import read_small
from qcode.mcp.errors import ServerError
from qcode.mcp.servers import Server

if TYPE_CHECKING:
    from mcp.client.auth.oauth2 import OAuthContext
    from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
    from pydantic import BaseModel

M = TypeVar("M", bound="BaseModel")


class Kept:
    """The file with a server's tokens, 0600; the library's `TokenStorage`."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.file = folder / f"{server.name}-{server.digest}.json"
        self.context: OAuthContext | None = None
        """What the library knows of the place where one logs in, to be kept with tokens."""
        self._registered = server.oauth
        self._known: Any = None
        """The tokens as they were read or written here last."""

    def read(self) -> dict[str, Any]:
        """Return what is kept; nothing where it cannot be read."""
        try:
            data = json.loads(read_small(self.file))
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def _write(self, **changes: Any) -> None:
        data = {**self.read(), **changes}
        fresh = self.file.with_name(f".{self.file.name}.{os.getpid():x}")
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            with open(os.open(fresh, flags, 0o600), "w", encoding="utf-8") as file:
                json.dump(data, file)
            os.replace(fresh, self.file)
        except OSError as error:
            raise ServerError(
                f"cannot keep the login in `{self.file}`: {error.strerror}"
            ) from error

    def forget(self) -> bool:
        """Remove the file; return whether there was one."""
        try:
            self.file.unlink()
        except FileNotFoundError:
            return False
        return True

    @property
    def port(self) -> int:
        """The port of the last login, with which the client is registered; 0: none."""
        port = self.read().get("port")
        return port if isinstance(port, int) else 0

    def begin(self, port: int) -> None:
        """Note the port of a login; a client that was registered with another is forgotten."""
        self._write(port=port, **({} if port == self.port else {"client": None}))

    @property
    def is_newer(self) -> bool:
        """Whether other tokens are kept than were read or written here: by another process."""
        kept = self.read().get("tokens")
        return kept is not None and kept != self._known

    @property
    def can_be_renewed(self) -> bool:
        """Whether new tokens can be asked for without a person."""
        tokens = self.read().get("tokens")
        return isinstance(tokens, dict) and bool(tokens.get("refresh_token"))

    def expire(self) -> None:
        """Take the tokens for too old: the server did not take them."""
        self._write(expires_at=1.0)

    def recall(self, context: OAuthContext) -> None:
        """Tell the library what it does not keep: how long tokens hold, and who renews them."""
        from mcp.shared.auth import OAuthMetadata, ProtectedResourceMetadata

        self.context = context
        expires_at = self.read().get("expires_at")
        context.token_expiry_time = expires_at if isinstance(expires_at, int | float) else None
        context.oauth_metadata = self._as(OAuthMetadata, "metadata")
        context.protected_resource_metadata = self._as(ProtectedResourceMetadata, "resource")

    async def get_tokens(self) -> OAuthToken | None:
        """Return the tokens."""
        from mcp.shared.auth import OAuthToken

        self._known = self.read().get("tokens")
        return self._as(OAuthToken, "tokens")

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep tokens."""
        self._known = tokens.model_dump(mode="json")
        until = None if tokens.expires_in is None else time.time() + tokens.expires_in
        more: dict[str, Any] = {}
        if self.context is not None:
            more = {
                "metadata": _plain(self.context.oauth_metadata),
                "resource": _plain(self.context.protected_resource_metadata),
            }
        self._write(tokens=self._known, expires_at=until, **more)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Return as whom qcode is registered: by the person, or else by itself."""
        from mcp.shared.auth import OAuthClientInformationFull

        given = self._registered
        if given.client_id:
            return OAuthClientInformationFull(
                client_id=given.client_id,
                client_secret=given.client_secret or None,
                redirect_uris=None,
                token_endpoint_auth_method="client_secret_post" if given.client_secret else "none",
            )
        return self._as(OAuthClientInformationFull, "client")

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep as whom qcode is registered."""
        self._write(client=client_info.model_dump(mode="json"))

    def _as(self, kind: type[M], name: str) -> M | None:
        known = self.read().get(name)
        if known is None:
            return None
        try:
            return kind.model_validate(known)
        except ValueError:
            return None  # of another version: a login brings a new one


def _plain(model: BaseModel | None) -> Any:
    return None if model is None else model.model_dump(mode="json", exclude_none=True)
