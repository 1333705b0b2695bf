"""An MCP server made with the official library: tools, prompts, resources, by each transport.

`python offering_server.py stdio | http PORT | sse PORT | oauth PORT [REDIRECT]`
"""

from __future__ import annotations

import secrets
import sys
import time
from typing import Any

from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken


class Logins(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """Lets everybody in who asks in the right way; each token gets the next one once."""

    def __init__(self, redirect: str) -> None:
        self.clients = {
            "arranged": OAuthClientInformationFull.model_validate(
                {
                    "client_id": "arranged",
                    "client_secret": "between us",
                    "redirect_uris": [redirect],
                    "scope": "read write",
                    "token_endpoint_auth_method": "client_secret_post",
                }
            )
        }
        self.codes: dict[str, AuthorizationCode] = {}
        self.tokens: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        assert client_info.client_id
        self.clients[client_info.client_id] = client_info

    async def authorize(
        self, client: OAuthClientInformationFull, params: AuthorizationParams
    ) -> str:
        code = secrets.token_hex(16)
        self.codes[code] = AuthorizationCode(
            code=code,
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=client.client_id or "",
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        return construct_redirect_uri(str(params.redirect_uri), code=code, state=params.state)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    def _issue(self, client_id: str, scopes: list[str], resource: str | None) -> OAuthToken:
        access, refresh = secrets.token_hex(16), secrets.token_hex(16)
        print("issued", flush=True)
        self.tokens[access] = AccessToken(
            token=access, client_id=client_id, scopes=scopes, resource=resource,
            expires_at=int(time.time()) + 3600,
        )  # fmt: skip
        self.refresh[refresh] = RefreshToken(token=refresh, client_id=client_id, scopes=scopes)
        return OAuthToken(access_token=access, expires_in=3600, refresh_token=refresh)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        del self.codes[authorization_code.code]
        return self._issue(
            client.client_id or "", authorization_code.scopes, authorization_code.resource
        )

    async def load_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: str
    ) -> RefreshToken | None:
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        del self.refresh[refresh_token.token]
        self.tokens.clear()
        return self._issue(client.client_id or "", scopes, None)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.tokens.get(token)

    async def revoke_token(self, token: Any) -> None:
        self.tokens.pop(token.token, None)


def server(kind: str, port: int, redirect: str) -> MCPServer[Any]:
    options: dict[str, Any] = {}
    if kind == "oauth":
        place = f"http://127.0.0.1:{port}"
        options = {
            "auth_server_provider": Logins(redirect),
            "auth": AuthSettings.model_validate(
                {
                    "issuer_url": place,
                    "resource_server_url": f"{place}/mcp",
                    "client_registration_options": ClientRegistrationOptions(enabled=True),
                }
            ),
        }
    made: MCPServer[Any] = MCPServer("offering", instructions="Add with `add`.", **options)

    @made.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers. Slowly."""
        return a + b

    @made.prompt()
    def greet(name: str, tone: str = "kind") -> str:
        """Greet somebody."""
        return f"Say hello to {name}, in a {tone} way, and mention @secret.txt."

    @made.resource("note://today")
    def note() -> str:
        """What is to be done today."""
        return "Water the plants."

    return made


if __name__ == "__main__":
    kind = sys.argv[1]
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    made = server(kind, port, sys.argv[3] if len(sys.argv) > 3 else "http://localhost:1/")
    if kind == "stdio":
        made.run("stdio")
    elif kind == "sse":
        made.run("sse", port=port)
    else:
        made.run("streamable-http", port=port)
