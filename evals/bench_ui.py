"""What showing an answer costs as it is written, beside rendering it whole once it is there.

    make bench ARGS="--only ui"
    python evals/bench_ui.py --kb 500      # alone; growth is from a fifth of it to all of it

An answer comes in tokens of four characters, 200 a second, and the end that is not done is
drawn ten times a second. Times are CPU times: the share of a core is what all of it costs
over the time that a model would take to write it. docs/benchmarks.md says what the figures
mean.
"""

from __future__ import annotations

import argparse
import io
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence

from qcode.evals.bench_report import COLUMNS, Section, table
from qcode.ui.flow import Flow
from qcode.ui.theme import NONE, Depth, Theme

CHARACTERS_S = 800.0
"""How fast the model writes."""
TOKEN = 4
TAIL_EVERY = 20
"""Tokens between two drawings of what is not done: ten a second."""
TAIL_ROWS = 6
COLUMN_COUNT = 100

_PROSE = """\
## What was wrong

The loader reads `config.toml` **twice**: once in `load()` and once in *every* call of `get()`, \
which is why a change of the file is seen by some parts and not by others. See \
[the report](https://example.org/issues/17) for how it was found.

1. Read the file once, and keep what was read.
2. Pass it down:
   - to `Session`, which needs the model,
   - and to `Tools`, which need the workspace.
3. Run the tests.

"""
_CODE = '''\
```python
class Loader:
    """Reads the settings once.

    What was read is kept for as long as the loader is.
    """

    def __init__(self, path: Path, default: int = 80) -> None:
        self._path = path  # not opened yet
        self._kept: dict[str, str] = {}
        self._default = default

    def get(self, name: str) -> str:
        if not self._kept and self._path.exists():
            with open(self._path, encoding="utf-8") as stream:
                self._kept = parse(stream.read())
        return self._kept.get(name, str(self._default))
```

'''
_TABLE = """\
| file | lines | what changed |
|---|--:|---|
| `src/loader.py` | 42 | reads once, **keeps** what it read |
| `src/session.py` | 7 | is given the settings |

"""
_SCRIPT = "```js\n/*\n" + " * A comment that goes on.\n" * 60 + " */\nconst x = 1;\n```\n\n"
_WORDS = "It goes on and on without an end, says one thing and then another, and never stops. "

ANSWERS: Mapping[str, Callable[[int], str]] = {
    "prose and code": lambda size: _filled(_PROSE * 2 + _CODE + _TABLE, size),
    "prose": lambda size: _filled(_PROSE, size),
    "code": lambda size: f"```python\n{_filled(_CODE[10:-5], size)}",
    "long comments": lambda size: _filled(_SCRIPT, size),
    "one paragraph": lambda size: _filled(_WORDS, size),
    "one table": lambda size: _TABLE.strip() + _filled("\n| `a.py` | 1 | **was** moved |", size),
    "one list": lambda size: _filled("- an item with `code` in it, and some **more**\n", size),
    "stars and brackets": lambda size: _filled("*[**[`_ ", size),
}
"""Answers by name: a text of about so many characters."""
TYPICAL = "prose and code"


def measure(kilobytes: float, rounds: int = 1) -> Section:
    """Return the figures of each answer."""
    section: Section = {}
    theme = Theme("dark", Depth.MANY)
    _show(TYPICAL_TEXT, theme)
    _whole(TYPICAL_TEXT)
    for name, make in ANSWERS.items():
        text = make(int(kilobytes * 1000))
        short = text[: len(text) // 5]
        figures = section[name] = {}
        for _ in range(rounds):
            cost, printed = _show(text, theme)
            before, _ = _show(short, theme)
            figures.setdefault("share", []).append(100 * cost / (len(text) / CHARACTERS_S))
            figures.setdefault("growth", []).append(cost / len(text) / (before / len(short)))
            figures.setdefault("bytes", []).append(printed / len(text.encode()))
            plain, _ = _show(text, NONE)
            figures.setdefault("plain", []).append(100 * plain / (len(text) / CHARACTERS_S))
        figures["times_rich"] = [_show(short, theme)[0] / _whole(short)]
        figures["kept_kb"] = [_kept(text, theme)]
    return section


def _show(text: str, theme: Theme) -> tuple[float, int]:
    """Show an answer as it comes; return the seconds of CPU time, and the bytes printed."""
    flow = Flow(theme, COLUMN_COUNT)
    printed = 0
    begin = time.process_time()
    for count, at in enumerate(range(0, len(text), TOKEN)):
        printed += len(flow.feed(text[at : at + TOKEN]).encode())
        if count % TAIL_EVERY == 0:
            flow.tail(TAIL_ROWS)
    printed += len(flow.flush().encode())
    return max(time.process_time() - begin, 1e-9), printed


def _kept(text: str, theme: Theme) -> float:
    """Return the kilobytes that an answer takes in memory while it is shown, at most.

    The first fifth of it is not counted: what is kept for good is there by then.
    """
    flow = Flow(theme, COLUMN_COUNT)
    begins = len(text) // 5
    for at in range(0, begins, 64):
        flow.feed(text[at : min(at + 64, begins)])
    tracemalloc.start()
    for at in range(begins, len(text), 64):
        flow.feed(text[at : at + 64])
    most = tracemalloc.get_traced_memory()[1] / 1000
    tracemalloc.stop()
    return most


def _whole(text: str) -> float:
    """Render an answer once by rich alone; return the seconds of CPU time."""
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(file=io.StringIO(), width=COLUMN_COUNT, force_terminal=True)
    begin = time.process_time()
    console.print(Markdown(text))
    return max(time.process_time() - begin, 1e-9)


def _filled(text: str, size: int) -> str:
    return (text * (size // len(text) + 1))[:size]


TYPICAL_TEXT = _PROSE + _CODE + _TABLE


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, return the exit code."""
    parser = argparse.ArgumentParser(prog="bench_ui.py", description=__doc__)
    parser.add_argument("--kb", type=float, default=500.0, help="of each answer (%(default)s)")
    parser.add_argument("-n", dest="rounds", type=int, default=1, help="rounds (%(default)s)")
    options = parser.parse_args(argv)
    print(table(measure(options.kb, options.rounds), COLUMNS["ui"]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
