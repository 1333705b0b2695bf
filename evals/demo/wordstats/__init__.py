"""Counts over a text."""

from wordstats.counts import count_words, most_common
from wordstats.words import sentences, split_words

__all__ = ["count_words", "most_common", "sentences", "split_words"]
