"""`make toolcalls`: how many calls that a small model means are run, before and after.

`record` asks a model every prompt of `toolcalls/prompts.jsonl` once, as qcode would in the
workspace beside it, and keeps the replies. `score` decodes recordings, which takes seconds, as
often as one likes. `live` plays qcode itself on the prompts whose reply led to no call.
docs/toolcalls.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qcode.errors import QcodeError
from qcode.evals.toolcalls_live import outcomes, play
from qcode.evals.toolcalls_record import MAX_TOKENS, SERVINGS, load, prompts, record
from qcode.evals.toolcalls_score import DECODERS, Fate, Scored, named, score
from qcode.tools import default_tools

RECORDINGS = Path(".evals")


def main() -> int:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(
        prog="toolcalls",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="ask a model; goes on where it was stopped")
    recording.add_argument("--model", default="0.5b", help="as for `qcode local up` (0.5b)")
    recording.add_argument(
        "--serve",
        choices=SERVINGS,
        default="text",
        help="see docs/toolcalls.md",
    )
    recording.add_argument("--out", type=Path, help=f"(`{RECORDINGS}/MODEL-SERVE.jsonl`)")
    recording.add_argument("--max-tokens", type=int, default=MAX_TOKENS, metavar="N")
    scoring = commands.add_parser("score", help="decode recordings and run their calls")
    scoring.add_argument("files", type=Path, nargs="*", help=f"(all in `{RECORDINGS}`)")
    scoring.add_argument("--decoder", choices=tuple(DECODERS), help="(each in turn)")
    scoring.add_argument("--list", action="store_true", help="print each reply that ran no call")
    living = commands.add_parser("live", help="play qcode where a recorded reply ran no call")
    living.add_argument("--model", default="0.5b")
    living.add_argument("--serve", choices=SERVINGS, default="text")
    living.add_argument("--decoder", choices=tuple(DECODERS), default=tuple(DECODERS)[-1])
    args = parser.parse_args()
    try:
        if args.command == "record":
            out = args.out or RECORDINGS / f"{args.model}-{args.serve}.jsonl"
            record(args.model, args.serve, out, args.max_tokens)
            return 0
        if args.command == "live":
            name = f"{args.model}-{args.serve}.jsonl"
            scored = judge(RECORDINGS / name, args.decoder)
            # Those that meant a call come first: they are what the share is of.
            left = sorted(
                (one for one in scored if not one.fate.executed), key=lambda one: not one.intended
            )
            play(args.model, args.serve, left, RECORDINGS / "live" / name)
            return 0
        files = args.files or sorted(RECORDINGS.glob("*.jsonl"))
        report(files, [args.decoder] if args.decoder else list(DECODERS), show=args.list)
    except QcodeError as error:
        print(f"toolcalls: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def report(files: Sequence[Path], decoders: Sequence[str], *, show: bool) -> None:
    """Print the table, one row a recording and decoder."""
    rows = []
    for file in files:
        live = outcomes(file.parent / "live" / file.name)
        for decoder in decoders:
            scored = judge(file, decoder)
            # Before qcode.calls the loop did not answer what it did not see.
            rows.append(Row(file.stem, decoder, scored, {} if decoder == "old" else live))
            if show:
                print(f"\n== {file.stem}, {decoder}: replies that ran no call\n")
                listing(scored)
    print(table(rows))


def judge(file: Path, decoder: str) -> list[Scored]:
    """Score a recording."""
    with tempfile.TemporaryDirectory(prefix="qcode-toolcalls-") as folder:
        return [score(reply, DECODERS[decoder], Path(folder)) for reply in load(file)]


@dataclass(frozen=True, slots=True)
class Row:
    """A recording as one decoder reads it."""

    name: str
    decoder: str
    scored: Sequence[Scored]
    live: Mapping[str, str]
    """See `outcomes`; empty where qcode was not played."""


def table(rows: Sequence[Row]) -> str:
    """Return the figures as a Markdown table.

    `meant` are the replies that mean a call, `run` those whose call was valid and run, `fits`
    those of them whose tool is one that the prompt asks for. `in the end` adds those that ran a
    call after qcode had answered the first reply, where it was played; `fits then` is for them all.
    """
    columns = ("recording", "decoder", "replies", "meant", "run", "run/meant", "fits")
    later = ("in the end", "of meant", "fits then")
    causes = [fate for fate in Fate if not fate.executed and fate is not Fate.NO_CALL]
    lines = [_line(*columns, *later, *causes)]
    lines.append("| --- | --- |" + " --: |" * (len(columns) + len(later) + len(causes) - 2))
    wanted = {prompt.id: prompt.tools for prompt in prompts()}
    for row in rows:
        meant = [one for one in row.scored if one.intended]
        run = {one.reply.id: one.call.name for one in meant if one.fate.executed and one.call}
        end = run | {
            one.reply.id: row.live[one.reply.id]
            for one in meant
            if one.reply.id not in run and row.live.get(one.reply.id)
        }
        fits = [sum(tool in wanted.get(key, ()) for key, tool in ran.items()) for ran in (run, end)]
        fates = Counter(one.fate for one in meant)
        counts = (len(row.scored), len(meant), len(run), _share(len(run), len(meant)), fits[0])
        ends = (len(end), _share(len(end), len(meant)), fits[1]) if row.live else ("", "", "")
        lines.append(
            _line(row.name, row.decoder, *counts, *ends, *(fates[c] or "" for c in causes))
        )
    return "\n".join(lines)


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def listing(scored: Sequence[Scored]) -> None:
    """Print each reply that led to no call that ran, for the eye."""
    offered = {tool.name for tool in default_tools()}
    for one in scored:
        if one.fate.executed:
            continue
        name = named(one.reply)
        unknown = f", names {name!r}" if name and name not in offered else ""
        print(f"-- {one.reply.id}: {one.fate} ({one.intended or 'prose'}{unknown}) {one.detail}")
        print(f"   asked: {one.reply.prompt!r}")
        print("   " + (one.reply.content or str(one.call)).replace("\n", "\n   "))


if __name__ == "__main__":
    sys.exit(main())
