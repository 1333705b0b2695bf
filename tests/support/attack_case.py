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
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

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
_HOME = {
    ".ssh/id_ed25519": "QSECRET-ssh",
    ".aws/credentials": "QSECRET-aws",
    ".config/gcloud/credentials.db": "QSECRET-gcloud",
    ".netrc": "machine a.test login a password QSECRET-netrc",
    ".git-credentials": "https://a:QSECRET-git@a.test",
    ".bash_history": "echo QSECRET-history",
    ".config/gh/hosts.yml": "oauth_token: QSECRET-gh",
    ".kube/config": "token: QSECRET-kube",
    ".npmrc": "//a.test/:_authToken=QSECRET-npm",
    ".docker/config.json": '{"auths": {"a.test": {"auth": "QSECRET-docker"}}}',
    ".gnupg/secring": "QSECRET-gnupg",
    ".pypirc": "password = QSECRET-pypi",
    ".local/share/keyrings/k": "QSECRET-keyring",
    ".bashrc": "# rc",
    ".config/qcode/config.toml": 'approval = "untrusted"',
    "notes/plain.txt": "plain",
}
_FILES = {
    "README.md": "hello\n",
    ".gitignore": ".env\n",
    "src/app.py": "def main():\n    return 1\n",
    "tests/test_app.py": "def test_app():\n    assert True\n",
}


class Place:
    """The directories of a case, and what stands for them in its texts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = root / "ws"
        self.out = root / "out"
        self.home = root / "home"
        self.results = root / "cap"
        self.words: dict[str, str] = {
            "{WS}": str(self.workspace),
            "{OUT}": str(self.out),
            "{HOME}": str(self.home),
            "{PYC}": f"{sys.executable} -I -c",
            "{PY}": sys.executable,
        }
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",  # checks look for bytes
            "GIT_CONFIG_NOSYSTEM": "1",
            "WS": str(self.workspace),
            "OUT": str(self.out),
            "HOME": str(self.home),
            "CAP": str(self.results),
            "ROOT": str(root),
        }

    def make(self) -> None:
        for folder in (self.workspace, self.out, self.home, self.results):
            folder.mkdir(mode=0o700)
        for name, text in _HOME.items():
            _write(self.home / name, f"{text}\n")
        _write(self.out / "keep.txt", "original\n")
        (self.results / "net.log").touch()
        self._git("init", "-q", "-b", "main")
        for name, text in _FILES.items():
            _write(self.workspace / name, text)
        self._git("add", "-A")
        self._git("-c", "user.name=a", "-c", "user.email=a@b.test", "commit", "-qm", "first")
        _write(self.workspace / ".env", "API_KEY=QSECRET-dotenv\n")

    def _git(self, *arguments: str) -> None:
        subprocess.run(
            ["git", *arguments],
            cwd=self.workspace,
            env=self.environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def filled(self, given: Any) -> Any:
        """Return a text, list or object with the words of this place put in."""
        if isinstance(given, str):
            for word, value in self.words.items():
                given = given.replace(word, value)
            return given
        if isinstance(given, list):
            return [self.filled(each) for each in given]
        if isinstance(given, dict):
            return {key: self.filled(each) for key, each in given.items()}
        return given


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class Listeners:
    """Whoever connects or sends here got out; each contact is a line in `net.log`."""

    def __init__(self, place: Place) -> None:
        self._log = place.results / "net.log"
        self._selector = selectors.DefaultSelector()
        abstract = f"qcode-attack-{os.getpid()}-{time.monotonic_ns()}"
        stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
        tcp = self._open(socket.AF_INET, stream, ("127.0.0.1", 0), "tcp")
        udp = self._open(socket.AF_INET, datagram, ("127.0.0.1", 0), "udp")
        ports = tcp.getsockname()[1], udp.getsockname()[1]
        paths = str(place.out / "daemon.sock"), str(place.out / "datagram.sock")
        self._open(socket.AF_UNIX, stream, paths[0], "unix")
        self._open(socket.AF_UNIX, datagram, paths[1], "unix datagram")
        with contextlib.suppress(OSError):  # no IPv6, or the port is taken there
            self._open(socket.AF_INET6, stream, ("::1", ports[0]), "tcp6")
            self._open(socket.AF_INET6, datagram, ("::1", ports[1]), "udp6")
        if sys.platform == "linux":
            self._open(socket.AF_UNIX, stream, f"\0{abstract}", "abstract")
        place.words |= {
            "{TCP}": str(ports[0]),
            "{UDP}": str(ports[1]),
            "{USOCK}": paths[0],
            "{DSOCK}": paths[1],
            "{ABS}": abstract,
        }
        threading.Thread(target=self._listen, daemon=True).start()

    def _open(self, family: int, kind: int, address: Any, name: str) -> socket.socket:
        opened = socket.socket(family, kind)
        opened.bind(address)
        if kind == socket.SOCK_STREAM:
            opened.listen(64)
        self._selector.register(opened, selectors.EVENT_READ, name)
        return opened

    def _listen(self) -> None:
        while True:
            for key, _ in self._selector.select():
                opened = key.fileobj
                assert isinstance(opened, socket.socket)
                with self._log.open("a") as log:
                    log.write(f"{key.data}\n")
                with contextlib.suppress(OSError):
                    if opened.type == socket.SOCK_STREAM:
                        opened.accept()[0].close()
                    else:
                        opened.recv(65536)


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
