"""The text in which macOS is told what a process may do.

All that is not allowed is denied, and of two rules about the same thing the later one holds.
Paths never stand in the text: they are parameters, so no file name can add a rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qcode.record import Record
from qcode.sandbox.policy import Confinement, Network

_ALWAYS = """\
(version 1)
(deny default)
(import "system.sb")

(allow process-exec)
(allow process-fork)
(allow signal (target same-sandbox))
(allow process-info* (target same-sandbox))
(allow ipc-posix-sem)
(allow pseudo-tty)

; Not all of them: some tell the environment of other processes.
(allow sysctl-read
  (sysctl-name-prefix "hw.")
  (sysctl-name-prefix "machdep.cpu.")
  (sysctl-name "kern.argmax")
  (sysctl-name "kern.boottime")
  (sysctl-name "kern.hostname")
  (sysctl-name "kern.iossupportversion")
  (sysctl-name "kern.maxfilesperproc")
  (sysctl-name "kern.maxproc")
  (sysctl-name "kern.ngroups")
  (sysctl-name "kern.osproductversion")
  (sysctl-name "kern.osrelease")
  (sysctl-name "kern.ostype")
  (sysctl-name "kern.osvariant_status")
  (sysctl-name "kern.osversion")
  (sysctl-name "kern.secure_kernel")
  (sysctl-name "kern.usrstack64")
  (sysctl-name "kern.version")
  (sysctl-name "sysctl.proc_cputype")
  (sysctl-name "vm.loadavg"))

; Users and groups. Nothing that starts programs elsewhere, and no keychain.
(allow mach-lookup
  (global-name "com.apple.system.opendirectoryd.libinfo")
  (global-name "com.apple.system.opendirectoryd.membership"))

(allow file-read*)
(allow file-write-data file-ioctl
  (literal "/dev/null")
  (literal "/dev/zero")
  (literal "/dev/tty")
  (literal "/dev/ptmx")
  (literal "/dev/dtracehelper")
  (regex #"^/dev/ttys[0-9]+$"))
"""
_ALL_NETWORK = """\
(allow network*)
(allow system-socket)
(allow mach-lookup
  (global-name "com.apple.SystemConfiguration.DNSConfiguration")
  (global-name "com.apple.SystemConfiguration.configd"))
"""
_TWO_NAMES = ("/private/tmp", "/private/var", "/private/etc")


class Profile(Record):
    """A text and the values of what it names."""

    text: str
    parameters: Mapping[str, str]

    def arguments(self) -> list[str]:
        """Return the options that hand it over."""
        defined = (("-D", f"{name}={value}") for name, value in self.parameters.items())
        return ["-p", self.text, *(word for pair in defined for word in pair)]


def profile(confinement: Confinement, *, proxy_port: int = 0) -> Profile:
    """Say what a process may do that is confined so.

    Args:
        confinement: What it may write to, and what not even read.
        proxy_port: Where the proxy listens; needed for `Network.PROXY`.
    """
    parameters: dict[str, str] = {}

    def rules(verb: str, matcher: str, kind: str, paths: Sequence[str]) -> str:
        """Return one rule about these paths, none if there are no paths."""
        names = []
        for path in (spelling for given in paths for spelling in _spellings(given)):
            name = next((n for n, value in parameters.items() if value == path), "")
            if not name:
                name = f"{kind}_{sum(n.startswith(kind + '_') for n in parameters)}"
                parameters[name] = path
            names.append(f'\n  ({matcher} (param "{name}"))')
        return f"({verb}{''.join(names)})\n" if names else ""

    writable = [*confinement.writable, *((confinement.temp,) if confinement.temp else ())]
    parts = [
        _ALWAYS,
        rules("allow file-write*", "subpath", "WRITABLE", writable),
        # Sockets by name, for what runs here itself; the hidden ones are denied below.
        rules("allow network-bind network-outbound", "subpath", "WRITABLE", writable),
        _network(confinement.network, proxy_port),
        rules("deny file-write*", "subpath", "PROTECTED", confinement.protected),
        # Who moves a directory above away can put another one in its place.
        rules("deny file-write-unlink", "literal", "PINNED", [*writable, *confinement.pinned]),
        rules(
            "deny file-read* file-write* network-outbound",
            "subpath",
            "HIDDEN",
            confinement.hidden,
        ),
    ]
    return Profile("\n".join(part for part in parts if part), parameters)


def _network(network: Network, proxy_port: int) -> str:
    match network:
        case Network.OFF:
            return ""
        case Network.PROXY:
            return f'(allow network-outbound (remote ip "localhost:{proxy_port:d}"))\n'
        case Network.ON:
            return _ALL_NETWORK


def _spellings(path: str) -> list[str]:
    """Return the path, and how else it is called: some are links from the root directory."""
    if any(path == top or path.startswith(f"{top}/") for top in _TWO_NAMES):
        return [path, path.removeprefix("/private")]
    return [path]
