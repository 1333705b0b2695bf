"""The network as this process sees it: each connection is noted, and offline most are refused.

Both are audit hooks of the interpreter (PEP 578; the events are those that the `socket`
module's documentation lists): whichever library connects, by whatever means of Python's, is
heard of before it does, and a hook that was added is there until the process ends. What is
compiled and makes the system's calls by itself is not heard of; the libraries known to do so
cannot be imported offline.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from qcode.errors import OfflineError
from qcode.network import purpose
from qcode.network.addresses import is_loopback, place

Heard = Callable[[Any, str, int], None]
"""Is told of a socket, host and port before it connects or sends."""

HINT = "offline is on, by --offline, `offline` in a configuration file or QCODE_OFFLINE"

BENEATH = frozenset(
    {"pycares", "_pycares", "uvloop", "pycurl", "gevent", "eventlet", "grpc"}
    | {"multiprocessing.popen_spawn_posix", "multiprocessing.popen_forkserver"}
)
"""What connects or looks names up beneath Python, or starts another Python, where no hook hears
of it.

Those that use such packages go without when they are not there (aiohttp without aiodns, for one).
"""

_is_offline = False
_is_noting = False


def is_offline() -> bool:
    """Whether `refuse_others` was called; to be asked before work that would fail in the end."""
    return _is_offline


def note(heard: Heard) -> None:
    """Have every connection told of that is made from now on; once in a process."""
    global _is_noting
    if _is_noting:
        return
    _is_noting = True
    from qcode.network import names

    names.learn()

    def told(args: tuple[Any, ...]) -> None:
        sock, address = args[0], args[1]
        if not isinstance(address, tuple) or len(address) < 2 or not isinstance(address[0], str):
            return
        if _is_offline and not is_loopback(address[0]):
            return  # is refused in a moment, so nothing leaves
        heard(sock, address[0], address[1] if isinstance(address[1], int) else 0)

    known = dict.fromkeys(("socket.connect", "socket.sendto", "socket.sendmsg"), told)

    def hook(event: str, args: tuple[Any, ...], get: Any = known.get) -> None:
        if (tell := get(event)) is not None:
            tell(args)

    sys.addaudithook(hook)


def refuse_others() -> None:
    """Refuse every host but this machine's loopback from now on, until the process ends.

    There is no way back: what refuses is held by the interpreter alone.
    """
    global _is_offline
    if _is_offline:
        return
    _is_offline = True
    import os
    import socket

    from qcode.network import names
    from qcode.network.processes import check_start

    names.never(_refused)
    # For programs that inherit them: another qcode, and git, which then fetches nothing.
    os.environ["QCODE_OFFLINE"] = "1"
    os.environ["GIT_ALLOW_PROTOCOL"] = "file"
    internet = (int(socket.AF_INET), int(socket.AF_INET6))
    # The kernel's own, and what stays on this machine. -1: a socket that was handed over.
    # Held here, where no assignment to this module reaches them.
    is_own, refused = is_loopback, _refused
    families = {-1, *internet, int(socket.AF_UNIX), int(getattr(socket, "AF_NETLINK", -1))}

    def checked(host: Any, port: Any) -> None:
        name = host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else host
        if not isinstance(name, str) or not is_own(name):
            refused(str(name), int(port) if str(port).isdecimal() else 0)

    python_s = socket.socket

    def made(args: tuple[Any, ...]) -> None:
        if args[1] not in families:
            raise _refusal(f"a socket of the family {args[1]}", "")
        if args[1] in internet and not isinstance(args[0], python_s):
            # One of the C module's: it looks up the names that it is given.
            raise _refusal("what a socket of the module `_socket` reaches", "")

    def sent(args: tuple[Any, ...]) -> None:
        sock, address = args[0], args[1]
        family = int(sock.family)
        if address is None or family not in internet:
            if family not in families:
                raise _refusal(f"a socket of the family {family}", "")
            return
        host = address[0] if isinstance(address, tuple) and address else ""
        checked(host, address[1] if isinstance(address, tuple) and len(address) > 1 else 0)

    def looked_up(args: tuple[Any, ...]) -> None:
        if args[0] is not None:
            checked(args[0], args[1] if len(args) > 1 else 0)

    def named(args: tuple[Any, ...]) -> None:
        # What is known of this machine was answered before (`names`): this asks a server.
        refused(str(args[0]), 0)

    def told(args: tuple[Any, ...]) -> None:
        checked(args[0][0] if isinstance(args[0], tuple) else args[0], 0)

    def imported(args: tuple[Any, ...]) -> None:
        name = args[0]
        if isinstance(name, str) and (name in BENEATH or name.partition(".")[0] in BENEATH):
            raise ModuleNotFoundError(
                f"`{name}` connects beneath Python, which cannot be kept offline", name=name
            )

    known: dict[str, Callable[[tuple[Any, ...]], None]] = {
        "socket.__new__": made,
        "socket.connect": sent,
        "socket.sendto": sent,
        "socket.sendmsg": sent,
        "socket.getaddrinfo": looked_up,
        "socket.gethostbyname": looked_up,
        "socket.gethostbyaddr": named,
        "socket.getnameinfo": told,
        "import": imported,
        "subprocess.Popen": check_start,
        "os.exec": check_start,
        "os.posix_spawn": check_start,
        "os.spawn": check_start,
        "os.system": check_start,
        "pty.spawn": check_start,
    }

    def hook(event: str, args: tuple[Any, ...], get: Any = known.get) -> None:
        if (check := get(event)) is not None:
            check(args)

    sys.addaudithook(hook)


def check(host: str, port: int = 0, *, wanted: str, hint: str = "") -> None:
    """Check before any work that a host may be reached.

    Raises:
        OfflineError: it may not; `wanted` says what for, `hint` what to change.
    """
    if _is_offline and not is_loopback(host):
        raise _refusal(place(host, port), wanted, hint)


def offline_in(error: BaseException | None) -> OfflineError | None:
    """Return the refusal that an error came of, through what libraries made of it."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        link = todo.pop()
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        if isinstance(link, OfflineError):
            return link
        seen.add(id(link))
        todo += [link.__context__, link.__cause__, getattr(link, "reason", None)]
        todo += [getattr(link, "original_exception", None), getattr(link, "os_error", None)]
        if isinstance(link, BaseExceptionGroup):
            todo += link.exceptions
    return None


def _refused(host: str, port: int) -> None:
    from qcode.network import names

    known = names.name_of(host)
    raise _refusal(place(known or "any address", port), purpose.of(known).name or _asker())


def _refusal(where: str, wanted: str, hint: str = "") -> OfflineError:
    what = f" ({wanted})" if wanted else ""
    return OfflineError(
        f"offline: {where}{what} is not this machine, so nothing is sent there",
        hint=hint or HINT,
    )


def _asker() -> str:
    """Return which package would have connected: the first on the stack that is no library's."""
    for module in callers(sys._getframe(1)):  # noqa: SLF001 - there is no other way to a stack
        top = module.partition(".")[0]
        if top not in _CARRIES and not module.startswith("qcode.network"):
            return f"asked for by {module if top == 'qcode' else top}"
    return ""


_CARRIES = frozenset(
    {"httpx", "httpx2", "httpcore", "httpcore2", "urllib3", "requests", "aiohttp", "anyio"}
    | {"aiohappyeyeballs", "websockets", "h11", "h2", "tenacity"}
)
"""Packages that connect for others."""


def callers(frame: FrameType | None) -> Iterator[str]:
    """Yield the modules on a stack that are not Python's own, the innermost first."""
    own = sys.stdlib_module_names
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] not in own:
            yield name
        frame = frame.f_back
