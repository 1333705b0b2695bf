"""A picture in each provider's form, and in the journal's."""

from __future__ import annotations

import json

import pytest

from qcode.messages import AssistantMessage, Image, ToolMessage, UserMessage, from_json, to_json
from qcode.providers import litellm, responses
from qcode.providers.prompted import Conversation
from qcode.providers.styles import STYLES

PICTURE = Image("a.png", "image/png", "aGk=")
ASKED = UserMessage("Look", images=(PICTURE,))


def test_responses_take_input_images() -> None:
    assert responses.render([ASKED]) == [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": PICTURE.url},
            ],
        }
    ]


@pytest.mark.parametrize("model", ["gemini/gemini-2.5-pro", "anthropic/claude-sonnet-4-5"])
def test_litellm_takes_those_of_chat_completions(model: str) -> None:
    (message,) = litellm.render("", [ASKED], model=model)

    text, picture = message["content"]
    assert text["text"] == "Look"
    assert picture == {"type": "image_url", "image_url": {"url": PICTURE.url}}


def test_tools_told_in_the_prompt_lose_none() -> None:
    conversation = Conversation(next(iter(STYLES.values())))
    told = conversation.render([ASKED, UserMessage("And", images=(PICTURE,))])
    later = conversation.render(
        [ASKED, UserMessage("And", images=(PICTURE,)), AssistantMessage("Yes"), UserMessage("So")]
    )

    assert [getattr(message, "images", None) for message in told] == [(PICTURE, PICTURE)]
    assert [getattr(message, "images", None) for message in later] == [(PICTURE, PICTURE), None, ()]


@pytest.mark.parametrize("message", [ASKED, UserMessage("Hi", before="a", after="b")])
def test_the_journal_gives_back_what_it_was_given(message: UserMessage) -> None:
    assert from_json(json.loads(json.dumps(to_json(message)))) == message


def test_messages_of_tools_have_none() -> None:
    assert "images" not in to_json(ToolMessage("1", "read_file", "x"))
