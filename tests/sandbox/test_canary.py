from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from whoever import whoever

from qcode.sandbox.bubblewrap import Bubblewrap, find
from qcode.sandbox.canary import Probe, probe
from qcode.sandbox.child import Child
from qcode.sandbox.policy import Confinement, Network, Tier
from qcode.sandbox.unavailable import Unavailable

PROGRAM = find((), "/usr/bin")
needs_bubblewrap = pytest.mark.skipif(not PROGRAM, reason="bubblewrap is not installed")


class PlainChild(subprocess.Popen[bytes]):
    """A process that nothing confines."""

    left = 0
    exceeded = ""

    def fileno(self) -> int:
        raise NotImplementedError

    def close(self) -> None:
        self.kill()
        self.communicate()


class Plain:
    """Starts processes that nothing confines."""

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        confinement: Confinement,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> Child:
        del confinement
        return PlainChild(argv, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr)

    def listen(self, port: int) -> socket.socket:
        raise Unavailable(str(port))

    def close(self) -> None:
        pass


class Lenient(Plain):
    """Confines, but to something else than what was asked for."""

    def __init__(
        self, bubblewrap: Bubblewrap, change: Callable[[Confinement], Confinement]
    ) -> None:
        self._bubblewrap = bubblewrap
        self._change = change

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        confinement: Confinement,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> Child:
        return self._bubblewrap.start(
            argv,
            cwd=cwd,
            env=env,
            confinement=self._change(confinement),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )


def failed(probes: Sequence[Probe]) -> set[str]:
    return {each.what for each in probes if not each.ok}


@needs_bubblewrap
@whoever
def test_bubblewrap_keeps_what_it_has_to_keep(place: Path) -> None:
    with closing(Bubblewrap(PROGRAM)) as bubblewrap:
        probes = probe(Tier.BUBBLEWRAP, bubblewrap, scratch=place)
        assert [each for each in probes if not each.ok or each.why] == []
        assert len(probes) == 7
    assert list(place.iterdir()) == []


@needs_bubblewrap
@whoever
def test_bubblewrap_keeps_it_in_a_shared_network_and_with_the_network_on(place: Path) -> None:
    with closing(Bubblewrap(PROGRAM)) as bubblewrap:
        on = probe(Tier.BUBBLEWRAP, bubblewrap, scratch=place, network=Network.ON)
        assert failed(on) == set()
        assert [each.why for each in on if each.why] == ["the network is on"]
        bubblewrap.hold()
        assert failed(probe(Tier.BUBBLEWRAP, bubblewrap, scratch=place)) == set()


def test_every_trial_fails_where_nothing_confines(tmp_path: Path) -> None:
    missing = {"can write in the workspace"}
    if not _namespaces():
        missing.add("cannot make namespaces")
    probes = probe(Tier.BUBBLEWRAP, Plain(), scratch=tmp_path)
    assert failed(probes) == {each.what for each in probes} - missing
    assert not list(tmp_path.iterdir())


def _namespaces() -> bool:
    try:
        return subprocess.run(["unshare", "-Ur", "true"], check=False).returncode == 0
    except FileNotFoundError:
        return False


def without(**changed: object) -> Callable[[Confinement], Confinement]:
    fields = ("writable", "pinned", "protected", "hidden", "temp", "network")

    def change(confinement: Confinement) -> Confinement:
        kept = {name: getattr(confinement, name) for name in fields}
        return Confinement(**{**kept, **changed})

    return change


@needs_bubblewrap
@pytest.mark.parametrize(
    "changed, what",
    [
        ({"hidden": ()}, "cannot read hidden files"),
        ({"pinned": (), "protected": ()}, "cannot write to protected files"),
        ({"network": Network.ON}, "cannot connect to the machine"),
        ({"writable": ()}, "can write in the workspace"),
    ],
)
@pytest.mark.skipif(os.path.realpath("/var/cache").startswith("/tmp"), reason="all is in /tmp")
def test_a_trial_finds_the_one_thing_that_is_not_kept(
    tmp_path: Path, changed: Mapping[str, object], what: str
) -> None:
    with closing(Bubblewrap(PROGRAM, seen=[str(tmp_path)])) as bubblewrap:
        probes = probe(Tier.BUBBLEWRAP, Lenient(bubblewrap, without(**changed)), scratch=tmp_path)
    assert failed(probes) == {what}


def test_a_trial_that_starts_nothing_says_so(tmp_path: Path) -> None:
    class Silent(Plain):
        def start(
            self,
            argv: Sequence[str],
            *,
            cwd: str,
            env: Mapping[str, str],
            confinement: Confinement,
            stdin: int = subprocess.DEVNULL,
            stdout: int = subprocess.PIPE,
            stderr: int = subprocess.PIPE,
        ) -> Child:
            return super().start(
                ("/bin/sh", "-c", "echo no sandbox today"),
                cwd=cwd,
                env=env,
                confinement=confinement,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
            )

    (only,) = probe(Tier.BUBBLEWRAP, Silent(), scratch=tmp_path)
    assert (only.ok, only.why) == (False, "no sandbox today")
