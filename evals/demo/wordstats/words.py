"""Taking a text apart."""

import re


def split_words(text):
    """Return the words of a text in order, in lower case, without punctuation."""
    return re.findall(r"[a-z0-9']+", text.lower())


def sentences(text):
    """Return the sentences of a text, without surrounding blanks."""
    parts = re.split(r"(?<=[.!?])\s+", text.strip())
    return [part for part in parts if part]
