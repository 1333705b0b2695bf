"""Which files matter for a request: its words, names, paths and traces, references, recency."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import NamedTuple

from qcode.repomap import standing
from qcode.repomap.index import Index
from qcode.repomap.request import Request
from qcode.repomap.store import Row

_MOST_WORDS = 80
"""Words of a request that are looked up, the rarest first."""
_COMMON = 0.7
"""Part of the files from which on a word says nothing."""
_SATURATION = 1.2
_BY_LENGTH = 0.6
_MOST_DEFINING = 30
_INNER = ("__init__", "index", "mod")
"""Files that are called as the folder in which they are."""

_WORDS, _NAMES, _PLACE, _PATHS, _FRAMES = 10.0, 3.0, 3.0, 8.0, 10.0
_RANK, _RECENT = 0.5, 0.5
"""What each kind of evidence is worth at most; words, names and places are set beside the best."""


class Ranked(NamedTuple):
    """A file and what it is worth."""

    score: float
    row: Row


def ranked(index: Index, request: Request, recent: Mapping[str, int]) -> list[Ranked]:
    """Return all files, those that matter most first; equal ones by path."""
    scores: dict[int, float] = {}
    for points, most in (
        (_by_words(index, request), _WORDS),
        (_by_names(index, request), _NAMES),
        (_by_place(index, request), _PLACE),
    ):
        best = max(points.values(), default=0.0)
        for number, value in points.items():
            scores[number] = scores.get(number, 0.0) + most * value / best
    for number, value in _by_paths(index, request).items():
        scores[number] = scores.get(number, 0.0) + value
    top = max((row.rank * row.weight for row in index.files.values()), default=0.0) or 1.0
    asks_for_tests = any(standing.is_test(path) for path in request.paths) or (
        "test" in request.words and "tests/" in request.paths
    )
    found: list[tuple[float, str]] = []
    for path, row in index.files.items():
        score = scores.get(row.id, 0.0) + _RANK * row.rank / top
        age = recent.get(path)
        if age is not None:
            score += _RECENT / (1 + age / 10)
        weight = row.weight
        if asks_for_tests and standing.is_test(path):
            weight = max(weight, 0.8)
        found.append((-score * weight if row.grammar else -0.3 * score * weight, path))
    found.sort()
    return [Ranked(-score, index.files[path]) for score, path in found]


def _by_words(index: Index, request: Request) -> dict[int, float]:
    """Return how well each file's words are those of the request (BM25)."""
    lengths = {row.id: row.length for row in index.files.values() if row.length}
    total = len(lengths)
    if not total:
        return {}
    mean = sum(lengths.values()) / total
    rare: list[tuple[float, str, float]] = []
    for word, worth in request.words.items():
        count = index.store.count_having(word)
        if 0 < count <= max(_COMMON * total, 5):
            rare.append((worth * log(1 + (total - count + 0.5) / (count + 0.5)), word, worth))
    rare.sort(key=lambda one: (-one[0], one[1]))
    scores: dict[int, float] = {}
    for value, word, _ in rare[:_MOST_WORDS]:
        for entry in index.store.having(word):
            number = entry >> 8
            length = lengths.get(number)
            if length is None:
                continue
            count = entry & 255
            norm = _SATURATION * (1 - _BY_LENGTH + _BY_LENGTH * length / mean)
            scores[number] = scores.get(number, 0.0) + value * count * (_SATURATION + 1) / (
                count + norm
            )
    return scores


def _by_names(index: Index, request: Request) -> dict[int, float]:
    """Return which files define what the request names."""
    total = len(index.files) + 1
    scores: dict[int, float] = {}
    for name, worth in request.names.items():
        if len(name) < 3 and worth < 2:
            continue
        numbers = [number for number in index.store.defining(name) if number in index.by_id]
        if not numbers or len(numbers) > _MOST_DEFINING:
            continue
        value = worth * log(1 + total / len(numbers)) / len(numbers) ** 0.5
        if worth < 2 and name.islower():  # a plain word that happens to be a name
            value *= 0.3
        for number in numbers:
            scores[number] = scores.get(number, 0.0) + value
    return scores


def _by_place(index: Index, request: Request) -> dict[int, float]:
    """Return whose names and folders have words of the request."""
    total = len(index.files) + 1
    scores: dict[int, float] = {}
    for word, worth in request.words.items():
        for mark, share in ((".", 1.0), ("/", 0.4)):
            entries = index.store.having(word + mark)
            value = worth * share * log(1 + total / (len(entries) or 1))
            for entry in entries:
                scores[entry >> 8] = scores.get(entry >> 8, 0.0) + value
    return {number: value for number, value in scores.items() if number in index.by_id}


def _by_paths(index: Index, request: Request) -> dict[int, float]:
    """Return which files the request and its traces name."""
    wanted = {part for path in request.paths for part in path.split("/")}
    wanted.update(frame.path.rpartition("/")[2] for frame in request.frames)
    by_name: dict[str, list[Row]] = {name: [] for name in wanted}
    for path, row in index.files.items() if wanted else ():
        name = path[path.rfind("/") + 1 :]
        if name in by_name:
            by_name[name].append(row)
        stem = name.partition(".")[0]
        if stem in _INNER:
            stem = path.rpartition("/")[0].rpartition("/")[2]
        if stem in by_name and stem != name:
            by_name[stem].append(row)
    scores: dict[int, float] = {}
    for path in request.paths:
        for row in _meant(by_name, path):
            scores[row.id] = max(scores.get(row.id, 0.0), _PATHS)
    frames = request.frames
    for number, frame in enumerate(frames):
        # The last frames are the nearest to what failed.
        worth = _FRAMES * (0.4 + 0.6 * (number + 1) / len(frames))
        for row in _meant(by_name, frame.path):
            scores[row.id] = max(scores.get(row.id, 0.0), worth)
    return scores


def _meant(by_name: Mapping[str, list[Row]], path: str) -> list[Row]:
    """Return the files that a path, which may lead from anywhere, can mean: three at most.

    Of a module's path the last parts may be names in it.
    """
    parts = [part for part in path.split("/") if part not in ("", ".", "..", "~")]
    is_file = "." in parts[-1] if parts else False
    while parts:
        rows = by_name.get(parts[-1], ())
        best: list[Row] = []
        most = 0 if is_file or len(parts) == 1 else 1
        for row in rows:
            own = row.path.split("/")
            if not is_file:
                own[-1] = own[-1].partition(".")[0]
                if own[-1] in _INNER:
                    own.pop()
            same = 0
            for mine, its in zip(reversed(own), reversed(parts), strict=False):
                if mine != its:
                    break
                same += 1
            if same > most:
                best, most = [row], same
            elif same == most and same:
                best.append(row)
        if best:
            best.sort(key=lambda row: (-row.weight, len(row.path), row.path))
            return best if len(best) <= 3 else []
        if is_file:
            return []
        parts.pop()
    return []
