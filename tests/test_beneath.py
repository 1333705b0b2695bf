from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from thorough import many

from qcode import beneath
from qcode.tools.ignore import walk
from qcode.transaction import Conflict, Delete, Write, commit

SWAPPER = """
import contextlib, os, shutil, sys
folder, aside, outside = sys.argv[1:]
print("begun", flush=True)
while True:
    with contextlib.suppress(OSError):
        os.rename(folder, aside)
    with contextlib.suppress(OSError):
        os.symlink(outside, folder)
    with contextlib.suppress(OSError):
        os.unlink(folder)
    try:
        os.rename(aside, folder)
    except OSError:  # one was made meanwhile, with something in it
        shutil.rmtree(folder, ignore_errors=True)
"""


@contextmanager
def swapping(folder: Path, outside: Path) -> Iterator[None]:
    """Swap a directory for a link that leads outside, and back, all the time."""
    arguments = [str(folder), f"{folder}_", str(outside)]
    with subprocess.Popen(
        [sys.executable, "-I", "-c", SWAPPER, *arguments], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        try:
            yield
        finally:
            process.kill()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    made = tmp_path / "outside"
    made.mkdir()
    (made / "file").write_text("SECRET")
    return made


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    made = tmp_path / "work/race"
    made.mkdir(parents=True)
    (made / "file").write_text("plain")
    return made


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.mark.timeout(120)
def test_reading_by_way_of_a_folder_that_is_swapped_never_leads_outside(
    inside: Path, outside: Path
) -> None:
    got: list[bytes] = []
    names: set[str] = set()
    (outside / "theirs").touch()
    before = descriptors()
    refused = 0
    with swapping(inside, outside):
        for _ in range(many(20_000, 2_500)):
            try:
                got.append(beneath.read(inside / "file"))
            except OSError:
                refused += 1
            names.update(beneath.names(inside))
    assert refused
    assert set(got) == {b"plain"}
    assert names == {"file"}
    assert descriptors() == before


@pytest.mark.timeout(120)
def test_writing_into_a_folder_that_is_swapped_never_leads_outside(
    inside: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is waited for in a sync would only make the attempts fewer.
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    written = refused = 0
    before = descriptors()
    with swapping(inside, outside):
        for number in range(many(20_000, 2_500)):
            try:
                commit([Write(inside / f"new{number % 2}/n", b"PWNED", None)])
            except (OSError, Conflict):
                refused += 1
            else:
                written += 1
            with suppress(OSError):
                os.unlink(inside / f"new{number % 2}/n")
    assert written
    assert refused
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert descriptors() == before


@pytest.mark.timeout(120)
def test_deleting_and_replacing_by_way_of_a_swapped_folder_leaves_what_is_outside(
    inside: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    state = (outside / "file").stat()
    with swapping(inside, outside):
        for _ in range(many(5_000, 2_000)):
            # Asked to replace the very file outside, as one that was looked at in a bad moment.
            for change in (Write(inside / "file", b"PWNED", state), Delete(inside / "file", state)):
                with suppress(OSError, Conflict):
                    commit([change])
    assert (outside / "file").read_text() == "SECRET"
    assert (outside / "file").stat().st_ino == state.st_ino


def test_a_link_anywhere_on_the_way_is_refused(inside: Path, outside: Path) -> None:
    link = inside.parent / "link"
    link.symlink_to(outside)
    (inside / "alias").symlink_to(outside / "file")
    for act in (
        lambda: os.close(beneath.open_folder(link)),
        lambda: beneath.read(link / "file"),
        lambda: beneath.read(inside / "alias"),
        lambda: beneath.status(link / "file"),
        lambda: beneath.make_folder(link / "new", []),
        lambda: commit([Write(link / "new", b"", None)]),
    ):
        with pytest.raises(beneath.Swapped):
            act()
    assert beneath.names(link) == []
    assert beneath.exists(link / "file")  # opening it tells more
    assert not beneath.exists(inside / "none/file")
    assert not beneath.exists(inside / "file/below")
    assert not beneath.may_write(link / "file")
    assert beneath.exists(inside / "alias")
    assert not beneath.is_folder(link)
    assert sorted(os.listdir(outside)) == ["file"]


def test_a_link_that_goes_in_a_circle_is_called_that(inside: Path) -> None:
    (inside / "round").symlink_to("round")
    with pytest.raises(OSError) as caught:
        beneath.read(inside / "round/file")
    assert caught.value.errno == errno.ELOOP
    assert not isinstance(caught.value, beneath.Swapped)


def test_what_is_no_ordinary_file_is_told_without_opening_it(inside: Path) -> None:
    os.mkfifo(inside / "pipe")
    for path, kind in ((inside / "pipe", stat.S_ISFIFO), (inside, stat.S_ISDIR)):
        with pytest.raises(beneath.NotRegular) as caught:
            beneath.open_file(path)
        assert kind(caught.value.mode)
    assert stat.S_ISDIR(beneath.status(Path("/")).st_mode)


def test_errors_name_the_file_and_leave_no_descriptor(inside: Path) -> None:
    before = descriptors()
    with pytest.raises(FileNotFoundError) as caught:
        beneath.read(inside / "none/file")
    assert caught.value.filename == str(inside / "none")
    with pytest.raises(FileNotFoundError) as caught:
        beneath.read(inside / "none")
    assert caught.value.filename == str(inside / "none")
    with pytest.raises(NotADirectoryError) as not_folder:
        beneath.read(inside / "file/below/it")
    assert not_folder.value.filename == str(inside / "file")
    with pytest.raises(OSError, match="real path"):
        beneath.open_folder(inside / ".." / "work")
    with pytest.raises(OSError, match="real path"):
        beneath.open_folder(Path("work"))
    assert descriptors() == before


def test_folders_are_made_step_by_step_and_told(inside: Path) -> None:
    made: list[Path] = []
    os.close(beneath.make_folder(inside / "a/b/c", made))
    assert made == [inside / "a", inside / "a/b", inside / "a/b/c"]
    os.close(beneath.make_folder(inside / "a/b/c", made))
    assert len(made) == 3
    with pytest.raises(NotADirectoryError):
        beneath.make_folder(inside / "file/below", made)


AS_USER = """
import os, sys
from pathlib import Path
from qcode.transaction import Write, commit
if os.geteuid() == 0:
    os.setgid(65534), os.setuid(65534)
top = Path(sys.argv[1])
commit([Write(top / "blind/inner/new", b"new", None)])
commit([Write(top / "blind/file", b"new", (top / "blind/file").stat())])
print((top / "blind/inner/new").read_text(), (top / "blind/file").read_text())
"""


def test_a_folder_that_may_be_entered_but_not_listed_will_do(tmp_path: Path) -> None:
    if not hasattr(os, "O_PATH"):
        pytest.skip("passing through needs the right to list here")
    top = tmp_path / "top"
    (top / "blind/inner").mkdir(parents=True)
    (top / "blind/file").write_text("old")
    if os.geteuid() == 0:
        for path in (top / "blind", top / "blind/inner", top / "blind/file"):
            os.chown(path, 65534, 65534)
        for path in (top, *top.parents):
            if path.stat().st_mode & 0o011 != 0o011:
                path.chmod(path.stat().st_mode | 0o011)
    (top / "blind").chmod(0o300)
    done = subprocess.run(
        [sys.executable, "-c", AS_USER, str(top)], capture_output=True, text=True, check=False
    )
    (top / "blind").chmod(0o700)
    assert done.stdout == "new new\n", done.stderr


def test_a_walk_through_a_deep_tree_holds_few_descriptors(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 200)
    deep.mkdir(parents=True)
    (deep / "file").touch()
    before = descriptors()

    walking = walk(tmp_path, tmp_path)
    assert next(walking).name == "file"
    assert descriptors() - before < 100

    assert list(walking) == []
    assert descriptors() == before


def test_a_walk_that_is_given_up_leaves_no_descriptor(tmp_path: Path) -> None:
    for name in ("a/b/c", "a/b/d"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").touch()
    before = descriptors()
    walking = walk(tmp_path, tmp_path)
    next(walking)
    assert descriptors() > before
    del walking
    assert descriptors() == before


@pytest.mark.timeout(120)
def test_a_walk_by_way_of_a_folder_that_is_swapped_never_leads_outside(
    inside: Path, outside: Path
) -> None:
    (outside / "theirs").touch()
    found: set[str] = set()
    with swapping(inside, outside):
        for _ in range(many(5_000, 2_000)):
            found.update(entry.path for entry in walk(inside.parent, inside.parent))
        # The two may go in step for long, so that the folder is never met under its own name.
        deadline = time.monotonic() + 60
        while "race/file" not in found and time.monotonic() < deadline:
            found.update(entry.path for entry in walk(inside.parent, inside.parent))
    # `race` alone: as the link that it was just then.
    assert found <= {"race", "race/file", "race_/file"}
    assert "race/file" in found
