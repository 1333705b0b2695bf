from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from qcode.sandbox.bubblewrap import find
from qcode.sandbox.choose import advice, choose
from qcode.sandbox.policy import Network, Tier
from qcode.sandbox.unavailable import Unavailable

PROGRAM = find((), "/usr/bin")
linux = pytest.mark.skipif(sys.platform != "linux", reason="the tiers of Linux")


@linux
@pytest.mark.skipif(not PROGRAM, reason="bubblewrap is not installed")
def test_bubblewrap_is_taken_where_it_confines(tmp_path: Path) -> None:
    for wanted in (None, Tier.BUBBLEWRAP):
        choice = choose(wanted, network=Network.PROXY, scratch=tmp_path)
        with closing(choice.starter):
            assert choice.tier is Tier.BUBBLEWRAP
            assert choice.attempts == ()
            assert choice.probes
            assert all(each.ok for each in choice.probes)


@linux
def test_what_is_wanted_is_had_or_nothing(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="landlock: .*proxy"):
        choose(Tier.LANDLOCK, network=Network.PROXY, scratch=tmp_path)
    with pytest.raises(Unavailable, match="docker: .*image"):
        choose(Tier.DOCKER, network=Network.OFF, scratch=tmp_path)


@linux
def test_a_bubblewrap_that_does_not_confine_is_passed_over_with_the_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("qcode.sandbox.fork_server")
    false = tmp_path / "bin/bwrap"
    false.parent.mkdir()
    false.write_text(
        "#!/bin/sh\necho --bind-fd\necho 'bwrap: setting up uid map: no' >&2; exit 1\n"
    )
    false.chmod(0o755)
    monkeypatch.setattr("qcode.sandbox.bubblewrap.SYSTEM", str(false))
    choice = choose(None, network=Network.OFF, scratch=tmp_path)
    with closing(choice.starter):
        assert choice.tier is not Tier.BUBBLEWRAP
        first = choice.attempts[0]
        assert first.tier is Tier.BUBBLEWRAP
        assert "setting up uid map" in first.why


TRYING = """
import pathlib, sys
from qcode.sandbox.bubblewrap import Bubblewrap
from qcode.sandbox.canary import probe
from qcode.sandbox.choose import advice
from qcode.sandbox.policy import Tier
from qcode.sandbox.unavailable import Unavailable
try:
    probe(Tier.BUBBLEWRAP, Bubblewrap(sys.argv[1]), scratch=pathlib.Path(sys.argv[2]))
except Unavailable as error:
    print(advice(str(error)) or error)
"""


@linux
@pytest.mark.skipif(not PROGRAM, reason="bubblewrap is not installed")
@pytest.mark.parametrize(
    "before, words",
    [
        ("echo 0 >/proc/sys/user/max_user_namespaces", "max_user_namespaces"),
        ("echo 0 >/proc/sys/user/max_net_namespaces", "max_user_namespaces"),
        ("mount -t tmpfs none /proc/fs", "masks /proc"),
    ],
)
def test_what_the_system_denies_is_recognised(tmp_path: Path, before: str, words: str) -> None:
    made = ("unshare", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c")
    script = f'{before} && "$@"'
    command = (sys.executable, "-c", TRYING, PROGRAM, str(tmp_path))
    done = subprocess.run(
        [*made, script, "sh", *command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"it cannot be denied here: {done.stderr.strip()[-200:]}")
    assert words in done.stdout


@pytest.mark.parametrize(
    "why, words",
    [
        ("bwrap: setting up uid map: Permission denied", "AppArmor"),
        ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "AppArmor"),
        ("unshare: No space left on device", "max_user_namespaces"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "masks /proc"),
        ("bwrap: setting up uid map: Operation not permitted", "CAP_SETFCAP"),
        ("bwrap: No permissions to create new namespace, likely because ...", "seccomp profile"),
        ("bwrap: Creating new namespace failed: Operation not permitted", "seccomp profile"),
        ("something nobody knows", ""),
    ],
)
def test_a_known_reason_comes_with_what_helps(why: str, words: str) -> None:
    assert words in advice(why)
    assert bool(advice(why)) == bool(words)
