"""Tests that hold for uid 0 and for an ordinary user alike: run as both where that is possible."""

from __future__ import annotations

import functools
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

NOBODY = 65534
Body = Callable[[Path], None]


def whoever(body: Body) -> Callable[..., None]:
    """Make a test of a function that gets a directory of its own, outside /tmp if possible.

    It runs as whoever runs the tests, and as root once more in a forked process as an
    ordinary user, who cannot become root again.
    """

    @pytest.mark.parametrize("uid", sorted({os.getuid(), NOBODY}))
    def test(uid: int) -> None:
        if uid != os.getuid() and os.getuid() != 0:
            pytest.skip("only root can become another user")
        place = _directory(uid)
        try:
            if uid == os.getuid():
                body(place)
            else:
                _as_user(uid, functools.partial(body, place))
        finally:
            shutil.rmtree(place, ignore_errors=True)

    test.__name__ = body.__name__
    test.__module__ = body.__module__
    return test


def _directory(uid: int) -> Path:
    for parent in (Path("/var/cache"), Path.home().parent, None):
        try:
            place = Path(tempfile.mkdtemp(prefix="qcode-test-", dir=parent)).resolve()
        except OSError:
            continue
        if uid != os.getuid():
            os.chown(place, uid, uid)
        return place
    raise AssertionError("there is no place for a directory")


def _as_user(uid: int, body: Callable[[], None]) -> None:
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            if not os.access(__file__, os.R_OK):
                pytest.skip("the checkout lies where only root can read")
            if not os.access(sys.executable, os.X_OK):  # it may be in root's own directory
                sys.executable = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
            body()
            code = 0
        except pytest.skip.Exception as skipped:
            os.write(theirs, str(skipped).encode())
            code = 2
        except BaseException:  # noqa: BLE001 - reported by the parent
            os.write(theirs, traceback.format_exc().encode()[-60_000:])
        finally:
            os._exit(code)
    os.close(theirs)
    with open(ours, "rb") as file:
        said = file.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == 2:
        pytest.skip(said)
    if code:
        pytest.fail(f"as user {uid}:\n{said}", pytrace=False)
