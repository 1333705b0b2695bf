from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from program import git, repository

from qcode.mentions.complete import SHOWN, Candidate, Mentionable, typed
from qcode.mentions.gather import Gathered, Gatherer
from qcode.repomap.index import Index

PATIENCE_S = 20.0


@pytest.mark.parametrize(
    "before, fragment",
    [
        ("fix @", ""),
        ("fix @src/a", "src/a"),
        ('fix @"my f', '"my f'),
        ("(@a", "a"),
        ("fix @a ", None),
        ("me@example", None),
        ("", None),
        ('@"done" now', None),
        ("x\n@b", "b"),
    ],
)
def test_what_is_typed_of_a_mention(before: str, fragment: str | None) -> None:
    assert typed(before) == fragment


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")


def mentionable(
    root: Path,
    *,
    is_hidden: Callable[[Path], bool] = lambda _real: False,
    lately: Callable[[Path], Iterable[str]] | None = None,
    fresh_s: float = 3600.0,
) -> Mentionable:
    gatherer = Gatherer(root, changed_lately=lately, fresh_s=fresh_s)
    return Mentionable(root, is_hidden, gatherer=gatherer, patience_s=PATIENCE_S)


def texts(found: list[Candidate]) -> list[str]:
    return [one.text for one in found]


@pytest.fixture
def tree(tmp_path: Path) -> Mentionable:
    root = tmp_path / "work"
    write(
        root, *("src/app.py", "src/deep/apply.py", "src/my file.py", "build/app.js", ".env", ".x")
    )
    (root / ".gitignore").write_text("build/\n*.log\n")
    (root / "src/a.log").write_text("")
    (root / "out").symlink_to(tmp_path)  # what is behind it is no part of the workspace
    return mentionable(root, is_hidden=lambda real: real.name == ".env", lately=lambda _: ())


@pytest.mark.parametrize(
    "fragment, found",
    [
        ("", ["out/", "src/"]),
        ("src/", ["src/app.py", "src/deep/", '"src/my file.py"', "src/", "src/deep/apply.py"]),
        ("SRC/A", ["src/app.py", "src/deep/apply.py"]),
        ("app", ["src/app.py", "src/deep/apply.py"]),
        ("dpl", ["src/deep/apply.py"]),
        ("deep", ["src/deep/", "src/deep/apply.py"]),
        ('"src/my', ['"src/my file.py"']),
        (".", [".gitignore", ".x", "src/app.py", "src/deep/apply.py", '"src/my file.py"']),
        ("git:", ["git:diff", "git:staged", "git:HEAD~1"]),
        ("build/", []),
        ("env", []),
        ("nowhere/", []),
        *((outside, []) for outside in ("../", "/", "~/", "out/x")),
    ],
)
def test_what_is_there_is_completed_but_for_what_is_ignored_and_hidden(
    tree: Mentionable, fragment: str, found: list[str]
) -> None:
    assert texts(tree.candidates(fragment)) == found


def test_git_decides_what_there_is_and_what_comes_first(tmp_path: Path) -> None:
    root = repository(tmp_path / "work", {"README.md": ""})
    write(root, *(f"lib/part_{n}.py" for n in range(5)), "kept.log", "lib/secret_part.py")
    (root / ".gitignore").write_text("*.log\n")
    (root / ".aiignore").write_text("lib/secret*\n")
    git(root, "add", "-f", ".")
    git(root, "commit", "-q", "-m", "all")
    (root / "lib/part_3.py").write_text("changed = 1\n")
    git(root, "commit", "-q", "-a", "-m", "one")
    write(root, "lib/new_part.py", "other.log")
    (root / "lib/part_4.py").unlink()
    it = mentionable(root)
    it.candidates("part")
    assert it._gatherer._thread is not None
    it._gatherer._thread.join()

    found = texts(it.candidates("part"))

    assert found[:3] == ["lib/part_3.py", "lib/part_0.py", "lib/part_1.py"]
    assert "lib/new_part.py" in found
    assert not {"lib/part_4.py", "lib/secret_part.py"} & set(found)
    assert texts(it.candidates(".log")) == ["kept.log"]
    assert texts(it.candidates(""))[:2] == ["lib/new_part.py", "lib/part_3.py"]
    below = mentionable(root / "lib")
    assert set(texts(below.candidates("part"))) == {
        *("new_part.py", "part_0.py", "part_1.py", "part_2.py", "part_3.py"),
    }


def test_links_that_lead_nowhere_are_files(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "gone").symlink_to("nothing")

    assert texts(mentionable(tmp_path).candidates("c")) == ["circle"]
    assert texts(mentionable(tmp_path).candidates("")) == ["circle", "gone"]


def test_what_was_pointed_at_comes_first_from_then_on(tmp_path: Path) -> None:
    write(tmp_path, "a/part.py", "b/part.py", "c/part.py")
    it = mentionable(tmp_path, lately=lambda _root: ["b/part.py"])
    assert texts(it.candidates("part"))
    assert it._gatherer._thread is not None
    it._gatherer._thread.join()

    it.use("look at @b/part.py and @nowhere.py")
    it.use("and at @c/part.py")

    assert texts(it.candidates("part")) == ["c/part.py", "b/part.py", "a/part.py"]
    assert texts(it.candidates(""))[:2] == ["c/part.py", "b/part.py"]
    assert texts(it.candidates("a")) == ["a/", "c/part.py", "b/part.py", "a/part.py"]
    assert it.candidates("nowhere") == []


def test_names_are_known_where_there_is_a_map_and_none_is_made(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    (root / "names.py").write_text("class NameTable:\n    def rename_all(self): ...\n")
    cache = Path(os.environ["XDG_CACHE_HOME"]) / "qcode/repomap"

    assert texts(mentionable(root).candidates("symbol:Name")) == []
    assert not cache.exists()
    with Index(root):
        pass
    it = mentionable(root)

    assert texts(it.candidates("symbol:na")) == ["symbol:NameTable", "symbol:rename_all"]
    assert it.candidates("NaT") == [Candidate("symbol:NameTable", "symbol", "where it is defined")]
    assert texts(it.candidates("name")) == ["names.py", "symbol:NameTable", "symbol:rename_all"]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\0" * 200])
def test_a_damaged_map_is_none(tmp_path: Path, content: bytes) -> None:
    with Index(tmp_path) as index:
        assert index.store.path is not None
        file = index.store.path
    file.write_bytes(content)

    assert texts(mentionable(tmp_path).candidates("symbol:a")) == []
    assert file.read_bytes() == content


def test_nobody_waits_for_a_slow_look(tmp_path: Path) -> None:
    write(tmp_path, "src/app.py")
    goes_on = threading.Event()

    def slow(_root: Path) -> list[str]:
        goes_on.wait(PATIENCE_S)
        return []

    class Slow(Gatherer):
        def look(self, patience_s: float) -> Gathered | None:
            super().look(0)
            return None

    it = Mentionable(tmp_path, lambda _: False, gatherer=Slow(tmp_path, changed_lately=slow))
    assert texts(it.candidates("s")) == ["src/"]
    goes_on.set()

    # What the last commits changed is not waited for, whatever is.
    goes_on.clear()
    quick = mentionable(tmp_path, lately=slow)
    assert texts(quick.candidates("app")) == ["src/app.py"]
    goes_on.set()


def test_there_is_an_end_to_it(tmp_path: Path) -> None:
    write(tmp_path, *(f"f{number}" for number in range(SHOWN + 5)))

    assert len(mentionable(tmp_path).candidates("f")) == SHOWN


def test_a_changed_tree_is_seen_in_the_end(tmp_path: Path) -> None:
    write(tmp_path, "one.py")
    it = mentionable(tmp_path, lately=lambda _: (), fresh_s=0)
    assert texts(it.candidates("two")) == []
    write(tmp_path, "two.py")
    for _ in range(2):
        assert it._gatherer._thread is not None
        it._gatherer._thread.join()
        it._gatherer.look(0)
        it._gatherer._thread.join()

    assert texts(it.candidates("two")) == ["two.py"]


def test_what_servers_have_is_offered(tmp_path: Path) -> None:
    known = [("docs:note://today", "the day"), ("docs:note://with blank", ""), ("x:a://b", "")]
    mentionable = Mentionable(tmp_path, lambda _path: False, resources=lambda: known)

    assert mentionable.candidates("Docs:") == [
        Candidate("docs:note://today", "resource", "the day")
    ]
    assert mentionable.candidates("") == []
