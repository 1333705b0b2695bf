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
from collections.abc import Sequence
from pathlib import Path

from qcode.errors import QcodeError
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
        help="with the model's own template, or qcode's",
    )
    recording.add_argument("--out", type=Path, help=f"(`{RECORDINGS}/MODEL-SERVE.jsonl`)")
    recording.add_argument("--max-tokens", type=int, default=MAX_TOKENS, metavar="N")
    scoring = commands.add_parser("score", help="decode recordings and run their calls")
    scoring.add_argument("files", type=Path, nargs="*", help=f"(all in `{RECORDINGS}`)")
    scoring.add_argument("--decoder", choices=tuple(DECODERS), help="(each in turn)")
    scoring.add_argument("--list", action="store_true", help="print each reply that ran no call")
    args = parser.parse_args()
    try:
        if args.command == "record":
            out = args.out or RECORDINGS / f"{args.model}-{args.serve}.jsonl"
            record(args.model, args.serve, out, args.max_tokens)
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
        for decoder in decoders:
            scored = judge(file, decoder)
            rows.append((file.stem, decoder, scored))
            if show:
                print(f"\n== {file.stem}, {decoder}: replies that ran no call\n")
                listing(scored)
    print(table(rows))


def judge(file: Path, decoder: str) -> list[Scored]:
    """Score a recording."""
    with tempfile.TemporaryDirectory(prefix="qcode-toolcalls-") as folder:
        return [score(reply, DECODERS[decoder], Path(folder)) for reply in load(file)]


def table(rows: Sequence[tuple[str, str, list[Scored]]]) -> str:
    """Return the figures as a Markdown table.

    `meant` are the replies that mean a call, `known` those of them that name an offered tool
    or one that other harnesses have under that name; `fits` are calls of a tool that the
    prompt asks for.
    """
    columns = ("recording", "decoder", "replies", "meant", "run", "run/meant", "fits")
    causes = [fate for fate in Fate if not fate.executed and fate is not Fate.NO_CALL]
    lines = [" | ".join(("", *columns, *causes, "")).strip()]
    lines.append("| --- | --- |" + " --: |" * (len(columns) + len(causes) - 2))
    wanted = {prompt.id: prompt.tools for prompt in prompts()}
    for name, decoder, scored in rows:
        meant = [one for one in scored if one.intended]
        run = [one for one in meant if one.fate.executed]
        fits = sum(bool(r.call and r.call.name in wanted.get(r.reply.id, ())) for r in run)
        share = f"{100 * len(run) / len(meant):.1f} %" if meant else "-"
        fates = Counter(one.fate for one in meant)
        cells = (name, decoder, len(scored), len(meant), len(run), share, fits)
        lines.append(
            " | ".join(("", *map(str, cells), *(str(fates[c] or "") for c in causes), "")).strip()
        )
    return "\n".join(lines)


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
