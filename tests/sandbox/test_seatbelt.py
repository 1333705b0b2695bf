"""The profile for macOS, and what is started with it; the program itself is played by a script."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import pytest

from qcode.sandbox.policy import Confinement, Limits, Network
from qcode.sandbox.seatbelt import Seatbelt, SeatbeltChild, descendants
from qcode.sandbox.seatbelt_profile import profile
from qcode.sandbox.unavailable import Unavailable

GUARD_S = 30.0
FULL = Confinement(
    writable=("/Users/a/work", "/private/var/folders/x/cache"),
    pinned=("/Users/a/work/.git",),
    protected=("/Users/a/work/.git/config", "/Users/a/work/.git/hooks"),
    hidden=("/Users/a/.netrc", "/Users/a/.ssh", "/Users/a/work/.env"),
    temp="/private/tmp/qcode-1",
)

EXPECTED = """\
(allow file-write*
  (subpath (param "WRITABLE_0"))
  (subpath (param "WRITABLE_1"))
  (subpath (param "WRITABLE_2"))
  (subpath (param "WRITABLE_3"))
  (subpath (param "WRITABLE_4")))

(allow network-bind network-outbound
  (subpath (param "WRITABLE_0"))
  (subpath (param "WRITABLE_1"))
  (subpath (param "WRITABLE_2"))
  (subpath (param "WRITABLE_3"))
  (subpath (param "WRITABLE_4")))

(deny file-write*
  (subpath (param "PROTECTED_0"))
  (subpath (param "PROTECTED_1")))

(deny file-write-unlink
  (literal (param "WRITABLE_0"))
  (literal (param "WRITABLE_1"))
  (literal (param "WRITABLE_2"))
  (literal (param "WRITABLE_3"))
  (literal (param "WRITABLE_4"))
  (literal (param "PINNED_0")))

(deny file-read* file-write* network-outbound
  (subpath (param "HIDDEN_0"))
  (subpath (param "HIDDEN_1"))
  (subpath (param "HIDDEN_2")))
"""

_TOKEN = re.compile(
    r'\s+|;[^\n]*|(?P<open>\()|(?P<close>\))|(?P<string>#?"(?:[^"\\]|\\.)*")|(?P<atom>[^\s();"#]+)'
)
Form: TypeAlias = "str | list[Form]"


def forms(text: str) -> list[Form]:
    """Read a profile as what it is: lists of words, strings and lists."""
    out: list[Form] = []
    stack = [out]
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        assert found, f"no word: {text[at : at + 40]!r}"
        at = found.end()
        if found["open"]:
            inner: list[Form] = []
            stack[-1].append(inner)
            stack.append(inner)
        elif found["close"]:
            stack.pop()
            assert stack, f"one bracket too many before {text[at : at + 40]!r}"
        elif word := found["string"] or found["atom"]:
            stack[-1].append(word)
    assert len(stack) == 1, "a bracket is not closed"
    return out


def used_parameters(form: Form) -> Iterator[str]:
    if isinstance(form, list):
        if form[:1] == ["param"]:
            assert isinstance(form[1], str)
            yield form[1].strip('"')
        for inner in form:
            yield from used_parameters(inner)


def test_a_profile_says_what_is_allowed_and_then_what_is_not() -> None:
    made = profile(FULL)
    assert made.text.endswith(EXPECTED)
    assert made.parameters == {
        "WRITABLE_0": "/Users/a/work",
        "WRITABLE_1": "/private/var/folders/x/cache",
        "WRITABLE_2": "/var/folders/x/cache",
        "WRITABLE_3": "/private/tmp/qcode-1",
        "WRITABLE_4": "/tmp/qcode-1",
        "PROTECTED_0": "/Users/a/work/.git/config",
        "PROTECTED_1": "/Users/a/work/.git/hooks",
        "PINNED_0": "/Users/a/work/.git",
        "HIDDEN_0": "/Users/a/.netrc",
        "HIDDEN_1": "/Users/a/.ssh",
        "HIDDEN_2": "/Users/a/work/.env",
    }


@pytest.mark.parametrize("network", list(Network))
@pytest.mark.parametrize("confinement", [FULL, Confinement()])
def test_profiles_are_well_formed(confinement: Confinement, network: Network) -> None:
    values = {name: getattr(confinement, name) for name in confinement.__match_args__}
    made = profile(Confinement(**{**values, "network": network}), proxy_port=3128)
    read = forms(made.text)
    assert read[:3] == [["version", "1"], ["deny", "default"], ["import", '"system.sb"']]
    for form in read[3:]:
        assert form[0] in ("allow", "deny")
        assert isinstance(form[1], str)
    assert {name for form in read for name in used_parameters(form)} == set(made.parameters)


def test_nothing_is_written_where_nothing_may_be() -> None:
    read = forms(profile(Confinement()).text)
    allowed = [form for form in read if form[0] == "allow" and "file-write*" in form]
    assert not allowed


def test_no_network_means_no_rule_that_allows_any() -> None:
    for form in forms(profile(Confinement()).text):
        assert not any(
            word.startswith(("network", "system-socket")) for word in form if isinstance(word, str)
        )


def test_with_a_proxy_its_port_is_all_that_is_reached() -> None:
    read = forms(profile(Confinement(network=Network.PROXY), proxy_port=3128).text)
    reached = [form for form in read if any(str(word).startswith("network") for word in form)]
    assert reached == [["allow", "network-outbound", ["remote", "ip", '"localhost:3128"']]]


def test_no_path_can_add_a_rule() -> None:
    evil = '/w") (allow default) (literal "'
    made = profile(Confinement(writable=(evil,), hidden=(evil + "/x",)))
    assert "allow default" not in made.text
    assert evil in made.parameters.values()
    assert f"WRITABLE_0={evil}" in made.arguments()


# --- starting ---

_STAND_IN = """#!/bin/bash
# Takes the options of the real one, and runs the command without confining it.
while [[ $1 != -- ]]; do
  case $1 in -p | -D) shift 2 ;; *) echo "unknown: $1" >&2; exit 64 ;; esac
done
shift
exec "$@"
"""


@pytest.fixture
def seatbelt(tmp_path: Path) -> Seatbelt:
    program = tmp_path / "sandbox-exec"
    program.write_text(_STAND_IN, encoding="utf-8")
    program.chmod(0o755)
    return Seatbelt(str(program))


def start(
    seatbelt: Seatbelt, place: Path, script: str, *, confinement: Confinement = FULL
) -> SeatbeltChild:
    return seatbelt.start(
        ["bash", "-c", script, "name", "a b", "$(c)"],
        cwd=str(place),
        env={"PATH": "/usr/bin:/bin", "KEPT": "1"},
        confinement=confinement,
    )


def test_a_command_gets_its_words_its_environment_and_its_limits(
    seatbelt: Seatbelt, tmp_path: Path
) -> None:
    limits = Limits(open_files=99, file_bytes=5 << 20)
    script = 'echo "$1|$2|$KEPT|$PWD"; ulimit -n; ulimit -f; ulimit -c; exit 7'
    with closing(
        start(seatbelt, tmp_path, script, confinement=Confinement(limits=limits))
    ) as child:
        assert child.stdout is not None
        out = child.stdout.read().decode().splitlines()
        assert child.wait(GUARD_S) == 7
    assert out == [f"a b|$(c)|1|{tmp_path}", "99", "5120", "0"]


def test_a_signal_is_told_apart_from_an_exit_code(seatbelt: Seatbelt, tmp_path: Path) -> None:
    with closing(start(seatbelt, tmp_path, "kill -TERM $$")) as child:
        assert child.wait(GUARD_S) == -signal.SIGTERM


def test_killing_ends_what_left_the_group_too(seatbelt: Seatbelt, tmp_path: Path) -> None:
    script = "setsid sleep 1000 & echo $!; wait"
    with closing(start(seatbelt, tmp_path, script)) as child:
        assert child.stdout is not None
        away = int(child.stdout.readline())
        ended = os.pidfd_open(away) if sys.platform == "linux" else -1
        assert away in descendants(child.pid)
        child.kill()
        assert child.wait(GUARD_S) == -signal.SIGKILL
        if ended >= 0:
            assert select.select([ended], [], [], GUARD_S)[0]
            os.close(ended)


def test_what_is_missing_is_an_error_as_from_any_start(seatbelt: Seatbelt, tmp_path: Path) -> None:
    for argv, cwd, error in (
        (["no-such-program"], str(tmp_path), FileNotFoundError),
        (["bash"], str(tmp_path / "none"), FileNotFoundError),
        (["bash"], str(tmp_path / "sandbox-exec"), NotADirectoryError),
    ):
        with pytest.raises(error):
            seatbelt.start(argv, cwd=cwd, env={}, confinement=FULL)
    with pytest.raises(Unavailable, match="missing"):
        Seatbelt(str(tmp_path / "none"))


def test_a_proxy_has_to_listen_before_a_command_can_use_it(
    seatbelt: Seatbelt, tmp_path: Path
) -> None:
    confinement = Confinement(network=Network.PROXY)
    with pytest.raises(Unavailable, match="does not listen"):
        start(seatbelt, tmp_path, "true", confinement=confinement)
    with (
        seatbelt.listen(0),
        closing(start(seatbelt, tmp_path, "true", confinement=confinement)) as child,
    ):
        assert child.wait(GUARD_S) == 0


_DYING = """
import os, sys
from qcode.sandbox.policy import Confinement
from qcode.sandbox.seatbelt import Seatbelt
child = Seatbelt(sys.argv[1]).start(
    ["sleep", "1000"], cwd="/", env={"PATH": "/usr/bin:/bin"}, confinement=Confinement()
)
print(child.pid, flush=True)
sys.stdin.readline()
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at a process that is none of its own")
def test_a_command_does_not_outlive_qcode(seatbelt: Seatbelt, tmp_path: Path) -> None:
    program = str(tmp_path / "sandbox-exec")
    with subprocess.Popen(
        [sys.executable, "-c", _DYING, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as dying:
        assert dying.stdin is not None
        assert dying.stdout is not None
        ended = os.pidfd_open(int(dying.stdout.readline()))
        dying.stdin.write(b"\n")
        dying.stdin.flush()
        assert select.select([ended], [], [], GUARD_S)[0]
        os.close(ended)
