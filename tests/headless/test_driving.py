from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from qcode.errors import UsageError
from qcode.headless.driving import (
    Control,
    Driver,
    Heard,
    Interrupt,
    Lines,
    Malformed,
    UserSaid,
    read_line,
)


def user(content: Any, **more: Any) -> bytes:
    message = {"role": "user", "content": content}
    return json.dumps({"type": "user", "message": message, **more}).encode()


def control(subtype: str, **more: Any) -> bytes:
    request = {"subtype": subtype, **more}
    return json.dumps({"type": "control_request", "request_id": "r1", "request": request}).encode()


def from_file(path: Path, *, longest: int = 1 << 20) -> tuple[list[UserSaid], list[Heard]]:
    """Return what a driver makes of an input that ends."""
    heard: list[Heard] = []

    async def drive(descriptor: int) -> list[UserSaid]:
        turns = Driver(descriptor, heard.append, longest=longest).turns()
        return [said async for said in turns]

    with open(path, "rb") as file:
        return asyncio.run(drive(file.fileno())), heard


def from_pipe(data: bytes, *, longest: int = 1 << 20) -> tuple[list[UserSaid], list[Heard]]:
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    try:
        return from_file(Path(f"/dev/fd/{reading}"), longest=longest)
    finally:
        os.close(reading)


def test_each_user_message_is_a_turn_and_the_rest_is_heard() -> None:
    lines = [control("initialize"), user("one"), user([{"type": "text", "text": "two"}], uuid="u")]

    assert from_pipe(b"\n".join(lines)) == (
        [UserSaid("one"), UserSaid("two", "u")],
        [Control("r1", "initialize", {"subtype": "initialize"})],
    )


def test_byte_order_mark_returns_and_empty_lines_are_no_matter() -> None:
    data = b"\xef\xbb\xbf" + user("one") + b"\r\n\r\n \n" + user("two")

    assert from_pipe(data) == ([UserSaid("one"), UserSaid("two")], [])


def test_nothing_at_all_is_no_turn() -> None:
    assert from_pipe(b"") == ([], [])
    assert from_pipe(b"\n\n") == ([], [])


def test_a_file_is_read_as_a_pipe_is(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"\n".join([user("x" * 200_000), user("two")]))

    (said, then), _ = from_file(tmp_path / "in")

    assert (len(said.text), then) == (200_000, UserSaid("two"))


@pytest.mark.parametrize(
    "first, words",
    [
        (b"fix the bug", "stdin, line 1: this is no JSON: column 1: expecting value"),
        (b"\n[1]", "stdin, line 2: this is no object with a `type`"),
        (b'{"type": "users"}', "no message of type `users`"),
    ],
)
def test_input_that_does_not_begin_with_a_message_is_wrong_use(first: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        from_pipe(first + b"\n" + user("one"))

    assert "takes one JSON object a line" in str(refused.value)


def test_later_lines_that_are_none_are_skipped_and_told() -> None:
    lines = [user("one"), b"{", user("x" * 100), user("two")]

    assert from_pipe(b"\n".join(lines), longest=150) == (
        [UserSaid("one"), UserSaid("two")],
        [
            Malformed(
                2,
                "this is no JSON: column 2: expecting property name enclosed in double quotes",
            ),
            Malformed(3, "the line is too long; name a file in the text instead of its content"),
        ],
    )


@pytest.mark.parametrize(
    "line, why",
    [
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "no JSON that can be read"),
        (b'{"type": "user"}', 'needs `"message"'),
        (b'{"type": "user", "message": {"role": "system", "content": "x"}}', 'needs `"message"'),
        (user(3), "a text or a list of blocks"),
        (user(""), "is empty"),
        (user([]), "is empty"),
        (user([{"type": "image", "source": {}}]), "pictures are not taken here"),
        (user([{"type": "tool_result"}]), "blocks of text alone"),
        (user(["x"]), "blocks of text alone"),
        (b'{"type": "control_request", "request": {"subtype": "interrupt"}}', "needs `request_id`"),
        (b'{"type": "control_request", "request_id": "1", "request": {}}', "with its `subtype`"),
    ],
)
def test_what_is_no_message_is_said_in_a_line(line: bytes, why: str) -> None:
    message = read_line(7, line)

    assert isinstance(message, Malformed)
    assert message.line == 7
    assert why in message.why


@pytest.mark.parametrize(
    "line, message",
    [
        (control("interrupt"), Interrupt("r1")),
        (
            control("set_model", model="m"),
            Control("r1", "set_model", {"subtype": "set_model", "model": "m"}),
        ),
        (user([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), UserSaid("a\n\nb")),
        (user("half \ud800"), UserSaid("half ?")),
        (b'{"type": "keep_alive"}', None),
        (b'{"type": "control_response", "response": {}}', None),
        (b"  ", None),
    ],
)  # fmt: skip
def test_what_is_one_is_read(line: bytes, message: object) -> None:
    assert read_line(1, line) == message


def test_lines_are_the_same_however_they_come() -> None:
    data = b"ab\n\ncdefg\nh"
    for size in range(1, len(data)):
        lines = Lines(4)
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        found = [line for piece in pieces for line in lines.feed(piece)]

        assert [*found, *lines.end()] == [(1, b"ab"), (2, b""), (3, None), (4, b"h")]


def test_a_closed_input_is_wrong_use() -> None:
    async def drive() -> None:
        await anext(Driver(-1, lambda _heard: None).turns())

    with pytest.raises(UsageError, match="cannot read stdin: Bad file descriptor"):
        asyncio.run(drive())


async def next_of(turns: AsyncIterator[UserSaid]) -> str:
    async with asyncio.timeout(10):
        return (await anext(turns)).text


def test_what_comes_during_a_turn_waits_and_an_interrupt_does_not() -> None:
    async def drive(reading: int, writing: int) -> None:
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        turns = Driver(reading, heard.put_nowait).turns()
        os.write(writing, user("one") + b"\n")
        assert await next_of(turns) == "one"
        os.write(writing, user("two") + b"\n" + control("interrupt") + b"\n" + user("three")[:9])
        assert await heard.get() == Interrupt("r1")
        assert await next_of(turns) == "two"
        os.write(writing, user("three")[9:] + b"\n")
        assert await next_of(turns) == "three"
        os.close(writing)
        with pytest.raises(StopAsyncIteration):
            await next_of(turns)

    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        asyncio.run(drive(reading, writing))
    finally:
        os.close(reading)
