"""Which addresses are this machine's own; nothing here looks a name up."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

LOCALHOST = "localhost"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its loopback: 127/8, ::1, or `localhost`.

    Not `0.0.0.0` and `::`, which some systems take for it, nor names below `.localhost`, which
    some ask a name server for. An IPv4 address that is written as IPv6 counts as what it is. Not
    `::1%eth0`: where there is no such interface, systems look that up as a name.
    """
    if host.lower() == LOCALHOST:
        return True
    if "%" in host:
        return False
    try:
        address = ip_address(host)
    except ValueError:  # a name, or an address in one of the old spellings (`127.1`, `0x7f.1`)
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def place(host: str, port: int) -> str:
    """Return host and port as a person reads them; without the port where it is not known."""
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown
