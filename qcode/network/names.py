"""Names of hosts: which address was found for which, and that none is looked up.

Python resolves a name that is given to `connect` or `sendto` before any audit hook hears of
it, and what `getaddrinfo` found is told to nobody. So these functions of the standard library
are put behind ones that do as much, and no less.
"""

from __future__ import annotations

import socket
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from qcode.network.addresses import LOCALHOST, is_loopback

_MOST = 1024
"""Addresses whose names are remembered."""

_names: OrderedDict[str, str] = OrderedDict()
_is_learning = False

_SENDS = ("connect", "connect_ex", "sendto", "sendmsg", "bind")
"""Methods of a socket that take an address."""


def name_of(address: str) -> str:
    """Return the name for which an address was found, or the address."""
    return _names.get(address, address)


def learn() -> None:
    """Remember from now on for which name an address was found."""
    global _is_learning
    if _is_learning:
        return
    _is_learning = True
    ask = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        found = ask(host, *args, **kwargs)
        name = as_text(host)
        for *_, address in found:
            if name and address and name != address[0]:
                _names[str(address[0])] = name
                if len(_names) > _MOST:
                    _names.popitem(last=False)
        return found

    vars(socket)["getaddrinfo"] = getaddrinfo


def never(refuse: Callable[[str, int], None]) -> None:
    """Look no name up from now on; `localhost` is known.

    `refuse` is told of host and port wherever one would be, and raises.
    """
    ask = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = as_text(host)
        if name.lower() != LOCALHOST:
            return ask(host, port, *args, **kwargs)
        family = args[0] if args else kwargs.get("family", 0)
        own = {socket.AF_INET: ("127.0.0.1",), socket.AF_INET6: ("::1",)}
        found: list[Any] = []
        failure: OSError | None = None
        for address in own.get(family, ("127.0.0.1", "::1")):
            try:
                found += ask(address, port, *args, **kwargs)
            except OSError as error:  # a machine need not have both
                failure = error
        if failure is not None and not found:
            raise failure
        return found

    vars(socket)["getaddrinfo"] = getaddrinfo
    _never_backwards()
    for method in _SENDS:
        setattr(socket.socket, method, _numbers_only(getattr(socket.socket, method), refuse))


def _never_backwards() -> None:
    """Have the older functions, and those from address to name, ask nobody either.

    The name of 127.0.0.2 stands in few files of hosts: a name server would be asked for it.
    """
    by_name, all_by_name = socket.gethostbyname, socket.gethostbyname_ex
    by_address, told = socket.gethostbyaddr, socket.getnameinfo

    def gethostbyname(host: Any) -> str:
        return "127.0.0.1" if as_text(host).lower() == LOCALHOST else by_name(host)

    def gethostbyname_ex(host: Any) -> tuple[str, list[str], list[str]]:
        if as_text(host).lower() == LOCALHOST:
            return LOCALHOST, [], ["127.0.0.1"]
        return all_by_name(host)

    def gethostbyaddr(host: Any) -> tuple[str, list[str], list[str]]:
        text = as_text(host)
        if not is_loopback(text):
            return by_address(host)
        found = "127.0.0.1" if text.lower() == LOCALHOST else text
        return LOCALHOST, [], [found]

    def getnameinfo(address: Any, flags: int) -> tuple[str, str]:
        return told(address, flags | socket.NI_NUMERICHOST)

    for one in (gethostbyname, gethostbyname_ex, gethostbyaddr, getnameinfo):
        vars(socket)[one.__name__] = one


def _numbers_only(does: Callable[..., Any], refuse: Callable[[str, int], None]) -> Any:
    """Return a socket's method that hands on no name."""

    def method(self: socket.socket, *args: Any) -> Any:
        if args and self.family in (socket.AF_INET, socket.AF_INET6):
            address = args[-1]
            if isinstance(address, tuple) and len(address) > 1:
                name = as_text(address[0])
                if name.lower() == LOCALHOST:
                    own = "::1" if self.family == socket.AF_INET6 else "127.0.0.1"
                    args = (*args[:-1], (own, *address[1:]))
                elif is_name(name):
                    refuse(name, address[1] if isinstance(address[1], int) else 0)
        return does(self, *args)

    return method


def is_name(host: str) -> bool:
    """Whether Python would look it up: it is neither an address nor a word for all addresses."""
    if host in ("", "<broadcast>") or is_loopback(host):
        return False
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            # With a `%` behind it: looked up where there is no such interface.
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return False
    return True


def as_text(host: Any) -> str:
    """Return a host as whoever calls wrote it; nothing for what is none."""
    if isinstance(host, bytes | bytearray):
        return bytes(host).decode("ascii", "replace")
    return host if isinstance(host, str) else ""
