"""How fast an answer's stream is decoded, beside joining it and one search through it.

    make bench ARGS="--only decode"
    python evals/bench_decoder.py --mb 5      # alone; growth is from 5 MB to 50

Times are CPU times: the decoder waits for nothing. docs/benchmarks.md says what the
figures mean.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from qcode.calls.decoder import Decoder
from qcode.evals.bench_report import COLUMNS, Section, table
from qcode.providers import TextPart
from qcode.tools import default_tools
from qcode.tools.schema import schema

CHUNKS = (64, 1024, 65536)
"""Characters in a piece of the stream; of a model's tokens, of a proxy, of a whole answer."""
GROWTH = 10
"""How many times as long the long stream is."""
PATIENCE_S = 20.0
"""CPU time after which a stream is given up; what was decoded by then counts."""

_MEGA = 1_000_000
_SEARCH = re.compile(r"<(?:tool_call|function=|invoke)|```|\n[ \t]*[\[{]")
_SENTENCE = (
    "The loader reads each file once, keeps what it needs, and says so if a < b or `x` is missing. "
)
_CODE = """\
def shorten(text: str, limit: int = 80) -> str:
    \"\"\"Return the text, or its beginning and an ellipsis.\"\"\"
    words = [word for word in text.split() if word]
    if len(text) <= limit and words[0] != "<b>":
        return {"text": text}["text"]
    return " ".join(words[:limit // 8]) + "…"


"""


def _prose(size: int) -> str:
    return _filled(f"{_SENTENCE * 6}\n\n", size)


def _code_heavy(size: int) -> str:
    return _filled(f"{_SENTENCE * 2}\n\n```python\n{_CODE * 3}```\n\n- {_SENTENCE}\n", size)


def _xml_call(size: int) -> str:
    head = "<tool_call>\n<function=write_file>\n<parameter=file_path>\na.py\n</parameter>\n"
    content = _filled(_CODE, size)
    tail = "\n</parameter>\n</function>\n</tool_call>"
    return f"{head}<parameter=content>\n{content}{tail}"


def _json_call(size: int) -> str:
    arguments = {"file_path": "a.py", "content": _filled(_CODE, size)}
    call = json.dumps({"name": "write_file", "arguments": arguments})
    return f"<tool_call>\n{call}\n</tool_call>"


def _closers_in_call(size: int) -> str:
    head = "<tool_call>\n<function=write_file>\n<parameter=content>\n"
    return head + _filled("</parameter>", size)


def _filled(text: str, size: int) -> str:
    return (text * (size // len(text) + 1))[:size]


def _only(text: str) -> Callable[[int], str]:
    return lambda size: _filled(text, size)


STREAMS: Mapping[str, Callable[[int], str]] = {
    "prose": _prose,
    "code-heavy prose": _code_heavy,
    "XML call, long value": _xml_call,
    "JSON call, long value": _json_call,
    "<tool_call> only": _only("<tool_call>"),
    "<tool_call>, <function=bash> only": _only("<tool_call>\n<function=bash>\n"),
    "bare JSON beginnings only": _only('{"name": "bash", "arguments": {"command": "\n'),
    "< only": _only("<"),
    "backticks only": _only("`"),
    "{ only": _only("{"),
    "lines of [ only": _only("[\n"),
    "</parameter> only": _only("</parameter>"),
    "</parameter> only, in a call": _closers_in_call,
}
"""Answers by name: a text of about so many characters."""


def measure(megabytes: float, rounds: int = 1) -> Section:
    """Return the figures of each stream."""
    _warm_up()
    section: Section = {}
    for name, make in STREAMS.items():
        text = make(int(megabytes * _MEGA))
        long = make(int(megabytes * _MEGA * GROWTH))
        figures = section[name] = {}
        for _ in range(rounds):
            for size in CHUNKS:
                rate = _rate(_decode, text, size)
                figures.setdefault(f"mb_s_{size}", []).append(rate)
                if size == 1024:
                    slower = _rate(_baseline, text, size) / rate
                    figures.setdefault("times_base", []).append(slower)
                    grown = rate / _rate(_decode, long, size)
                    figures.setdefault("growth", []).append(grown)
    return section


def _rate(take: Callable[[Iterator[str]], int], text: str, size: int) -> float:
    """Return the megabytes (a million characters) a second of CPU time."""
    begin = time.process_time()
    length = take(text[at : at + size] for at in range(0, len(text), size))
    return length / _MEGA / max(time.process_time() - begin, 1e-9)


def _decode(chunks: Iterator[str]) -> int:
    """Decode a stream, as long as there is patience; return the characters it had."""
    decoder = Decoder({tool.name: schema(tool.params) for tool in default_tools()}, lambda: "id")
    length = 0
    end = time.process_time() + PATIENCE_S
    for chunk in chunks:
        decoder.feed(TextPart(chunk))
        length += len(chunk)
        if time.process_time() > end:
            break
    decoder.finish("stop")
    return length


def _baseline(chunks: Iterator[str]) -> int:
    """Do the least that any decoder must: take the pieces, join them, search them once."""
    pieces: list[str] = []
    length = 0
    for chunk in chunks:
        pieces.append(chunk)
        length += len(chunk)
    for _match in _SEARCH.finditer("".join(pieces)):
        pass
    return length


def _warm_up() -> None:
    for make in STREAMS.values():
        _decode(iter([make(2000)]))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, return the exit code."""
    parser = argparse.ArgumentParser(prog="bench_decoder.py", description=__doc__)
    parser.add_argument("--mb", type=float, default=5.0, help="of each stream (%(default)s)")
    parser.add_argument("-n", dest="rounds", type=int, default=1, help="rounds (%(default)s)")
    options = parser.parse_args(argv)
    print(table(measure(options.mb, options.rounds), COLUMNS["decode"]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
