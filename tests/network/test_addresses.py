from __future__ import annotations

import pytest

from qcode.network.addresses import is_loopback, place


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LocalHost", "::ffff:127.0.0.1"],
)
def test_this_machine_is_its_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *("0.0.0.0", "::", "", "example.com", "192.168.1.2", "169.254.1.1", "8.8.8.8"),
        *(
            "::ffff:8.8.8.8",
            "::ffff:0.0.0.0",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "fe80::1%lo",
            "::1%lo",
        ),
        # Old spellings, which the system's own functions take.
        *("127.1", "0x7f.0.0.1", "2130706433", "0177.0.0.1", "127.0.0.1.", " 127.0.0.1"),
        *("localhost.", "a.localhost", "localhost.example.com", "127.0.0.1.example.com"),
    ],
)
def test_nothing_else_is(host: str) -> None:
    assert not is_loopback(host)


def test_a_place_is_written_as_in_an_address() -> None:
    assert [place("a.example", 443), place("::1", 80), place("a.example", 0)] == [
        "a.example:443",
        "[::1]:80",
        "a.example",
    ]
