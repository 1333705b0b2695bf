from __future__ import annotations

import asyncio

from qcode.composing import Composing, Told
from qcode.errors import QcodeError
from qcode.messages import Image, UserMessage

PICTURE = Image("a.png", "image/png", "aGk=")


class Says:
    """A part that tells what it was asked with."""

    async def tell(self, said: str, *, is_first: bool) -> Told:
        return Told(f"before {is_first}", f"after {said}", (PICTURE,))


class Fails:
    async def tell(self, said: str, *, is_first: bool) -> Told:
        raise QcodeError("nothing is known")


def test_parts_stand_around_the_text_in_order() -> None:
    composer = Composing([Says(), Says()], print)

    message = asyncio.run(composer.compose("hello", is_first=True))

    assert message == UserMessage(
        "hello",
        before="before True\n\nbefore True",
        after="after hello\n\nafter hello",
        images=(PICTURE, PICTURE),
    )


def test_only_what_was_typed_is_handed_to_the_parts() -> None:
    message = asyncio.run(Composing([Says()], print).compose("a b", is_first=False, said="a"))

    assert (message.text, message.after) == ("a b", "after a")


def test_a_part_that_fails_leaves_the_rest_as_it_is() -> None:
    notes: list[str] = []

    message = asyncio.run(Composing([Fails(), Says()], notes.append).compose("x", is_first=True))

    assert message.before == "before True"
    assert notes == ["the model is told less than usual: nothing is known"]


def test_secrets_are_taken_out_of_what_is_told_and_not_out_of_what_is_said() -> None:
    composer = Composing([Says()], print, lambda text: text.replace("key", "…"))

    message = asyncio.run(composer.compose("key", is_first=True))

    assert (message.text, message.after) == ("key", "after …")
