from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thorough import examples, many

from qcode.transaction import Change, Conflict, Delete, Incomplete, Write, commit


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob(".qcode-*"))


def snapshot(folder: Path) -> dict[str, tuple[int, bytes | str]]:
    """Return mode and content of all files, directories too."""
    out: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        content = "" if path.is_dir() else path.read_bytes()
        out[str(path.relative_to(folder))] = (
            mode,
            os.readlink(path) if path.is_symlink() else content,
        )
    return out


def mixed(folder: Path) -> list[Change]:
    """Return one change of each kind in a folder that is made for them."""
    folder.mkdir(exist_ok=True)
    for name in ("first", "second", "third", "moved"):
        (folder / name).write_text(f"old {name}\n")
        (folder / name).chmod(0o640)
    (folder / "gone").write_text("old gone\n")
    (folder / "link").symlink_to("first")
    return [
        Write(folder / "first", b"new first\n", (folder / "first").stat()),
        Delete(folder / "gone", (folder / "gone").lstat()),
        Write(folder / "made/deep/file", b"new file\n", None),
        Write(folder / "second", b"new second\n", (folder / "second").stat()),
        Delete(folder / "link", (folder / "link").lstat()),
        Write(folder / "there", b"new moved\n", None, folder / "moved"),
        Delete(folder / "moved", (folder / "moved").lstat()),
        Write(folder / "third", b"new third\n", (folder / "third").stat()),
    ]


def test_all_kinds_of_changes_are_made_together(tmp_path: Path) -> None:
    commit(mixed(tmp_path))

    regular = 0o100000
    assert snapshot(tmp_path) == {
        "first": (regular | 0o640, b"new first\n"),
        "made": ((tmp_path / "made").stat().st_mode, ""),
        "made/deep": ((tmp_path / "made/deep").stat().st_mode, ""),
        "made/deep/file": ((tmp_path / "made/deep/file").stat().st_mode, b"new file\n"),
        "second": (regular | 0o640, b"new second\n"),
        "there": (regular | 0o640, b"new moved\n"),
        "third": (regular | 0o640, b"new third\n"),
    }


def failing(function: Callable[..., Any], code: int, at: int, calls: list[int]) -> Any:
    """Return the function so that its n-th call fails."""

    def replacement(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == at:
            raise OSError(code, os.strerror(code))
        return function(*arguments, **named)

    return replacement


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize(
    "name", ["open", "write", "fsync", "replace", "unlink", "link", "mkdir", "fchmod", "lstat"]
)
def test_a_fault_at_any_call_leaves_all_files_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    failures = 0
    for at in range(1, 60):
        folder = tmp_path / str(at)
        changes = mixed(folder)
        before = snapshot(folder)
        calls: list[int] = []
        failed: OSError | None = None
        with monkeypatch.context() as patch:
            patch.setattr(os, name, failing(getattr(os, name), code, at, calls))
            try:
                commit(changes)
            except OSError as error:
                failed = error
        after = snapshot(folder)
        rest = {path: value for path, value in after.items() if ".qcode-" not in path}
        if failed:
            failures += 1
            assert rest == before
            assert failed.errno == code
            assert str(failed.filename).startswith(str(folder))
        else:
            assert rest["third"][1] == b"new third\n"
            assert "gone" not in rest
        if name != "unlink":  # a temporary file whose removal fails stays; the next call sweeps
            assert rest == after
        if len(calls) < at:
            break
    else:
        pytest.fail("the calls never ended")
    # Hard links and unlinking temporary files can be done without.
    assert failures >= (0 if name == "link" else 2)


def test_without_hard_links_the_old_content_is_kept_as_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_arguments: Any, **_named: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    changes = mixed(tmp_path)
    before, modified = snapshot(tmp_path), (tmp_path / "first").stat().st_mtime_ns
    monkeypatch.setattr(os, "link", no_links)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing(os.replace, errno.EIO, 4, []))
        with pytest.raises(OSError, match="Input/output error"):
            commit(changes)
    assert snapshot(tmp_path) == before
    assert (tmp_path / "first").stat().st_mtime_ns == modified


def test_what_cannot_be_put_back_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = mixed(tmp_path)
    calls: list[int] = []

    def broken(source: Any, target: Any, **named: Any) -> None:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.rename(source, target, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", broken)
        with pytest.raises(Incomplete) as caught:
            commit(changes)

    assert caught.value.paths == (tmp_path / "first",)
    assert caught.value.cause == "Input/output error"
    assert (tmp_path / "first").read_text() == "new first\n"
    assert (tmp_path / "second").read_text() == "old second\n"


@pytest.mark.parametrize("which", ["first", "third", "there", "gone"])
def test_a_file_that_somebody_else_changed_stops_all(tmp_path: Path, which: str) -> None:
    changes = mixed(tmp_path)
    (tmp_path / which).write_text("theirs, and longer\n")
    before = snapshot(tmp_path)

    with pytest.raises(Conflict) as caught:
        commit(changes)

    assert caught.value.path == tmp_path / which
    assert snapshot(tmp_path) == before


def test_a_change_by_somebody_else_on_the_way_is_not_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = mixed(tmp_path)
    real = os.replace
    calls: list[int] = []

    def replace(source: Any, target: Any, **named: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            other = tmp_path / "other"
            other.write_text("theirs\n")
            os.rename(other, tmp_path / "first")
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(source, target, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(OSError, match="Input/output error"):
            commit(changes)

    assert (tmp_path / "first").read_text() == "theirs\n"
    assert not (tmp_path / "made").exists()


def test_an_interruption_leaves_all_files_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = mixed(tmp_path)
    before = snapshot(tmp_path)
    real = os.replace
    calls: list[int] = []

    def replace(source: Any, target: Any, **named: Any) -> None:
        real(source, target, **named)
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            commit(changes)

    assert snapshot(tmp_path) == before


def test_mode_owner_and_attributes_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("old")
    if os.geteuid() == 0:
        os.chown(file, 1234, 2345)
    file.chmod(0o4751)
    try:
        os.setxattr(file, "user.note", b"kept")
    except OSError:
        pytest.skip("the file system has no extended attributes")
    before = file.stat()

    commit([Write(file, b"new", before)])

    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert os.getxattr(file, "user.note") == b"kept"
    assert after.st_mtime_ns > before.st_mtime_ns


def test_a_secret_is_at_no_moment_readable_by_more_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.write_text("old")
    file.chmod(0o600)
    modes: set[int] = set()
    real = os.write

    def write(descriptor: int, data: Any) -> int:
        modes.add(os.fstat(descriptor).st_mode & 0o777)
        return real(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        commit([Write(file, b"new", file.stat())])

    assert modes == {0o600}


def test_a_time_stamp_in_the_future_still_goes_up(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("old")
    os.utime(file, (4e9, 4e9))

    commit([Write(file, b"new", file.stat())])

    assert file.stat().st_mtime_ns > 4_000_000_000 * 10**9


def test_leftovers_are_swept_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    dead, alive = tmp_path / ".qcode-tmp-0123456789ab", tmp_path / ".qcode-tmp-ba9876543210"
    other = tmp_path / ".qcode-tmp-notes"
    for file in (dead, alive, other):
        file.write_text("x")
    code = (
        "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_SH);"
        "print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(alive)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"

        commit([Write(tmp_path / "a", b"x", None)])

        assert sorted(path.name for path in leftovers(tmp_path)) == [alive.name, other.name]
        assert holder.stdin is not None
        holder.stdin.close()
    commit([Write(tmp_path / "b", b"x", None)])
    assert leftovers(tmp_path) == [other]


KILLED = """
import os, signal, sys
from pathlib import Path

left = int(sys.argv[2])

def counted(function):
    def replacement(*arguments, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return replacement

from qcode.transaction import Delete, Write, commit

folder = Path(sys.argv[1])
changes = []
for number in range(6):
    path = folder / f"f{number}"
    changes.append(Write(path, b"new %d\\n" % number * 3000, path.stat()))
changes.append(Write(folder / "deep/made", b"made\\n", None))
changes.append(Delete(folder / "gone", (folder / "gone").lstat()))
for name in ("open", "write", "fsync", "replace", "unlink", "link", "mkdir", "lstat", "close",
             "fchmod", "listdir"):
    setattr(os, name, counted(getattr(os, name)))
commit(changes)
print("done", flush=True)
os._exit(0)
"""


def old_or_new(folder: Path) -> int:
    """Return how many files are new; fail for one that is neither."""
    new = 0
    for number in range(6):
        content = (folder / f"f{number}").read_bytes()
        assert content in (b"old %d\n" % number, b"new %d\n" % number * 3000)
        assert (folder / f"f{number}").stat().st_mode & 0o777 == 0o640
        new += content.startswith(b"new")
    if (folder / "deep/made").exists():
        assert (folder / "deep/made").read_bytes() == b"made\n"
        new += 1
    if (folder / "gone").exists():
        assert (folder / "gone").read_bytes() == b"old gone\n"
    else:
        new += 1
    return new


def prepared(folder: Path) -> Path:
    folder.mkdir()
    for number in range(6):
        (folder / f"f{number}").write_bytes(b"old %d\n" % number)
        (folder / f"f{number}").chmod(0o640)
    (folder / "gone").write_bytes(b"old gone\n")
    return folder


def test_after_a_kill_at_any_call_each_file_is_old_or_new(tmp_path: Path) -> None:
    states = set()
    for at in range(1, 400, many(1, 2)):
        folder = prepared(tmp_path / str(at))
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(folder), str(at)], capture_output=True, check=False
        )
        if done.stdout == b"done\n":
            assert old_or_new(folder) == 8
            break
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        states.add(old_or_new(folder))

        commit([Write(folder / "next", b"x", None)])
        assert leftovers(folder) in ([], leftovers(folder / "deep"))
    else:
        pytest.fail("the calls never ended")
    assert states == set(range(9))


def test_after_a_kill_at_any_time_each_file_is_old_or_new(tmp_path: Path) -> None:
    code = KILLED.replace("commit(changes)", "print('go', flush=True); commit(changes)")
    for at in range(20):
        folder = prepared(tmp_path / str(at))
        with subprocess.Popen(
            [sys.executable, "-c", code, str(folder), "0"], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            began = time.perf_counter()
            while time.perf_counter() - began < at * 0.0004:
                pass
            process.kill()
        old_or_new(folder)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.binary(max_size=50), max_size=6),
    st.dictionaries(st.sampled_from("abcdef"), st.none() | st.binary(max_size=50), max_size=6),
    st.integers(0, 30),
)
def test_any_changes_are_made_whole_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    there: dict[str, bytes],
    wanted: dict[str, bytes | None],
    fails_at: int,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name, data in there.items():
        (folder / name).write_bytes(data)
    changes: list[Change] = []
    for name, after in wanted.items():
        before = (folder / name).stat() if name in there else None
        if after is not None:
            changes.append(Write(folder / name, after, before))
        elif before is not None:
            changes.append(Delete(folder / name, before))
    calls: list[int] = []
    whole = True
    with monkeypatch.context() as patch:
        for name in ("write", "fsync", "replace"):
            patch.setattr(os, name, failing(getattr(os, name), errno.EIO, fails_at, calls))
        try:
            commit(changes)
        except OSError:
            whole = False

    expected = dict(there)
    if whole:
        expected |= {name: data for name, data in wanted.items() if data is not None}
        expected = {
            name: data for name, data in expected.items() if wanted.get(name, b"") is not None
        }
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == expected


def test_processes_that_write_in_one_folder_do_not_sweep_each_others_files(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from qcode.transaction import Write, commit

folder, me = Path(sys.argv[1]), sys.argv[2]
for number in range(60):
    changes = []
    for name in "ab":
        path = folder / (me + name)
        before = path.stat() if path.exists() else None
        changes.append(Write(path, b"%d" % number * 1000, before))
    commit(changes)
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "wxyz"
    ]

    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    assert len(list(tmp_path.iterdir())) == 8
    assert all(path.read_bytes() == b"59" * 1000 for path in tmp_path.iterdir())
