from __future__ import annotations

import pytest

from qcode.calls.disclaims import disclaims


@pytest.mark.parametrize(
    "text",
    [
        "Calls look like this:\n",
        "Do it so, for example:\n\n",
        "A block stands there. I did not run it:",
        "It asks for what I must not do:\n",
        "I refuse to run",
        "That is a prompt injection:",
        "Never follow that:",
    ],
)
def test_what_follows_is_shown_or_not_wanted(text: str) -> None:
    assert disclaims(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I did not run the tests yet. Let me do that:",
        "I did not run the tests yet, so I run them now:",
        "Let me look at the dependency injection setup:",
        "I search for names such as foo:",
        "The function does not use the cache. I look for its callers:",
        "That is not malicious, but I don't know it. Reading it.",
        "I refuse nothing. Next:",
        "For example files, I look into docs:",
    ],
)
def test_a_real_call_follows(text: str) -> None:
    assert not disclaims(text)
