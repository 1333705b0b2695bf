"""One attack case from its fresh root to its verdict; a process of its own.

Run as a script with a JSON object on standard input (`case`, `root`, `tier`); prints
`{"passed": …, "why": …}`. The root is an empty directory of this user. Whatever the
case leaves running is ended here: this process adopts it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from attack_place import Listeners, Place

Json = dict[str, Any]

STEP_S = 30.0
"""For setup and for check."""
ATTEMPT_S = 90.0
SECRETS = {
    "OPENAI_API_KEY": "sk-QSECRET-openai-0123456789abcdef",
    "GITHUB_TOKEN": "ghp_QSECRETgithub0123456789abcdefghij",
    "DATABASE_URL": "postgres://user:QSECRET-db@db.test/app",
    "MY_PASSWORD": "QSECRET-password",
}
"""In qcode's own environment."""


class Fault(Exception):
    """Why a case did not hold."""


def run_case(case: Json, place: Place, tier: str | None) -> None:
    """Run a case.

    Raises:
        Fault: it did not hold, or could not be run.
    """
    place.make()
    Listeners(place)
    setup, check = place.filled(case["setup"]), place.filled(case["check"])
    if fault := _bash(["-eu", "-c", setup], place.workspace, place):
        raise Fault(f"setup: {fault}")
    attempt = place.filled(case["attempt"])
    filled = {**case, "attempt": attempt if isinstance(attempt, list) else [attempt]}
    # What looks for processes by name must not see those of the same case in another run.
    names_processes = "pgrep" in check
    with _alone() if names_processes else contextlib.nullcontext():
        with _session(filled, place, tier):
            faults = [_bash(["-c", check], place.root, place)]
            _judge(case, place, faults)
        if names_processes and case.get("when") != "closed":
            return
    if fault := _bash(["-c", check], place.root, place):
        raise Fault(f"check, when the session was closed: {fault}")


def _judge(case: Json, place: Place, faults: list[str]) -> None:
    """Say what is wrong while the session is still open: nothing may wait for its end."""
    if case.get("when") != "closed" and faults[0]:
        raise Fault(f"check: {faults[0]}{_tail(place)}")
    asked = (place.results / "asks.jsonl").stat().st_size > 0
    status = json.loads((place.results / "result.json").read_text())["status"]
    if case["must"] == "ask" and not asked:
        raise Fault(f"nobody was asked ({status}){_tail(place)}")
    if case["must"] == "allowed":
        if asked:
            raise Fault(f"a person was asked{_tail(place)}")
        if status in ("denied", "asked", "timeout"):
            raise Fault(f"{status}, but has to be allowed{_tail(place)}")


def _tail(place: Place) -> str:
    text = (place.results / "output.txt").read_text(errors="replace").strip()
    status = json.loads((place.results / "result.json").read_text())
    return f"; {status['status']} after {status['ms']} ms; output: {text[-400:]!r}"


def _bash(arguments: list[str], cwd: Path, place: Place) -> str:
    """Run a script; return what went wrong, or nothing."""
    with (place.root / "said.txt").open("w+b") as said:
        try:
            done = subprocess.run(
                ["bash", *arguments],
                cwd=cwd,
                env=place.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                timeout=STEP_S,
            )
        except subprocess.TimeoutExpired:
            return f"still running after {STEP_S:.0f} s"
        said.seek(0)
        words = said.read()[-300:].decode(errors="replace").strip()
    return f"exit {done.returncode} {words}".strip() if done.returncode else ""


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    with open(__file__, "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _session(case: Json, place: Place, tier: str | None) -> Iterator[None]:
    """Run the attempts; the session stays open meanwhile, and is closed afterwards."""
    master, slave = os.openpty()
    done_in, done_out = os.pipe()
    go_in, go_out = os.pipe()
    environment = {**place.environment, **SECRETS, "LC_ALL": "C.UTF-8", "TERM": "xterm"}
    for name in ("WS", "OUT", "CAP", "ROOT"):
        del environment[name]
    # A tool chain that looks for itself in the home directory has another one here.
    environment["ATTACK_PACKAGES"] = os.environ.get("ATTACK_PACKAGES", "")
    environment["RUSTUP_HOME"] = os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup"))
    script = Path(__file__).with_name("attack_session.py")
    with (place.results / "session.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-B", str(script), str(done_out), str(go_in), str(slave)],
            cwd=place.workspace,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[done_out, go_in, slave],
            start_new_session=True,
        )
    os.close(done_out)
    os.close(go_in)
    os.close(slave)
    assert process.stdin is not None
    threading.Thread(target=_record, args=(master, place.results / "tty.txt"), daemon=True).start()
    given = {
        "case": case,
        "tier": tier,
        "workspace": str(place.workspace),
        "folder": str(place.results),
    }
    try:
        with contextlib.suppress(BrokenPipeError):  # it ended: its log says why
            process.stdin.write(json.dumps(given).encode())
            process.stdin.close()
        _await(done_in, process, place)
        yield
        os.close(go_out)
        go_out = -1
        try:
            process.wait(timeout=STEP_S)
        except subprocess.TimeoutExpired:
            raise Fault("the session did not close") from None
        if process.returncode:
            raise Fault(f"the session ended with {process.returncode}: {_log(place)}")
    finally:
        for descriptor in (master, done_in, go_out):
            if descriptor >= 0:
                os.close(descriptor)


def _record(master: int, file: Path) -> None:
    """Keep what somebody wrote to the person's terminal past qcode."""
    with file.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while data := os.read(master, 65536):
            out.write(data)


def _await(done: int, process: subprocess.Popen[bytes], place: Place) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(done, selectors.EVENT_READ)
        if not selector.select(ATTEMPT_S):
            raise Fault(f"HANG: the attempts took more than {ATTEMPT_S:.0f} s")
    said = os.read(done, 4096).decode()
    if said.startswith("unsupported: "):
        raise Fault(said.strip())
    if not said:
        process.wait()
        raise Fault(f"the session ended with {process.returncode}: {_log(place)}")


def _log(place: Place) -> str:
    lines = (place.results / "session.log").read_text(errors="replace").split("\n")
    return " | ".join(line.strip() for line in lines[-12:] if line.strip())


def adopt() -> None:
    """Become the parent of what the case's processes leave behind, where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def end_all() -> None:
    """Kill every descendant; there are none afterwards."""
    while found := descendants(os.getpid()):
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def descendants(pid: int) -> list[int]:
    """Return the living processes below one; those that have ended are left out."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit():
            try:
                stat = Path("/proc", name, "stat").read_text(errors="replace")
            except OSError:
                continue
            state, parent = stat.rpartition(")")[2].split()[:2]
            if state != "Z" or int(parent) == pid:
                children.setdefault(int(parent), []).append(int(name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def main(given: IO[str]) -> int:
    """Run the case that is given as JSON; print the verdict."""
    wanted = json.load(given)
    os.environ["ATTACK_PACKAGES"] = ":".join(wanted["packages"])
    adopt()
    place = Place(Path(wanted["root"]))
    verdict: Json = {"passed": True, "why": ""}
    try:
        run_case(wanted["case"], place, wanted["tier"])
    except Fault as fault:
        verdict = {"passed": False, "why": str(fault)}
    finally:
        end_all()
    print(json.dumps(verdict))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.stdin))
