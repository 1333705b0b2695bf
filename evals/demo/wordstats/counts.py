"""Counting words."""

from wordstats.words import split_words


def count_words(text):
    """Return how often each word of a text occurs, as a dictionary."""
    counts = {}
    for word in split_words(text):
        counts[word] += 1
    return counts


def most_common(counts, limit):
    """Return the most frequent words with their counts; words of the same count by name."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ranked[:limit]
