"""Runs a file of vectors: `python tests/vectors.py tool-calls|edits|attacks FILE`.

Prints each failing id with what was expected and what came, and ends with
`N passed, M failed`; exits with 1 if any failed. The formats of the files stand
in the reference material: tool-calls/README.md and edits/README.md, section 14 each,
and sandbox/README.md, section 15. `attacks --help` tells of tiers and users.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Run as a script in a checkout, perhaps by a Python that has no qcode installed.
sys.path.append(str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parent / "support"))

import attack_vectors
import edit_vectors

from qcode.calls.decoder import Decoder
from qcode.providers import CallPart, ReasoningPart, TextPart
from qcode.providers.chat_stream import read_delta

Json = dict[str, Any]
CHUNKS = (0, 1, 3, 7, 64)
"""Characters in which a text is fed; 0 is all at once."""


MOST_CUTS = int(os.environ.get("QCODE_CUTS", "2000"))
"""A text is also fed in two pieces, cut at each of so many places."""
MOST_SHOWN = 2000
"""Characters of an expected or real outcome of an edit that are printed."""


def decode(
    vector: Json, parts: Iterator[TextPart | ReasoningPart | CallPart], end: str | None
) -> Json:
    """Return what the decoder makes of an answer, in the form of `expected`."""
    numbers = iter(range(1, 1000))
    decoder = Decoder(vector["tools"], lambda: f"call_{next(numbers)}")
    for part in parts:
        decoder.feed(part)
    _shown, decoded = decoder.finish(end)
    if decoded.fault:
        return {"error": decoded.fault}
    calls: list[Json] = []
    for each in decoded.calls:
        if each.fault:
            calls.append({"name": each.call.name, "error": str(each.fault)})
        else:
            calls.append({"name": each.call.name, "arguments": json.loads(each.call.arguments)})
    return {"content": decoded.text, "calls": calls, "reasoning": decoded.reasoning}


def answers(vector: Json) -> Iterator[tuple[str, Json]]:
    """Yield how the answer was cut into pieces, and what came of it."""
    given = vector.get("input")
    if isinstance(given, str):
        for size in (*CHUNKS, *vector.get("chunks", ())):
            step = size or max(1, len(given))
            pieces = [TextPart(given[at : at + step]) for at in range(0, len(given), step)]
            end = vector.get("finish_reason", "stop")
            yield f"in pieces of {size or 'all'}", decode(vector, iter(pieces), end)
        for cut in range(1, min(len(given), MOST_CUTS)):
            halves = [TextPart(given[:cut]), TextPart(given[cut:])]
            yield f"cut at {cut}", decode(vector, iter(halves), end)
        return
    if isinstance(given, dict):
        message = [{"delta": given["message"], "finish_reason": given.get("finish_reason")}]
    for size in (0, 1, 5):
        yield (
            f"in deltas of {size or 'any size'}",
            _from_deltas(vector, vector.get("deltas") or message, size),
        )


def _from_deltas(vector: Json, deltas: list[Json], size: int) -> Json:
    end: str | None = None
    parts: list[TextPart | ReasoningPart | CallPart] = []
    for delta in deltas:
        if "error" in delta:
            return {"error": "stream_error"}
        end = delta.get("finish_reason") or end
        for part in read_delta(delta.get("delta") or {}):
            if size and isinstance(part, TextPart | ReasoningPart):
                text = part.text
                parts += [type(part)(text[at : at + size]) for at in range(0, len(text), size)]
            else:
                parts.append(part)
    return decode(vector, iter(parts), end)


def matches(expected: Json, got: Json) -> bool:
    """Whether an answer is as good as the expected one."""
    if "error" in expected or "error" in got:
        return expected.get("error") == got.get("error")
    if _words(expected.get("content")) != _words(got["content"]):
        return False
    if "reasoning" in expected and _words(expected["reasoning"]) != _words(got["reasoning"]):
        return False
    calls = expected["calls"]
    return len(calls) == len(got["calls"]) and all(map(_same_call, calls, got["calls"]))


def _same_call(expected: Json, got: Json) -> bool:
    if expected["name"] != got["name"] and "error" not in expected:
        return False
    if "error" in expected:
        return got.get("error") in (expected["error"], *expected.get("accept", ()))
    return "arguments" in got and _same(expected["arguments"], got["arguments"])


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


def run_edits(path: Path) -> int:
    """Run a file of edits; wrong edits, the worst failure, are marked and counted."""
    passed = failed = wrong = 0
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        vector = json.loads(line)
        got = edit_vectors.outcome(vector)
        if fault := edit_vectors.fault(vector, got):
            failed += 1
            wrong += fault == "WRONG EDIT"
            name = vector.get("id", f"line {number}")
            print(f"{name}: {fault}: {vector.get('description', '')}")
            print(f"  expected {json.dumps(vector['expected'], ensure_ascii=True)[:MOST_SHOWN]}")
            print(f"  got      {json.dumps(got, ensure_ascii=True)[:MOST_SHOWN]}")
        else:
            passed += 1
    if wrong:
        print(f"WRONG EDITS: {wrong}")
    print(f"{passed} passed, {failed} failed")
    return failed


def run(path: Path) -> int:
    """Run a file; print what failed and the closing line; return the number of failures."""
    passed = failed = 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        vector = json.loads(line)
        wrong = [(how, got) for how, got in answers(vector) if not matches(vector["expected"], got)]
        if wrong:
            failed += 1
            how, got = wrong[0]
            print(f"{vector.get('id', f'line {number}')}: {vector.get('description', '')} ({how})")
            print(f"  expected {json.dumps(vector['expected'], ensure_ascii=False)}")
            print(f"  got      {json.dumps(got, ensure_ascii=False)}")
        else:
            passed += 1
    print(f"{passed} passed, {failed} failed")
    return failed


def main(arguments: list[str]) -> int:
    """Run `tool-calls FILE`, `edits FILE` or `attacks FILE [--tier T]`."""
    runs = {"tool-calls": run, "edits": run_edits}
    kind, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if kind != "attacks" and (len(rest) != 1 or kind not in runs):
        print("usage: python tests/vectors.py tool-calls|edits|attacks FILE", file=sys.stderr)
        return 2
    try:
        failed = (
            attack_vectors.run_attacks(rest) if kind == "attacks" else runs[kind](Path(rest[0]))
        )
    except (OSError, ValueError, KeyError) as error:
        print(f"vectors: {' '.join(rest)} cannot be used: {error!r}", file=sys.stderr)
        return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
