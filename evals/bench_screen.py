"""The interactive program as a whole, in a real pseudo-terminal.

    make bench ARGS="--only prompt,stream"
    make bench ARGS="--only stream --stream-s 600"     # ten minutes of one answer

How soon there is a prompt, and how soon a key that was pressed at once stands in it; and what
an answer costs that comes at 200 tokens a second: CPU time, bytes to the terminal, memory, and
the time from a token's leaving the model to its being drawn. docs/benchmarks.md says what the
figures mean.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from qcode.evals.bench_pace import PacedServer
from qcode.evals.bench_process import Probe
from qcode.evals.bench_pty import Watched
from qcode.evals.bench_report import PYTHON, Section
from qcode.evals.bench_ui import CHARACTERS_S, TOKEN, TYPICAL_TEXT

STREAM_S = 20.0
"""How long the model writes, unless it is said otherwise."""
MARKER_EVERY = 203
"""Tokens from one word that is looked for on the terminal to the next."""
CLEARS = (b"\x1b[2J", b"\x1b[3J", b"\x1b[?1049h", b"\x1bc")
"""What takes away more than the last lines."""
_KEY = "ß"
"""A letter that nothing else draws."""


def environment_of(plain: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program that may use colours."""
    kept = {name: value for name, value in plain.items() if name != "NO_COLOR"}
    return {**kept, "TERM": "xterm-256color", "QCODE_MODEL": "paced"}


def measure_prompt(
    python: str,
    program: Sequence[str],
    *,
    environment: Mapping[str, str],
    cwd: Path,
    rounds: int,
) -> Section:
    """Return milliseconds until there is a prompt, beside a start of bare Python."""
    section: Section = {PYTHON: {"wall_ms": []}, "qcode": {}}
    figures = section["qcode"]
    environment = environment_of(environment)
    with PacedServer(["Hello."], 200) as server:
        environment["QCODE_BASE_URL"] = server.base_url
        for _ in range(rounds):
            with Watched((python, "-c", "print('.')"), environment=environment, cwd=cwd) as bare:
                bare_s = bare.until(lambda drawn: b"." in drawn)
            with Watched(program, environment=environment, cwd=cwd) as qcode:
                qcode.type(_KEY)
                prompt_s = qcode.until(lambda drawn: b"> " in drawn)
                typed_s = qcode.until(lambda drawn: _KEY.encode() in drawn.partition(b"> ")[2])
                ready_s = qcode.until(lambda drawn: b"Enter sends" in drawn)
            section[PYTHON]["wall_ms"].append(bare_s * 1e3)
            for name, seconds in (("prompt", prompt_s), ("typed", typed_s), ("ready", ready_s)):
                figures.setdefault(f"{name}_ms", []).append((seconds - bare_s) * 1e3)
    return section


def measure_stream(
    seconds: float, program: Sequence[str], *, environment: Mapping[str, str], cwd: Path
) -> Section:
    """Return what an answer costs that the model writes for so many seconds."""
    tokens = _tokens(seconds)
    text = "".join(tokens)
    tokens_s = CHARACTERS_S / TOKEN
    with PacedServer(tokens, tokens_s) as server:
        environment = {**environment_of(environment), "QCODE_BASE_URL": server.base_url}
        with Watched((*program, "write"), environment=environment, cwd=cwd) as qcode:
            qcode.until(lambda _drawn: server.sent_at)
            probe = Probe(qcode.pid)
            probe.cpu()
            before_s, begin, at = probe.cpu_s or 0.0, time.monotonic(), len(qcode.drawn)
            seen: dict[int, float] = {}
            early_mb, last = 0.0, MARKER_EVERY * (len(tokens) // MARKER_EVERY)
            while not server.finished.is_set():
                drawn_to = len(qcode.drawn)
                qcode.read(0.05)
                # A word may come in two reads.
                new, now = qcode.drawn[max(0, drawn_to - 20) :], time.monotonic()
                for place in range(0, last + 1, MARKER_EVERY):
                    if place not in seen and _marker(place).encode() in new:
                        seen[place] = now
                if not early_mb and now - begin >= seconds / 5:
                    early_mb = qcode.rss_mb()
            probe.cpu()
            took = time.monotonic() - begin
            spent = (probe.cpu_s or 0.0) - before_s
            grown_mb = qcode.rss_mb() - early_mb
            qcode.until(lambda drawn: b" out" in drawn[at:])
            drawn = qcode.drawn[at:]
    waits = sorted(seen[place] - server.sent_at[place] for place in seen if place)
    return {
        f"{seconds:g} s": {
            "share": [100 * spent / took],
            "bytes": [len(drawn) / len(text.encode())],
            "grown_mb": [grown_mb],
            "clears": [float(sum(drawn.count(clear) for clear in CLEARS))],
            "lag_ms": [wait * 1e3 for wait in waits],
            "slow_lag_ms": [waits[int(len(waits) * 0.95)] * 1e3] if waits else [],
        }
    }


def _tokens(seconds: float) -> list[str]:
    """Return mixed Markdown in pieces; now and then one is a word to be looked for."""
    count = int(seconds * CHARACTERS_S / TOKEN)
    text = TYPICAL_TEXT * (count * TOKEN // len(TYPICAL_TEXT) + 1)
    made = [text[at : at + TOKEN] for at in range(0, count * TOKEN, TOKEN)]
    for place in range(0, count, MARKER_EVERY):
        made[place] = f" {_marker(place)} "
    return made


def _marker(place: int) -> str:
    return f"Q{place:06}Q"
