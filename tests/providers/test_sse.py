from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcode.errors import ProviderError, ProviderFault
from qcode.providers.sse import SseEvent, SseParser


def parse(*pieces: bytes) -> list[SseEvent]:
    parser = SseParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.finish()


def parse_on(parser: SseParser, piece: bytes, *, times: int) -> None:
    for _ in range(times):
        parser.feed(piece)


@pytest.mark.parametrize(
    "body, events",
    [
        (b"data: a\n\ndata: b\n\n", [("", "a"), ("", "b")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [("", "a"), ("", "b")]),
        (b"data: a\r\rdata: b\r\r", [("", "a"), ("", "b")]),
        (b"data:a\n\n", [("", "a")]),
        (b"data:  a\n\n", [("", " a")]),
        (b"data: a\ndata: b\n\n", [("", "a\nb")]),
        (b"data\n\n", [("", "")]),
        (b": hello\n\ndata: a\n\n", [("", "a")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [("error", "a"), ("", "b")]),
        (b"id: 1\nretry: 5\nodd\ndata: a\n\n", [("", "a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("", "a")]),
        ("data: Grüße 🦉\u2028\x85\n\n".encode(), [("", "Grüße 🦉\u2028\x85")]),
        (b"data: \xff\n\n", [("", "\ufffd")]),
        (b"event: only\n\n", []),
        (b"\n\n\n", []),
        (b"data: a\n", [("", "a")]),
        (b"data: [DONE]", [("", "[DONE]")]),
        (b"", []),
    ],
)
def test_bodies_are_read(body: bytes, events: list[tuple[str, str]]) -> None:
    assert parse(body) == [SseEvent(*event) for event in events]


def test_events_come_as_soon_as_they_are_whole() -> None:
    parser = SseParser()

    assert parser.feed(b"data: a\r\n\r") == [SseEvent("", "a")]
    assert parser.feed(b"\ndata: b\n\n") == [SseEvent("", "b")]


LINES = st.sampled_from(
    [b"data: x", b"data:", b"data: \xc3\xa4\xf0\x9f\xa6\x89", b": c", b"event: e", b"", b"", b"q"]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(LINES, ENDS)), st.lists(st.integers(0, 200)))
def test_any_chunking_gives_the_same_events(
    lines: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    body = b"".join(line + end for line, end in lines)
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = [body[a:b] for a, b in itertools.pairwise(places)]
    single = [body[i : i + 1] for i in range(len(body))]

    assert parse(*pieces) == parse(body) == parse(*single)


@pytest.mark.parametrize("piece", [b"data: xx\n", b"data: yyyyyyyyyy", b"id: z\n"])
def test_an_endless_event_is_an_error(piece: bytes) -> None:
    parser = SseParser(max_event_bytes=1000)
    parser.feed(piece)

    with pytest.raises(ProviderError) as caught:
        parse_on(parser, piece * 10, times=20)

    assert caught.value.fault is ProviderFault.NOT_AN_API


def test_comments_may_go_on_for_ever() -> None:
    parser = SseParser(max_event_bytes=1000)

    for _ in range(200):
        assert parser.feed(b": still there\n\n") == []

    assert parser.feed(b"data: a\n\n") == [SseEvent("", "a")]
