"""`make screens`: pictures of the real program at its main moments, as SVG.

qcode runs in a pseudo-terminal against a scripted model server; what stands on the terminal is
written to docs/screens. The same program gives the same bytes: what depends on the machine or
the hour (times taken, which sandbox there is) is written over.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))

from scripted_server import ScriptedServer, Stream  # noqa: E402
from terminal import ENTER, Screened  # noqa: E402

from qcode.evals.screens_play import BEFORE, CONFIG, FILES, answer, finished, repair  # noqa: E402
from qcode.evals.screens_svg import picture  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS, COLUMNS = 34, 92
USED = 1_768_471_200
"""When the first of the sessions in the picture was last used (seconds since 1970)."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A moment: what is asked, what the model does, and what is done to get there."""

    name: str
    script: Sequence[Stream]
    until: Callable[[Screened], None]
    options: tuple[str, ...] = ()
    light: bool = False


def _start(qcode: Screened) -> None:
    qcode.ready()
    qcode.idle(0.3)


def _streaming(qcode: Screened) -> None:
    qcode.say("why is the total wrong?")
    qcode.shows("total +=")
    qcode.idle(0.3)


def _approval(qcode: Screened) -> None:
    qcode.say("fix it")
    qcode.shows("[y]es")
    qcode.idle(0.3)


def _finished(qcode: Screened) -> None:
    qcode.say("fix it, and check")
    qcode.shows("All three tests pass")
    qcode.ready()


def _menu(qcode: Screened) -> None:
    qcode.ready()
    qcode.type("/co")
    qcode.shows("where the tokens")
    qcode.idle(0.3)


def _context(qcode: Screened) -> None:
    qcode.say("fix it, and check")
    qcode.shows("All three tests pass")
    qcode.say("/context")
    qcode.shows("requests so far")
    qcode.ready()


def _resume(qcode: Screened) -> None:
    qcode.say("/resume")
    qcode.shows("Enter opens")
    qcode.idle(0.5)


SCENES = (
    Scene("start", (), _start),
    Scene("streaming", (answer(),), _streaming),
    Scene("approval", repair(), _approval),
    Scene("finished", finished(), _finished, ("-y",)),
    Scene("menu", (), _menu),
    Scene("context", finished(), _context, ("-y",)),
    Scene("resume", (), _resume),
    Scene("streaming-light", (answer(),), _streaming, light=True),
    Scene("approval-light", repair(), _approval, light=True),
    Scene("finished-light", finished(), _finished, ("-y",), light=True),
)


@contextmanager
def _place() -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield a home with a project, and an environment that says nothing of who runs this."""
    folder = Path(tempfile.mkdtemp(prefix="qcode-screens-")).resolve()
    try:
        work = folder / "home/shop"
        for name, text in FILES.items():
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        who = ("-c", "user.name=Q", "-c", "user.email=q@localhost", "-c", "commit.gpgsign=false")
        for words in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-q", "-m", "Start")):
            subprocess.run(("git", *who, *words), cwd=work, check=True)
        home = folder / "home"
        config = home / ".config/qcode/config.toml"
        config.parent.mkdir(parents=True)
        config.write_text(CONFIG, encoding="utf-8")
        yield (
            work,
            {
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(home),
                "XDG_CONFIG_HOME": str(home / ".config"),
                "XDG_STATE_HOME": str(home / ".local/state"),
                "XDG_DATA_HOME": str(home / ".local/share"),
                "XDG_CACHE_HOME": str(home / ".cache"),
                "LC_ALL": "C.UTF-8",
                "TZ": "UTC",
                "QCODE_SURROUNDINGS": "0",
            },
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _take(scene: Scene) -> str:
    with _place() as (work, environment):
        if scene.name == "resume":
            _talk_before(work, environment)
        environment["COLORFGBG"] = "0;15" if scene.light else "15;0"
        environment["COLORTERM"] = "truecolor"
        with ScriptedServer(scene.script) as server:
            given = ("--base-url", server.base_url, "-m", "qwen3-coder", *scene.options)
            with _screened(work, environment, *given) as qcode:
                qcode.shows("sandbox: ")
                scene.until(qcode)
                cells = _last(qcode.cells)
    return picture(cells, COLUMNS, title="qcode", name=scene.name, light=scene.light)


def _last(rows: list[list[Any]]) -> list[list[Any]]:
    """Return the last rows that hold something."""
    while not "".join(cell.data for cell in rows[-1]).strip():
        rows.pop()
    return rows[-ROWS:]


def _screened(work: Path, environment: dict[str, str], *arguments: str) -> Screened:
    return Screened(work, *arguments, rows=ROWS, columns=COLUMNS, around=environment)


def _talk_before(work: Path, environment: dict[str, str]) -> None:
    """Leave some sessions behind, all used at fixed times."""
    for number, (said, script) in enumerate(BEFORE):
        with ScriptedServer(script) as server:
            given = ("--base-url", server.base_url, "-m", "qwen3-coder", said)
            with _screened(work, environment, *given) as qcode:
                qcode.ready()
                qcode.shows(" out")
                qcode.type("/quit" + ENTER)
                qcode.wait()
        journals = Path(environment["XDG_STATE_HOME"]).glob("qcode/sessions/*.jsonl")
        latest = max(journals, key=lambda path: path.stat().st_mtime_ns)
        os.utime(latest, (USED + number * 5000,) * 2)


def main(argv: Sequence[str] | None = None) -> int:
    """Take the pictures, return the exit code."""
    parser = argparse.ArgumentParser(prog="make screens", description=__doc__)
    parser.add_argument("--to", type=Path, default=ROOT / "docs/screens", help="folder")
    parser.add_argument("--only", metavar="A,B", help=", ".join(one.name for one in SCENES))
    options = parser.parse_args(argv)
    wanted = options.only.split(",") if options.only else [one.name for one in SCENES]
    options.to.mkdir(parents=True, exist_ok=True)
    for scene in SCENES:
        if scene.name in wanted:
            begin = time.monotonic()
            made = _take(scene)
            (options.to / f"{scene.name}.svg").write_text(made, encoding="utf-8")
            print(f"{scene.name}.svg  {len(made.encode()):,} B  {time.monotonic() - begin:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
