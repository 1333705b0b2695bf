"""Attack cases: runs a file of them, each in a process of its own, and says which hold.

The format stands in the reference material, sandbox/README.md, section 15. Three keys more:
a case with `"when": "closed"` is checked when the session has ended, not before it too; one
with `"needs": ["gcc"]` is left out where such a program is missing, and one with
`"only_as": "root"` for others, whom the kernel stops without any sandbox. The harness
leaves `$CAP/tty.txt` besides: what was written to the person's terminal past qcode.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import attack_case
import attack_session

Json = dict[str, Any]

TIERS = ("bubblewrap", "namespaces", "landlock", "none", attack_session.OFF, attack_session.PLAIN)
NOBODY = 65534
"""The user and group as which root runs the cases once more."""
GUARD_S = 240.0
"""A case that takes longer hangs."""
KNOWN_GAPS = {"landlock": {"sec-003"}}
"""What a tier cannot hold, says the reference material: allow rules cannot except a sub-path."""
_PRIVATE = ("/tmp", "/var/tmp", "/run", "/var/run", "/dev/shm")
"""Directories that a sandbox has of its own: an escape to there would go unseen."""
_CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass
class Counts:
    """How the cases went."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class User:
    """As whom cases are run, and by which interpreter."""

    name: str
    uid: int | None
    """None: as who runs this."""
    interpreter: str

    def popen(self, argv: Sequence[str], **more: Any) -> subprocess.Popen[str]:
        """Start a program as this user."""
        if self.uid is not None:
            more |= {"user": self.uid, "group": self.uid, "extra_groups": []}
        return subprocess.Popen(argv, text=True, **more)


class Unusable(Exception):
    """Nothing can be run like that; the text says why."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of `attacks`."""
    made = argparse.ArgumentParser(prog="vectors.py attacks", description="run attack cases")
    add = made.add_argument
    add("file", metavar="FILE", type=Path)
    add("--tier", choices=TIERS, help="by default the best that works here")
    add("--as", dest="users", choices=["root", "user", "both"],
        help="who runs qcode; by default both if this is root")  # fmt: skip
    add("--user", dest="users", action="store_const", const="user", help="the same as --as user")
    add("--only", metavar="TEXT", help="cases whose id or category has it")
    add(
        "--part", metavar="K/N", type=_part, default=(1, 1), help="every N-th case from the K-th on"
    )
    add("--jobs", metavar="N", type=int, default=2)
    add("--root", metavar="DIR", type=Path, help="where the cases' directories are made")
    add("--keep", action="store_true", help="leave the directories of failed cases")
    return made


def _part(text: str) -> tuple[int, int]:
    first, _, step = text.partition("/")
    if not (first.isdigit() and step.isdigit() and 1 <= int(first) <= int(step)):
        raise argparse.ArgumentTypeError(f"`{text}` is no part such as 1/4")
    return int(first), int(step)


def run_attacks(arguments: Sequence[str]) -> int:
    """Run a file of attack cases; print what failed and the closing line; return how many.

    Raises:
        OSError, ValueError, KeyError: the file cannot be used.
    """
    args = parser().parse_args(arguments)
    cases = load(args.file)
    if args.only:
        cases = [each for each in cases if args.only in each["id"] or args.only in each["category"]]
    first, step = args.part
    cases = cases[first - 1 :: step]
    counts = Counts()
    try:
        users = chosen_users(args.users)
        base = base_folder(args.root, users)
    except Unusable as why:
        print(why)
        print(f"0 passed, {len(cases)} failed")
        return len(cases) or 1
    for user in users:
        # One user after the other: some cases look for processes by their names.
        print(f"as {user.name}, {args.tier or 'the best tier'}:", flush=True)
        _run_as(user, cases, base, args, counts)
    for words, names in (("skipped", counts.skipped), ("known gaps", counts.gaps)):
        if names:
            print(f"{len(names)} {words}: {', '.join(names)}")
    print(f"{counts.passed} passed, {len(counts.failed)} failed")
    return len(counts.failed)


def load(path: Path) -> list[Json]:
    """Return the cases of a file."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line.strip()]


def _run_as(
    user: User, cases: Sequence[Json], base: Path, args: argparse.Namespace, counts: Counts
) -> None:
    runnable = []
    for case in cases:
        if skip := why_skipped(case, args.tier, user.name):
            counts.skipped.append(f"{case['id']} ({skip})")
        else:
            runnable.append(case)
    with ThreadPoolExecutor(max(1, args.jobs)) as pool:
        verdicts = pool.map(
            lambda case: verdict(case, user, base, args.tier, keep=args.keep), runnable
        )
        for case, got in zip(runnable, verdicts, strict=True):
            name = f"{case['id']} ({user.name})"
            if got["passed"]:
                counts.passed += 1
            elif case["id"] in KNOWN_GAPS.get(args.tier or "", ()):
                counts.gaps.append(name)
            else:
                counts.failed.append(name)
                print(f"{name}: must be {case['must']}: {case['description']}")
                print(f"  {got['why']}", flush=True)


def why_skipped(case: Json, tier: str | None, user: str) -> str:
    """Return why a case is left out in a tier, or nothing."""
    if case.get("only_as", user) != user:
        return f"only as {case['only_as']}"
    if case["policy"].get("tier") == "namespaces" and tier in ("landlock", "none"):
        return f"not in {tier}"
    missing = [name for name in case.get("needs", ()) if shutil.which(name) is None]
    return f"no {missing[0]}" if missing else ""


def chosen_users(wanted: str | None) -> list[User]:
    """Return as whom to run.

    Raises:
        Unusable: this user cannot become the wanted one, or has no interpreter for it.
    """
    myself = User("root" if os.geteuid() == 0 else "user", None, sys.executable)
    if os.geteuid() != 0:
        if wanted in ("root", "both"):
            raise Unusable("only root can run the cases as root")
        return [myself]
    if wanted == "root":
        return [myself]
    try:
        other = User("user", NOBODY, _interpreter_of_all())
    except Unusable:
        if wanted:
            raise
        return [myself]  # the checkout may lie in root's own directory
    return [other] if wanted == "user" else [myself, other]


def _interpreter_of_all() -> str:
    """Return an interpreter with which any user can start what is here."""
    code = "import sys; open(sys.argv[1]).close(); sys.exit(sys.version_info < (3, 11))"
    for path in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3", "/bin/python3"):
        try:
            done = subprocess.run(
                [path, "-c", code, __file__],
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
                cwd="/",
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            continue
        if done.returncode == 0:
            return path
    raise Unusable(
        "no Python 3.11 or later and checkout that every user can read; --as root leaves them out"
    )


def base_folder(wanted: Path | None, users: Sequence[User]) -> Path:
    """Return where the cases' directories are made: nowhere that a sandbox has of its own.

    Raises:
        Unusable: there is no such place.
    """
    places = (
        [wanted]
        if wanted
        else [Path.home(), _CHECKOUT.parent, *map(Path, ("/var/lib", "/srv", "/opt"))]
    )
    for place in places:
        real = Path(os.path.realpath(place))
        private = any(real.is_relative_to(each) for each in _PRIVATE)
        if not private and os.access(real, os.W_OK | os.X_OK) and _open_to(real, users):
            return real
    raise Unusable(
        "no directory for the cases that is writable, open to each user and not a temporary one; "
        "name one with --root"
    )


def _open_to(place: Path, users: Sequence[User]) -> bool:
    if all(user.uid is None for user in users):
        return True
    return all(each.stat().st_mode & 0o001 for each in (place, *place.parents))


def verdict(case: Json, user: User, base: Path, tier: str | None, *, keep: bool = False) -> Json:
    """Run one case; return whether it passed and why not."""
    root = Path(tempfile.mkdtemp(prefix="qcode-attack-", dir=base))
    passed = False
    try:
        if user.uid is not None:
            os.chown(root, user.uid, user.uid)
        process = user.popen(
            [user.interpreter, "-B", str(Path(attack_case.__file__))],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        # An interpreter for all may have none of the packages; ours are of its kind.
        packages = [path for path in sys.path if path.endswith("site-packages")]
        told = {"case": case, "root": str(root), "tier": tier, "packages": packages}
        given = json.dumps(told)
        try:
            out, err = process.communicate(given, timeout=GUARD_S)
        except subprocess.TimeoutExpired:
            _end(process)
            return {"passed": False, "why": f"HANG: nothing after {GUARD_S:.0f} s"}
        finally:
            if process.poll() is None:
                _end(process)
        try:
            got: Json = json.loads(out)
        except ValueError:
            return {"passed": False, "why": f"the case's process ended: {err.strip()[-500:]}"}
        passed = got["passed"]
        return got
    finally:
        if passed or not keep:
            _remove(root)


def _end(process: subprocess.Popen[str]) -> None:
    """Kill a case with all that it started."""
    for pid in [process.pid, *attack_case.descendants(process.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate()


def _remove(root: Path) -> None:
    for folder in _folders(root):
        with contextlib.suppress(OSError):
            folder.chmod(0o700)
    shutil.rmtree(root, ignore_errors=True)


def _folders(root: Path) -> Iterator[Path]:
    yield root
    for name, folders, _ in os.walk(root):
        for each in folders:
            path = Path(name, each)
            if not path.is_symlink():
                yield path
