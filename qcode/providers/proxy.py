"""Which proxy a URL goes through, by the usual environment variables.

Imported only where such a variable is set.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from qcode.errors import UsageError
from qcode.record import Record

VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


class Proxy(Record):
    """An HTTP proxy; `authorization` is the value of Proxy-Authorization, or empty."""

    host: str
    port: int
    authorization: str = ""
    tls: bool = False
    """Whether the proxy itself is spoken to in TLS."""


def wanted(environ: Mapping[str, str]) -> bool:
    """Return whether any of the variables is set, in either case."""
    return any(environ.get(name) or environ.get(name.upper()) for name in VARIABLES)


def proxy_for(scheme: str, host: str, port: int, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that requests to the host go through.

    Raises:
        UsageError: the variable's value is not the URL of an HTTP proxy.
    """
    if _excluded(host, port, _get(environ, "no_proxy")[1]):
        return None
    for variable in (f"{scheme}_proxy", "all_proxy"):
        name, value = _get(environ, variable)
        if value:
            return parse_proxy(value, name)
    return None


def parse_proxy(url: str, source: str) -> Proxy:
    """Return the proxy that `url` names; `source` says where it stands.

    Raises:
        UsageError: it is not the URL of an HTTP proxy.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        # The value may hold a password, so it is not shown.
        raise UsageError(
            f"the proxy in {source} is not a URL", hint="write it as http://host:port"
        ) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"the proxy in {source} is of the kind `{parts.scheme}`, which qcode does not speak",
            hint="use an HTTP proxy, or add the endpoint's host to NO_PROXY",
        )
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Proxy(parts.hostname, port, authorization, parts.scheme == "https")


def _get(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    for spelled in (name, name.upper()):
        value = environ.get(spelled, "").strip()
        if value:
            return spelled, value
    return name, ""


def _excluded(host: str, port: int, no_proxy: str) -> bool:
    host = host.lower().rstrip(".")
    return any(
        _matches(host, port, entry.strip().lower())
        for entry in no_proxy.replace(" ", ",").split(",")
        if entry.strip()
    )


def _matches(host: str, port: int, entry: str) -> bool:
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    name, colon, wanted_port = entry.rpartition(":")
    if colon and wanted_port.isdigit():
        if int(wanted_port) != port:
            return False
        entry = name.strip("[]")
    entry = entry.removeprefix("*").lstrip(".")
    return host == entry or host.endswith("." + entry)
