"""Words before a call that say it is shown, or not wanted: then it is not run.

A file that the model was told to summarise may hold a call as bait, and an honest
answer quotes it. The model is asked instead; see docs/decisions/0006.
"""

from __future__ import annotations

import re

_WITHIN = 240
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_DISCLAIMS = re.compile(
    r"(?:\bfor (?:example|instance)|\be\.g\.|\blooks? like (?:this|so)|\bthe form is)\s*[:,]?\s*\Z"
    r"|\b(?:(?:did|do|does|will|would|should|must|shall|may) ?not|never"
    r"|don't|didn't|won't|shouldn't|mustn't) "
    r"(?:do|(?:run|execute|call|follow|obey|do|use) (?:it|this|that|these|them)|follow)\b"
    r"|\brefus(?:e|ed|ing) to\b|\bprompt injection\b",
    re.IGNORECASE,
)
"""Narrow on purpose: "I did not run the tests yet" comes before real calls, too."""


def disclaims(text: str) -> bool:
    """Whether the last sentence of a text sets what follows it apart as no call of its own."""
    sentences = [each for each in _SENTENCE.split(text[-_WITHIN:].strip()) if each.strip()]
    return bool(sentences) and _DISCLAIMS.search(sentences[-1]) is not None
