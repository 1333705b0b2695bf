"""Files of what the local server has read: few, small, for nobody else's eyes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from local_doubles import FakeServer, Watcher

from qcode import local
from qcode.cli.local import configure, main
from qcode.local import slots
from qcode.local.engine import Extension, Program
from qcode.local.server import Serving, command
from qcode.local.slots import Slots, folder_for


def program(path: Path, *options: str) -> Program:
    path.touch()
    return Program(path, frozenset(options), own=False)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"model")
    return path


def saved(which: Slots, folder: Path, *, size: int = 10, age_s: int = 0) -> Path:
    """Do what the server does when it is told to save."""
    before = set(folder.iterdir())
    (folder / which.unfinished).write_bytes(bytes(size))
    which.finish()
    new = [path for path in folder.iterdir() if path not in before]
    assert len(new) == 1
    now = new[0].stat().st_mtime
    os.utime(new[0], (now - age_s, now - age_s))
    return new[0]


def test_each_server_model_and_template_has_a_folder_of_its_own(
    tmp_path: Path, model: Path
) -> None:
    template = tmp_path / "t.jinja"
    template.write_text("one")
    engine = program(tmp_path / "llama-server", "--slot-save-path")

    def folders() -> list[Path | None]:
        return [
            folder_for(engine, model, template),
            folder_for(engine, model, None),
            folder_for(Extension(tmp_path / "wheel-1"), model, template),
            folder_for(Extension(tmp_path / "wheel-2"), model, template),
        ]

    first = folders()
    assert len(set(first)) == 4
    assert folders() == first
    template.write_text("two")
    assert folders()[0] != first[0]
    model.write_bytes(b"another")
    assert not set(folders()) & set(first)
    assert all(f and f.stat().st_mode & 0o777 == 0o700 for f in [*first, slots.root()])


def test_a_program_without_the_option_keeps_nothing(tmp_path: Path, model: Path) -> None:
    engine = program(tmp_path / "llama-server", "--jinja")

    assert folder_for(engine, model, None) is None
    serving = Serving(model, "m", 1, 2048, 2, None, tmp_path)
    assert "--slot-save-path" not in command(engine, serving, tmp_path)


def test_the_server_is_told_where(tmp_path: Path, model: Path) -> None:
    serving = Serving(model, "m", 1, 2048, 2, None, tmp_path / "kept")
    line = command(program(tmp_path / "llama-server", "--slot-save-path"), serving, tmp_path)
    command(Extension(tmp_path / "wheel"), serving, tmp_path)

    # Both join folder and name as they are.
    assert line[line.index("--slot-save-path") + 1] == f"{tmp_path / 'kept'}/"
    assert json.loads((tmp_path / "settings.json").read_text())["slots"] == f"{tmp_path / 'kept'}/"


def test_what_begins_alike_helps_where_the_same_is_not_there(tmp_path: Path) -> None:
    mine, other, stranger = (
        Slots(tmp_path, begins, whole) for begins, whole in (("a", "1"), ("a", "2"), ("b", "1"))
    )
    assert mine.find() is None
    file = saved(other, tmp_path)

    assert (mine.find(), mine.is_kept) == (file.name, False)
    assert (other.find(), other.is_kept) == (file.name, True)
    assert stranger.find() is None
    assert file.stat().st_mode & 0o777 == 0o600
    exact = saved(mine, tmp_path, age_s=60)
    assert mine.find() == exact.name
    mine.drop(exact.name)
    assert mine.find() == file.name


def test_a_file_that_was_cut_short_is_not_given_to_the_server(tmp_path: Path) -> None:
    which = Slots(tmp_path, "a", "1")
    file = saved(which, tmp_path, size=100)
    os.truncate(file, 50)

    assert (which.find(), which.is_kept) == (None, False)
    whole = saved(which, tmp_path, size=70)
    assert which.find() == whole.name
    assert list(tmp_path.iterdir()) == [whole]


def test_the_oldest_go_beyond_a_number(model: Path, tmp_path: Path) -> None:
    folder = folder_for(Extension(tmp_path / "wheel"), model, None)
    assert folder is not None
    files = [saved(Slots(folder, "a", str(n)), folder, age_s=100 - n) for n in range(4)]
    Slots(folder, "a", "0").used(files[0].name)

    fifth = saved(Slots(folder, "a", "5"), folder)

    assert set(folder.iterdir()) == {files[0], files[2], files[3], fifth}


def test_and_beyond_a_size(model: Path, tmp_path: Path) -> None:
    folder = folder_for(Extension(tmp_path / "wheel"), model, None)
    assert folder is not None
    old, new = (saved(Slots(folder, "a", n), folder, age_s=int(n)) for n in ("9", "1"))

    assert slots.prune(most_bytes=20) == 0
    assert slots.prune(most_bytes=19) == 10
    assert (old.exists(), new.exists()) == (False, True)


def test_clean_removes_all(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import argparse

    folder = folder_for(Extension(tmp_path / "wheel"), model, None)
    assert folder is not None
    saved(Slots(folder, "a", "1"), folder, size=2_000_000)
    (folder / Slots(folder, "a", "2").unfinished).write_bytes(bytes(1_000_000))
    parser = argparse.ArgumentParser()
    configure(parser)

    assert main(parser.parse_args(["clean"])) == 0

    assert list(folder.iterdir()) == []
    assert "removed 3 MB" in capsys.readouterr().err
    assert slots.clean() == 0


def test_the_state_of_the_server_names_the_folder(
    fake_server: Callable[..., FakeServer], make_gguf: Callable[..., Path], watcher: Watcher
) -> None:
    fake_server()

    running = local.up(str(make_gguf()), context=2048, progress=watcher)

    assert local.status() == running
