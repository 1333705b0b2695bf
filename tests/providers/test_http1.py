from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcode.providers.http1 import Head, MalformedError, ResponseParser

CHUNKED = (
    b"HTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\nx-a: 2\r\n\r\n"
    b"3\r\nabc\r\nA;name=value\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
)
PLAIN = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello"
UNTIL_CLOSE = b"HTTP/1.0 200\r\n\r\nall of it"
LINE_FEEDS = b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nab\n0\n\n"


def read(*pieces: bytes) -> tuple[ResponseParser, bytes]:
    parser = ResponseParser()
    return parser, b"".join([parser.feed(piece) for piece in pieces])


def test_a_chunked_reply_is_read() -> None:
    parser, body = read(CHUNKED)

    head = Head(200, "OK", {"transfer-encoding": "chunked", "x-a": "1, 2"})
    assert (parser.head, body, parser.complete, parser.reusable) == (
        head,
        b"abc0123456789",
        True,
        True,
    )


def test_a_reply_of_known_length_is_read() -> None:
    parser, body = read(PLAIN)

    assert parser.head == Head(404, "Not Found", {"content-length": "5"})
    assert (body, parser.complete, parser.reusable) == (b"hello", True, True)


def test_a_reply_may_end_with_the_connection() -> None:
    parser, body = read(UNTIL_CLOSE)

    assert (body, parser.complete) == (b"all of it", False)
    assert parser.end()
    assert not parser.reusable


@pytest.mark.parametrize("whole", [CHUNKED, PLAIN])
def test_a_cut_reply_is_never_complete(whole: bytes) -> None:
    for length in range(len(whole)):
        parser, _ = read(whole[:length])
        assert not parser.end()


@pytest.mark.parametrize("whole", [CHUNKED, PLAIN, UNTIL_CLOSE, LINE_FEEDS])
@given(cuts=st.lists(st.integers(0, 200)))
def test_any_chunking_gives_the_same_body(whole: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    parser, body = read(*(whole[a:b] for a, b in itertools.pairwise(places)))
    expected, expected_body = read(whole)

    assert (parser.head, body, parser.end()) == (expected.head, expected_body, expected.end())


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore",
    ],
)
def test_such_connections_are_not_used_again(head: bytes) -> None:
    parser, _ = read(head)

    assert parser.complete
    assert not parser.reusable


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 5000,
    ],
)
def test_other_bytes_are_malformed(reply: bytes) -> None:
    with pytest.raises(MalformedError):
        read(reply)
