"""Which files a state holds: git's rules, what was named, and what is left out."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from filetree import git, repository

from qcode.checkpoints.keeper import Checkpoints
from qcode.checkpoints.restore import restore
from qcode.checkpoints.scan import Files
from qcode.checkpoints.states import LEFT_OUT, State, below, difference, find, named
from qcode.checkpoints.store import Store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rules = b"*.log\n/build/\ncache/*\n!cache/keep\n.env*\n"
    return repository(tmp_path / "work", {"a.txt": b"a\n", ".gitignore": rules, "src/b": b"b"})


@pytest.fixture
def store(root: Path, tmp_path: Path) -> Iterator[Store]:
    with closing(Store.at(root, tmp_path / "private.git")) as store:
        yield store


@pytest.fixture(params=["scanned", "watched"])
def files(root: Path, store: Store, request: pytest.FixtureRequest) -> Iterator[Files]:
    with closing(Files(root, store)) as files:
        if request.param == "watched":
            files._begun().is_slow = True
            files.take()
            files._begun().is_slow = True
            files.take(thorough=True)
            assert files._begun().watch is not None
        yield files


def put(root: Path, *paths: str, text: str = "x") -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


BASE = {"a.txt", ".gitignore", "src/b"}


def paths(store: Store, state: State) -> set[str]:
    return {
        path
        for path in below(store, state)
        if (entry := find(store, state, path)) is not None and entry.oid
    }


def test_ignored_files_are_left_out(root: Path, store: Store, files: Files) -> None:
    put(root, "x.log", "build/o", "build/deep/o", "cache/no", "cache/keep", "src/y.log", "new/z")

    assert paths(store, files.take()) == {*BASE, "cache/keep", "new/z"}
    assert files.left_out == {}


def test_rules_in_nested_files_and_in_git_count(root: Path, store: Store, files: Files) -> None:
    (root / ".git/info").mkdir(exist_ok=True)
    (root / ".git/info/exclude").write_text("excluded\n")
    put(root, "src/.gitignore", text="*.tmp\n!important.log\n")
    put(root, "src/x.tmp", "src/important.log", "y.tmp", "excluded", ".ignore", text="a.txt\n")

    assert paths(store, files.take()) == {
        *BASE,
        *("src/.gitignore", "src/important.log", "y.tmp", ".ignore"),
    }


def test_rules_of_a_person_count(root: Path, store: Store, files: Files, tmp_path: Path) -> None:
    put(root, "mine.swp", "b.bak")
    (tmp_path / "rules").write_text("*.bak\n")
    (Path(os.environ["XDG_CONFIG_HOME"]) / "git").mkdir(parents=True)
    (Path(os.environ["XDG_CONFIG_HOME"]) / "git/ignore").write_text("*.swp\n")
    assert paths(store, files.take()) == {*BASE, "b.bak"}

    git(root, "config", "core.excludesFile", str(tmp_path / "rules"))

    assert paths(store, files.take()) == {*BASE, "mine.swp"}


def test_changed_rules_are_noticed(root: Path, store: Store, files: Files) -> None:
    put(root, "x.log", "src/y.tmp", "src/deep/z.tmp", "build/o")
    assert paths(store, files.take()) == {*BASE, "src/y.tmp", "src/deep/z.tmp"}
    put(root, ".gitignore", text="*.tmp\n")
    assert paths(store, files.take()) == {*BASE, "x.log", "build/o"}
    put(root, "src/.gitignore", text="!y.tmp\n")
    assert paths(store, files.take()) == {
        *BASE,
        *("x.log", "build/o", "src/.gitignore", "src/y.tmp"),
    }
    (root / ".gitignore").unlink()
    (root / "src/.gitignore").rename(root / "src/deep/.gitignore")
    assert paths(store, files.take()) == {
        *(BASE - {".gitignore"}),
        *("x.log", "build/o", "src/y.tmp", "src/deep/z.tmp", "src/deep/.gitignore"),
    }
    put(root, ".gitignore", text="*\n")
    assert paths(store, files.take()) == BASE


def test_directory_replaced_by_another_is_judged_anew(
    root: Path, store: Store, files: Files
) -> None:
    put(root, "d/.gitignore", text="*.tmp\n")
    put(root, "d/x.tmp")
    files.take()
    (root / "d").rename(root / "e")
    put(root, "d/x.tmp", "d/y.tmp")

    assert paths(store, files.take()) == {*BASE, "d/x.tmp", "d/y.tmp", "e/.gitignore"}


def test_tracked_files_are_kept_though_ignored(root: Path, store: Store, files: Files) -> None:
    put(root, "x.log", "build/deep/o", "build/p")
    git(root, "add", "-f", "x.log", "build/deep/o")
    assert paths(store, files.take()) == {*BASE, "x.log", "build/deep/o"}
    git(root, "add", "-f", "build/p")
    put(root, "build/p", text="changed")
    second = files.take()
    assert paths(store, second) == {*BASE, "x.log", "build/deep/o", "build/p"}
    git(root, "rm", "-q", "--cached", "-f", "x.log", "build/p", "build/deep/o")

    third = files.take()

    assert paths(store, third) == BASE
    assert (root / "build/p").exists()
    assert list(below(store, third)) == sorted(BASE)


def test_small_secrets_are_kept_though_ignored(root: Path, store: Store, files: Files) -> None:
    put(root, ".env", "src/.env.local", ".envs/bin/python", "build/.env")

    assert paths(store, files.take()) == {*BASE, ".env", "src/.env.local"}


def test_patterns_for_ignored_files_can_be_paths(root: Path, store: Store) -> None:
    put(root, "cache/no", "x.log", "src/x.log")

    with closing(Files(root, store, keep_ignored=["cache/n*", "x.log"])) as files:
        assert paths(store, files.take()) == {*BASE, "cache/no", "x.log", "src/x.log"}


def test_named_paths_are_kept_from_then_on(root: Path, store: Store, files: Files) -> None:
    put(root, "build/deep/o", "build/p", "build/deep/q", "x.log")
    first = files.take()
    second = files.take([root / "build/deep/o", Path("new.log"), root / "src/b"])
    put(root, "new.log", text="made by the call")
    put(root, "build/deep/o", text="changed by the call")
    third = files.take()

    assert paths(store, first) == BASE
    assert paths(store, second) == {*BASE, "build/deep/o"}
    assert paths(store, third) == {*BASE, "build/deep/o", "new.log"}
    assert named(store, third) == ("build/deep/o", "new.log")
    # The first state cannot know whether they were there.
    assert {path: pair[0] for path, pair in difference(store, first, third).items()} == {
        "build/deep/o": LEFT_OUT,
        "new.log": LEFT_OUT,
    }
    back = {path: pair[1] for path, pair in difference(store, third, second).items()}
    restore(root, store, back)
    assert (root / "build/deep/o").read_text() == "x"
    assert not (root / "new.log").exists()
    assert files.take(thorough=True) == second
    with closing(Files(root, store)) as fresh:
        assert fresh.take([root / path for path in named(store, second)]) == second


def test_named_paths_outside_or_in_git_are_none(root: Path, store: Store, files: Files) -> None:
    before = files.take()

    assert files.take([root / "../x", root, Path("/etc/passwd"), root / ".git/config"]) == before


def test_named_path_through_a_link_is_the_real_one(root: Path, store: Store, files: Files) -> None:
    put(root, "build/o")
    (root / "link").symlink_to("build")

    assert paths(store, files.take([root / "link/o"])) == {*BASE, "build/o", "link"}


def test_undoing_a_rule_spares_what_it_hides(root: Path, store: Store, files: Files) -> None:
    put(root, "x.log", "build/o")
    before = files.take()
    put(root, ".gitignore", text="")
    put(root, "made")
    after = files.take()
    assert paths(store, after) == {*BASE, "x.log", "build/o", "made"}

    wanted = {path: pair[1] for path, pair in difference(store, after, before).items()}
    restore(root, store, wanted, ignored=files.ignored)

    assert (root / "x.log").exists()
    assert (root / "build/o").exists()
    assert not (root / "made").exists()
    assert files.take() == before


def test_what_is_kept_though_ignored_goes_and_comes(root: Path, store: Store, files: Files) -> None:
    before = files.take([root / "build/named"])
    put(root, ".env", "src/.env.local", "build/named", "build/.env")
    after = files.take()
    assert paths(store, after) == {*BASE, ".env", "src/.env.local", "build/named"}

    for wanted in (before, after, before):
        changes = difference(store, files.take(thorough=True), wanted)
        new = {path: pair[1] for path, pair in changes.items()}
        restore(root, store, new, ignored=files.ignored)
        assert files.take(thorough=True) == wanted
        assert (root / ".env").exists() is (wanted == after)
        assert (root / "build/named").exists() is (wanted == after)
        assert (root / "build/.env").exists()  # it never was in a state


@pytest.mark.parametrize("is_private", [False, True])
def test_step_that_makes_or_removes_a_secret_can_be_undone(
    tmp_path: Path, is_private: bool
) -> None:
    root = tmp_path / "work"
    root.mkdir()
    if not is_private:
        git(root, "init", "-q")
    put(root, ".gitignore", text=".env\n")
    secret = root / ".env"
    with closing(Checkpoints(root, "s", tmp_path / "state")) as kept:
        for change in (partial(secret.write_text, "SECRET"), secret.unlink):
            was_there = secret.exists()
            kept.before("step", "c")
            change()
            kept.after()
            for journey, is_there in (
                (kept.undo_plan, was_there),
                (kept.redo_plan, not was_there),
                (kept.undo_plan, was_there),
                (kept.redo_plan, not was_there),
            ):
                kept.go(journey())
                assert secret.exists() is is_there
                assert not is_there or secret.read_text() == "SECRET"


def test_cache_that_hides_itself_stays_hidden(root: Path, store: Store, files: Files) -> None:
    before = files.take()
    put(root, ".cache/.gitignore", "other/.gitignore", text="*\n")
    put(root, ".cache/data", ".cache/deep/data", "rules/data", "rules/b")
    put(root, "rules/.gitignore", "only/.gitignore", text="data\n")
    put(root, "only/data")
    after = files.take()
    made = {f"{name}/.gitignore" for name in (".cache", "other", "rules", "only")} | {"rules/b"}
    assert paths(store, after) == {*BASE, *made}
    put(root, "rules/theirs")

    wanted = {path: pair[1] for path, pair in difference(store, after, before).items()}
    restore(root, store, wanted, ignored=files.ignored)

    left = {".cache/.gitignore", "rules/theirs", "rules/data", "only/data"}
    assert paths(store, files.take()) == {*BASE, *left}
    assert (root / ".cache/deep/data").exists()
    assert not (root / "other").exists()


@pytest.fixture
def kept(root: Path, tmp_path: Path) -> Iterator[Checkpoints]:
    with closing(Checkpoints(root, "s", tmp_path / "state")) as kept:
        yield kept


@contextmanager
def step(kept: Checkpoints) -> Iterator[None]:
    kept.before("step", "c")
    yield
    kept.after()


def test_what_a_step_makes_visible_is_never_removed(root: Path, kept: Checkpoints) -> None:
    put(root, "mine.log", "build/mine")
    with step(kept):
        put(root, ".gitignore", text="")

    for _ in range(2):
        kept.go(kept.undo_plan())
        assert (root / "mine.log").exists()
        assert (root / "build/mine").exists()
        kept.go(kept.redo_plan())


def test_what_a_later_step_hides_goes_with_the_step_that_made_it(
    root: Path, kept: Checkpoints
) -> None:
    with step(kept):
        put(root, "out/x", "out/deep/y", "z.o")
    with step(kept):
        put(root, ".gitignore", text="out/\n*.o\n")
    made = [root / path for path in ("out/x", "out/deep/y", "z.o")]
    with step(kept):
        made[1].write_text("changed")
    put(root, "out/theirs")

    kept.go(kept.undo_plan(3))
    assert made[1].read_text() == "x"
    kept.go(kept.undo_plan(1))

    assert [path.exists() for path in made] == [False] * 3
    assert (root / "out/theirs").exists()
    kept.go(kept.redo_plan(3))
    assert [path.read_text() for path in made] == ["x", "changed", "x"]
    assert (root / ".gitignore").read_text() == "out/\n*.o\n"
    while kept.timeline.undoable() is not None:
        kept.go(kept.undo_plan())
    assert [path.exists() for path in made] == [False] * 3


def test_what_the_step_of_another_process_made_goes_too(
    root: Path, kept: Checkpoints, tmp_path: Path
) -> None:
    with step(kept):
        put(root, "out/x")
    kept.close()
    with closing(Checkpoints(root, "s", tmp_path / "state")) as second, step(second):
        put(root, ".gitignore", text="out/\n")
    with closing(Checkpoints(root, "s", tmp_path / "state")) as third:
        third.look()
        third.go(third.undo_plan(1))
        assert not (root / "out").exists()
        third.go(third.redo_plan(2))
        assert (root / "out/x").read_text() == "x"


@pytest.mark.parametrize("rule", ["node_modules/", "node_modules/*"])
def test_root_in_an_ignored_directory(tmp_path: Path, rule: str) -> None:
    top = repository(tmp_path / "top", {".gitignore": rule.encode() + b"\n"})
    inside = top / "node_modules/pack"
    put(inside, "index.js", "out/x")
    put(inside, ".gitignore", text="out/\n")

    with closing(Store.at(inside, tmp_path / "p.git")) as store:
        with closing(Files(inside, store)) as files:
            assert paths(store, files.take()) == {"index.js", ".gitignore"}
            assert not store.is_private


def test_root_below_the_top_follows_the_rules_above(root: Path, store: Store) -> None:
    put(root, "src/x.log", "src/c")

    with closing(Files(root / "src", store)) as files:
        assert paths(store, files.take()) == {"b", "c"}
        put(root, ".gitignore", text="c\n")
        assert paths(store, files.take()) == {"b", "x.log"}


def test_large_and_strange_files_are_left_out(root: Path, store: Store) -> None:
    put(root, "big", text="x" * 101)
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as end, closing(Files(root, store, largest=100)) as files:
        end.bind(str(root / "end"))
        state = files.take()

        assert paths(store, state) == BASE
        assert files.left_out == {
            "big": "it is larger than 100 bytes",
            "end": "it is a socket",
            "pipe": "it is a pipe",
        }
        assert files.look("big") == LEFT_OUT
        assert find(store, state, "pipe") == LEFT_OUT
        put(root, "big", text="small now")
        (root / "pipe").unlink()
        after = files.take()
        assert files.left_out == {"end": "it is a socket"}
        assert difference(store, state, after)["big"] == (LEFT_OUT, find(store, after, "big"))
        restore(root, store, {p: pair[0] for p, pair in difference(store, state, after).items()})
        assert (root / "big").read_text() == "small now"


def test_too_much_at_once_is_left_out_until_there_is_room(root: Path, store: Store) -> None:
    put(root, "one", text="1" * 60)
    put(root, "two", text="2" * 60)
    with closing(Files(root, store, most_new=100)) as files:
        first = files.take()
        (left,) = files.left_out
        second = files.take()

        assert len(paths(store, first)) == len(BASE) + 1
        assert files.left_out == {}
        assert difference(store, first, second) == {left: (LEFT_OUT, find(store, second, left))}


def test_qcodes_own_files_are_left_out(tmp_path: Path) -> None:
    root = tmp_path / "home"
    put(root, "a", ".local/state/qcode/sessions/x", ".local/state/other")
    own = root / ".local/state/qcode"
    with closing(Store.at(root, own / "files.git")) as store:
        with closing(Files(root, store, leave_out=[own])) as files:
            first = files.take()

            assert paths(store, first) == {"a", ".local/state/other"}
            assert files.take(thorough=True) == first


def test_what_is_being_written_is_left_out(root: Path, store: Store, files: Files) -> None:
    before = files.take()
    put(root, ".qcode-tmp-0123456789ab")

    assert files.take() == before


def test_looking_at_one_path(root: Path, store: Store, files: Files) -> None:
    (root / "link").symlink_to("src")
    put(root, "x.log", "only-ignored/x.log")
    state = files.take()

    for path in ("a.txt", "link", "src/b", "src", "only-ignored", "nothing", "build", "link/b"):
        assert files.look(path) == find(store, state, path), path
    seen = files.look("x.log")
    assert seen is not None
    assert seen.oid == store.oid("blob", b"x")


def test_looking_comes_before_the_first_take(root: Path, store: Store) -> None:
    with closing(Files(root, store)) as files:
        seen = files.look("a.txt")
        state = files.take()

        assert seen == find(store, state, "a.txt")
        assert paths(store, state) == BASE
