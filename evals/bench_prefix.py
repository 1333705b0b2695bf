"""`make prefix`: whether a real llama.cpp server reads again what it has read already.

A session of qcode's own is held with the embedded model: files are read and changed, a
command is run, tools fail, answers and prompts are interrupted, the window fills and is
compacted. What each request cost is the server's own count. Slow (minutes), so outside CI.

What a step should cost: the tokens that the server does not hold yet. It holds the last
prompt, as far as it was read, and what it wrote itself. A step may read 5 % more than that,
and `ALLOWANCE` tokens. An answer that qcode sends back otherwise than it came, as a call that
it had to repair, may be read once more; it is shown. After history was put aside all is new.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from qcode import events, local
from qcode.approvals import Nobody
from qcode.cli.chosen import Chosen
from qcode.cli.local import TerminalProgress
from qcode.cli.start import open_session
from qcode.config import Settings, ToolProtocol
from qcode.evals.bench_prefix_wire import Sent, Wire
from qcode.permissions import Mode
from qcode.providers.registry import Target
from qcode.session import Session

ALLOWANCE = 8
"""Tokens. A tokenizer may cut an answer's letters otherwise than the model wrote them (3 seen)."""
SHARE = 0.05
STEPS = 3
"""Of a turn; the model goes on calling tools for ever, and the next turn is what counts."""

COMPACTED = "(compacted)"

Stop = Callable[[events.Event], bool]


@dataclass(frozen=True, slots=True)
class Turn:
    """What is said, and when the answer to it is interrupted."""

    text: str
    stops: Stop | None = None


def after(kind: type, count: int) -> Stop:
    """Return what interrupts with so many events of a kind."""
    seen = 0

    def stop(event: events.Event) -> bool:
        nonlocal seen
        seen += isinstance(event, kind)
        return seen >= count

    return stop


def turns() -> list[Turn]:
    """Return what happens in the session; a model this small does about half of it."""
    return [
        Turn("Read the file alpha.py with read_file."),
        Turn("Read the file beta.py with read_file."),
        Turn("Run the shell command `wc -l alpha.py beta.py` with run_shell_command."),
        Turn("Use the edit tool on alpha.py: replace `total = 0` by `total = 1`."),
        Turn("Read the file missing.py with read_file."),
        Turn("Explain at length what alpha.py does.", after(events.TextDelta, 12)),
        Turn("Say in one sentence what beta.py does."),
        Turn("Look at @long.py and count its functions.", after(events.PromptProgress, 3)),
        Turn("Never mind. Read the file gamma.py with read_file."),
        Turn("Write the file notes.txt with the text `checked` with write_file."),
        Turn("Run the shell command `exit 3` with run_shell_command."),
        Turn("Use grep_search to find `total` in all files."),
        Turn("Read the file long.py with read_file."),
        Turn("Read the file alpha.py with read_file."),
        Turn("Say in one sentence what you did."),
    ]


FILES = {
    "alpha.py": "def add(numbers):\n    total = 0\n    for number in numbers:\n"
    "        total += number\n    return total\n",
    "beta.py": 'def greet(name):\n    return f"Grüße, {name}! 你好"\n',
    "gamma.py": "".join(f"CONSTANT_{n} = {n * n}\n" for n in range(40)),
    "long.py": "".join(f"def function_{n}(value):\n    return value + {n}\n\n" for n in range(48)),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A request; counts are tokens."""

    number: int
    what: str
    prompt: int
    new: int
    """What the server cannot have known."""
    reused: int
    read: int
    anew: bool
    """Whether history was put aside before it, or it is the first one."""
    ended: bool
    sure: bool
    """Whether the server told all it had read before: where the client left, it read on a bit."""
    changed: str = ""
    """How the last answer was sent back otherwise than the server gave it."""
    written: int = 0
    """Of the last answer."""

    @property
    def excess(self) -> int:
        """What was read although the server had read or written it already."""
        return self.read - self.new

    @property
    def fails(self) -> bool:
        """Whether that is more than there is a reason for."""
        allowed = SHARE * max(0, self.new) + ALLOWANCE + (self.written if self.changed else 0)
        return not self.anew and self.excess > allowed


def rows(wire: Wire, marks: list[tuple[int, str]]) -> list[Row]:
    """Judge each request by the one before it; `marks` say from which on a turn or window is."""
    out: list[Row] = []
    before: Sent | None = None
    for number, sent in enumerate(wire.sent):
        here = [what for at, what in marks if at == number]
        said = [what for at, what in marks if at <= number and what != COMPACTED]
        prompt = wire.tokens(sent)
        held = held_of(wire, before, prompt) if before else 0
        anew = before is None or COMPACTED in here
        new = len(prompt) - held
        row = Row(
            number=number + 1,
            what=said[-1],
            prompt=len(prompt),
            new=new,
            reused=sent.cached,
            read=sent.read,
            anew=anew,
            ended=sent.ended,
            sure=before is not None and before.ended,
            changed=changed(before, sent) if before and not anew else "",
            written=before.written if before else 0,
        )
        out.append(row)
        before = sent
    return out


def held_of(wire: Wire, before: Sent, prompt: list[int]) -> int:
    """Return how many tokens of the prompt the server holds after the request before."""
    old = wire.tokens(before)[: before.held or None] if before.held else []
    same = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, prompt, strict=False))
    )
    if same < len(wire.tokens(before)):
        return same
    # The last token written was never read: llama.cpp evaluates it with the one after it.
    return same + max(0, (before.written or before.pieces) - 1)


def changed(before: Sent, sent: Sent) -> str:
    """Return in a line how an answer went back otherwise than it came; empty if it did not."""
    answers = sent.body["messages"][len(before.body["messages"]) :]
    if not answers or answers[0]["role"] != "assistant" or not before.ended:
        return ""
    came, went = before.text, answers[0]["content"]
    return "" if came == went else f"came {came[-120:]!r}, went back {went[-120:]!r}"


async def hold(session: Session, wire: Wire) -> list[tuple[int, str]]:
    """Hold the session; return from which request on what was going on."""
    marks: list[tuple[int, str]] = []
    for turn in turns():
        marks.append((len(wire.sent), turn.text))
        print(f"> {turn.text}", file=sys.stderr, flush=True)
        async with aclosing(session.send(turn.text)) as happening:
            async for event in happening:
                match event:
                    case events.Compacted():
                        marks.append((len(wire.sent), COMPACTED))
                    case events.ToolStarted(call):
                        print(f"  {call.name} {call.arguments}", file=sys.stderr, flush=True)
                    case events.ErrorRaised(message):
                        print(f"  ✗ {message}", file=sys.stderr, flush=True)
                    case events.StepStarted(number) if number > STEPS:
                        session.interrupt()
                if turn.stops is not None and turn.stops(event):
                    session.interrupt()
    return marks


def table(found: list[Row]) -> str:
    """Return the requests as a table, and what they cost together."""
    lines = [f"{'#':>3} {'prompt':>7} {'new':>6} {'reused':>7} {'read':>6} {'excess':>7}  turn"]
    for row in found:
        note = " FAILS" if row.fails else " (from scratch)" if row.anew else ""
        note += "" if row.ended else " (interrupted)"
        note += "" if row.sure or row.anew else " (after an interruption)"
        lines.append(
            f"{row.number:>3} {row.prompt:>7} {row.new:>6} {row.reused:>7} {row.read:>6} "
            f"{row.excess:>7}  {row.what[:44]}{note}"
        )
    lines += [f"#{row.number}: the last answer {row.changed}" for row in found if row.changed]
    steps = [row for row in found if not row.anew and row.ended and row.sure]
    new, read = sum(row.new for row in steps), sum(row.read for row in steps)
    prompts = sum(row.prompt for row in steps)
    lines.append(
        f"{len(steps)} whole steps between compactions: prompts of {prompts:,} tokens, {new:,} of "
        f"them new; read {read:,}, {100 * (read / new - 1) if new else 0:+.1f} % of the new ones"
    )
    return "\n".join(lines)


@contextmanager
def plain_home() -> Iterator[None]:
    """Keep the session out of the person's own settings and sessions."""
    names = ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    before = {name: os.environ.get(name) for name in names}
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {name: f"{home}/{name}" for name in names}
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                os.environ |= {name: value} if value is not None else {}


async def measure(base_url: str, model: str, window: int, protocol: ToolProtocol) -> list[Row]:
    """Hold the session in a folder of its own; return its requests."""
    wire = Wire(base_url)
    target = Target(model=model, base_url=wire.base_url, api_key=None, kind="chat")
    settings = Settings(
        approval_mode=Mode.YOLO, checkpoints=False, max_output_tokens=160, tool_protocol=protocol
    )
    try:
        with tempfile.TemporaryDirectory() as folder, plain_home():
            for name, content in FILES.items():
                (Path(folder) / name).write_text(content, encoding="utf-8")
            session = open_session(
                settings,
                Chosen(target, window, is_embedded=True),
                Nobody(),
                cwd=Path(folder),
                added=(),
                note=lambda text: print(text, file=sys.stderr),
            )
            try:
                marks = await hold(session, wire)
            finally:
                await session.close()
        return rows(wire, marks)
    finally:
        wire.close()


def main() -> int:
    """Serve the model if nothing is served yet, measure, and say whether the contract is kept."""
    parser = argparse.ArgumentParser(prog="make prefix", description=__doc__)
    parser.add_argument("--model", default="0.5b", help="what `qcode local up` takes (0.5b)")
    parser.add_argument("--window", type=int, default=3_072, help="tokens until compaction (3072)")
    parser.add_argument("--protocol", default="native", choices=("native", "prompted"))
    args = parser.parse_args()
    running, ours = local.status(), False
    if running is None:
        with TerminalProgress() as progress:
            running, ours = local.up(args.model, progress=progress), True
    try:
        found = asyncio.run(measure(running.base_url, running.model, args.window, args.protocol))
    finally:
        if ours:
            local.down()
    print(table(found))
    failed = sum(row.fails for row in found)
    print(f"{failed} fail" if failed else "none reads more than is new")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
