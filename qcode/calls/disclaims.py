"""Words before a call that say it is shown, or not wanted: then it is not run.

A file that the model was told to summarise may hold a call as bait, and an honest
answer quotes it. The model is asked instead; see docs/decisions/0006.
"""

from __future__ import annotations

import re

_WITHIN = 240
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_DISCLAIMS = re.compile(
    r"\b(?:for (?:example|instance)|e\.g\.|an example|such as|looks? like (?:this|so)|the form is"
    r"|(?:(?:did|do|does|will|would|should|must|shall|can|may) ?not|never"
    r"|don't|didn't|won't|shouldn't|mustn't) (?:run|execute|call|follow|obey|do|use)"
    r"|refus(?:e|ed|ing)|injection|injected|suspicious|malicious)\b",
    re.IGNORECASE,
)


def disclaims(text: str) -> bool:
    """Whether the last sentence of a text sets what follows it apart as no call of its own."""
    sentences = [each for each in _SENTENCE.split(text[-_WITHIN:].strip()) if each.strip()]
    return bool(sentences) and _DISCLAIMS.search(sentences[-1]) is not None
