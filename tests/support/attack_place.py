"""Where an attack case takes place: its directories, and those who listen around it.

The format stands in the reference material, sandbox/README.md, section 15.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

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
            "PATH": f"{os.environ.get('PATH', os.defpath)}:{os.path.dirname(sys.executable)}",
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
