"""Which hosts commands may reach through the proxy: the rules alone, without any socket.

The decision is made on the bytes that a client sent, and what it lets pass is one spelling
of one name or address, which is then looked up and dialled: nothing decodes it again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qcode.record import Record

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

USUAL_PORTS = (80, 443)
"""What a rule without a port stands for."""

_SPELLING = re.compile(r"[A-Za-z0-9.-]{1,253}")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_DOTTED = re.compile(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}")
_PORT = re.compile(r"[0-9]{1,5}")
_LOCAL = "localhost"
_FORM = "write it as `example.com`, `*.example.com` or `example.com:8443`"


class Rule(Record):
    """A host, or all below a domain, on one port or the usual ones."""

    host: str
    """In small letters, without a dot at the end: a name, or an address as it is listed."""
    port: int | None = None
    below: bool = False
    """Whether it stands for what is below the name, but not for the name itself."""


class Verdict(Record):
    """What the rules say about one host and port."""

    host: str
    """As it is to be looked up; only if allowed."""
    port: int
    refused: str = ""
    """Why not, in words; empty if allowed."""
    is_address: bool = False


def parse(text: str) -> Rule:
    """Read a rule as a person wrote it.

    Raises:
        ValueError: it is none, or stands for too much; the text says what to write.
    """
    host, colon, digits = text.strip().rpartition(":")
    if not colon:
        host, digits = digits, ""
    if ":" in host or "[" in text:
        raise ValueError(f"`{text}`: addresses of IPv6 cannot be listed; {_FORM}")
    if colon and not (_PORT.fullmatch(digits) and 0 < int(digits) < 65536):
        raise ValueError(f"`{text}` has no port after the colon; {_FORM}")
    below = host.startswith("*.")
    name, wrong = _spelled(host[2:] if below else host)
    if wrong:
        raise ValueError(f"`{text}` is no host: {wrong}; {_FORM}")
    if _is_numeric(name) and (below or not _is_dotted(name)):
        raise ValueError(f"`{text}` is no address as they are usually written (`10.0.0.1`)")
    if below and "." not in name:
        raise ValueError(f"`{text}` would be all of `.{name}`; {_FORM}, or turn the network on")
    return Rule(name, int(digits) if colon else None, below)


def decide(host: str, port: int, rules: Sequence[Rule]) -> Verdict:
    """Decide about a host as a client spelled it. Without rules nothing is allowed."""
    name, wrong = _spelled(host)
    if wrong:
        return Verdict("", port, wrong)
    if not 0 < port < 65536:
        return Verdict("", port, f"{port} is no port")
    is_address = _is_numeric(name)
    if is_address:
        # Other spellings of an address (2130706433, 0x7f.1) are never in a rule.
        if any(not rule.below and host == rule.host and _has(rule, port) for rule in rules):
            return Verdict(name, port, is_address=True)
        return Verdict(name, port, "addresses in place of names have to be listed themselves")
    named = [rule for rule in rules if _names(rule, name)]
    if not named:
        return Verdict(name, port, "it is not on the list of hosts")
    if not any(_has(rule, port) for rule in named):
        return Verdict(name, port, f"port {port} of it is not on the list of hosts")
    return Verdict(name, port)


def address_refused(address: str, host: str, port: int, rules: Sequence[Rule]) -> str:
    """Say why an address that an allowed host was found to have must not be dialled.

    The network's own machines are not reached under a name of somebody else's making: such an
    address has to be listed itself. `localhost` is the exception, since it says what it is.

    Returns:
        The reason in words, empty if it may be dialled.
    """
    import ipaddress

    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # one with a zone (fe80::1%eth0) too
        return f"{address} is no address to be reached"
    meant = _meant(found)
    if _is_public(meant):
        return ""
    if meant.is_loopback and host == _LOCAL:
        return ""
    if decide(str(meant), port, rules).refused:
        return f"{address} is an address of this machine or its own network, and not listed"
    return ""


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that one of IPv6 leads to; itself if none."""
    from ipaddress import IPv4Address, IPv6Network

    if isinstance(address, IPv4Address):
        return address
    if address in IPv6Network("64:ff9b::/96"):  # translated by the network
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    # Not all versions of Python call the same blocks private.
    return address.is_global and not (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or getattr(address, "is_site_local", False)
    )


def _spelled(host: str) -> tuple[str, str]:
    """Return a host in small letters and without the dot at its end, or what is wrong with it."""
    if not _SPELLING.fullmatch(host):
        return "", "it has other characters than letters, digits, `-` and `.`"
    name = host.lower().removesuffix(".")
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        return "", "its parts are not those of a name"
    return name, ""


def _is_numeric(name: str) -> bool:
    """Whether programs may take it for an address: they look at the last part."""
    return _NUMBER.fullmatch(name.rpartition(".")[2]) is not None


def _is_dotted(name: str) -> bool:
    return _DOTTED.fullmatch(name) is not None and all(int(n) < 256 for n in name.split("."))


def _names(rule: Rule, name: str) -> bool:
    return name.endswith("." + rule.host) if rule.below else name == rule.host


def _has(rule: Rule, port: int) -> bool:
    return port in USUAL_PORTS if rule.port is None else port == rule.port
