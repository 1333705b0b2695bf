"""Checkpoints of a session on real files: around calls, back and forth, after a kill."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thorough import many

from qcode.checkpoints.keeper import Checkpoints
from qcode.checkpoints.timeline import Kind
from qcode.checkpoints.travel import Clash
from qcode.errors import QcodeError, UsageError

Tree = dict[str, tuple[int, bytes]]


def read_tree(root: Path) -> Tree:
    """Return every path with its mode and content; empty directories are there too."""
    out: Tree = {}
    for folder, names, files in os.walk(root):
        if ".git" in names:
            names.remove(".git")
        here = Path(folder)
        for name in [*files, *(n for n in names if (here / n).is_symlink())]:
            path = here / name
            status = path.lstat()
            data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            mode = 0o120000 if path.is_symlink() else stat.S_IMODE(status.st_mode)
            out[str(path.relative_to(root))] = (mode, data)
        if not names and not files and here != root:
            out[str(here.relative_to(root))] = (stat.S_IMODE(here.stat().st_mode), b"")
    return out


def git(cwd: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(params=["repository", "none"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    root = tmp_path / "work"
    root.mkdir()
    (root / "a.txt").write_text("one\ntwo\nthree\nfour\nfive\nsix\nseven\n")
    (root / "b.txt").write_text("b\n")
    if request.param == "repository":
        git(root, "init", "-q")
        git(root, "config", "user.email", "a@b.c")
        git(root, "config", "user.name", "A")
        git(root, "add", "-A")
        git(root, "commit", "-qm", "first")
    return root


@pytest.fixture
def kept(root: Path, tmp_path: Path) -> Iterator[Checkpoints]:
    kept = Checkpoints(root, "s1", tmp_path / "state")
    yield kept
    kept.close()


def call(kept: Checkpoints, title: str, **contents: str | None) -> int:
    """Do what a call would: write or remove files; return its step."""
    kept.before(title, f"id-{title}")
    for name, content in contents.items():
        path = kept.root / name.replace("__", "/").replace("_txt", ".txt")
        if content is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    point = kept.after()
    return point.step if point else 0


def test_undo_and_redo_bring_each_state_back(kept: Checkpoints) -> None:
    trees = [read_tree(kept.root)]
    assert call(kept, "edit a", a_txt="changed\n") == 1
    trees.append(read_tree(kept.root))
    assert call(kept, "shell", b_txt=None, new__c_txt="c\n") == 2
    trees.append(read_tree(kept.root))
    kept.look()
    kept.go(kept.undo_plan())
    assert read_tree(kept.root) == trees[1]
    kept.go(kept.undo_plan())
    assert read_tree(kept.root) == trees[0]
    with pytest.raises(UsageError, match="nothing to undo"):
        kept.undo_plan()
    kept.go(kept.redo_plan())
    assert read_tree(kept.root) == trees[1]
    kept.go(kept.redo_plan())
    assert read_tree(kept.root) == trees[2]
    with pytest.raises(UsageError, match="nothing to redo"):
        kept.redo_plan()
    kept.go(kept.undo_plan(1))
    assert read_tree(kept.root) == trees[0]
    kept.go(kept.redo_plan(2))
    assert read_tree(kept.root) == trees[2]


def test_a_call_that_changes_nothing_is_no_step(kept: Checkpoints) -> None:
    assert call(kept, "ls") == 0
    assert call(kept, "edit", a_txt="x\n") == 1
    assert call(kept, "ls") == 0
    assert [point.kind for point in kept.timeline.points] == [Kind.START, Kind.CALL]


def test_a_branch_that_was_left_can_be_gone_to(kept: Checkpoints) -> None:
    call(kept, "one", a_txt="1\n")
    call(kept, "two", a_txt="2\n")
    two = read_tree(kept.root)
    kept.look()
    kept.go(kept.undo_plan())
    assert call(kept, "three", b_txt="3\n") == 3
    three = read_tree(kept.root)
    with pytest.raises(UsageError, match="taken back already"):
        kept.undo_plan(2)
    kept.go(kept.redo_plan(2))
    assert read_tree(kept.root) == two
    kept.go(kept.redo_plan(3))
    assert read_tree(kept.root) == three


def test_undo_leaves_other_files_that_a_person_changed(kept: Checkpoints) -> None:
    call(kept, "one", a_txt="1\n")
    (kept.root / "b.txt").write_text("mine\n")
    call(kept, "two", new_txt="2\n")
    (kept.root / "notes.txt").write_text("mine too\n")
    kept.look()
    kept.go(kept.undo_plan(1))
    assert (kept.root / "b.txt").read_text() == "mine\n"
    assert (kept.root / "notes.txt").read_text() == "mine too\n"
    assert (kept.root / "a.txt").read_text().startswith("one\n")
    assert not (kept.root / "new.txt").exists()
    kept.go(kept.redo_plan())
    assert (kept.root / "a.txt").read_text() == "1\n"


@pytest.mark.parametrize("when", ["between", "after"])
def test_undo_refuses_what_a_person_changed_in_the_same_file(kept: Checkpoints, when: str) -> None:
    text = (kept.root / "a.txt").read_text()
    call(kept, "one", a_txt=text.replace("two", "TWO"))
    mine = (kept.root / "a.txt").read_text().replace("six", "MINE")
    (kept.root / "a.txt").write_text(mine)
    if when == "between":
        call(kept, "two", b_txt="2\n")
    kept.look()
    plan = kept.undo_plan(1)
    assert [conflict.path for conflict in plan.conflicts] == ["a.txt"]
    assert "a.txt" not in plan.changes
    merged = kept.undo_plan(1, Clash.MERGE)
    assert not merged.conflicts
    assert merged.merged == ("a.txt",)
    kept.go(merged)
    assert (kept.root / "a.txt").read_text() == text.replace("six", "MINE")


def test_a_merge_that_overlaps_leaves_the_file_and_names_it(kept: Checkpoints) -> None:
    call(kept, "one", a_txt="1\n", b_txt="2\n")
    (kept.root / "a.txt").write_text("mine\n")
    kept.look()
    plan = kept.undo_plan(clash=Clash.MERGE)
    assert [conflict.path for conflict in plan.conflicts] == ["a.txt"]
    kept.go(plan)
    assert (kept.root / "a.txt").read_text() == "mine\n"
    assert (kept.root / "b.txt").read_text() == "b\n"


@pytest.mark.parametrize("is_gone", [False, True])
def test_what_was_overwritten_comes_back(kept: Checkpoints, is_gone: bool) -> None:
    before = read_tree(kept.root)
    call(kept, "one", a_txt=None if is_gone else "1\n")
    (kept.root / "a.txt").write_text("mine\n")
    mine = read_tree(kept.root)
    kept.look()
    plan = kept.undo_plan(clash=Clash.OVERWRITE)
    assert plan.overwritten == ("a.txt",)
    assert kept.go(plan).step == 2
    assert read_tree(kept.root) == before
    kept.go(kept.undo_plan())
    assert read_tree(kept.root) == mine
    kept.go(kept.redo_plan())
    assert read_tree(kept.root) == before


def test_a_session_stays_with_its_store_when_a_repository_is_made(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    (root / "a.txt").write_text("a\n")
    before = read_tree(root)
    kept = Checkpoints(root, "s1", tmp_path / "state")
    try:
        kept.before("git init", "c1")
        git(root, "init", "-q")
        (root / "a.txt").unlink()
        kept.after()
    finally:
        kept.close()
    later = Checkpoints(root, "s1", tmp_path / "state")
    try:
        later.look()
        later.go(later.undo_plan())
    finally:
        later.close()
    assert read_tree(root) == before


def test_states_that_were_dropped_meanwhile(kept: Checkpoints) -> None:
    call(kept, "one", a_txt="1\n")
    kept.before("two", "c2")
    commit = kept.store.ref(kept.timeline.ref)
    assert commit is not None
    kept.store.set_ref(kept.timeline.ref, "", commit)
    (kept.root / "a.txt").write_text("2\n")
    kept.after()
    assert [point.kind for point in kept.timeline.points] == [Kind.START]
    assert call(kept, "three", a_txt="3\n") == 1


def test_an_undo_that_cannot_be_finished_can_be_given_up(
    kept: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_named: object) -> None:
        raise QcodeError("permission denied")

    call(kept, "one", a_txt="1\n", b_txt="2\n")
    kept.look()
    with monkeypatch.context() as patched:
        patched.setattr("qcode.checkpoints.keeper.restore", refuse)
        with pytest.raises(QcodeError, match="permission denied"):
            kept.go(kept.undo_plan())
        assert kept.unfinished() == "undo 1"
        with pytest.raises(QcodeError, match="give-up"):
            kept.look()
        kept.give_up()
    assert kept.look() == ""
    kept.go(kept.undo_plan())
    assert (kept.root / "b.txt").read_text() == "b\n"


def test_a_part_can_be_taken_back(kept: Checkpoints) -> None:
    text = (kept.root / "a.txt").read_text()
    call(kept, "one", a_txt=text.replace("one", "1").replace("seven", "7"), b_txt="x\n")
    kept.look()
    plan = kept.undo_plan()
    point = kept.pick(plan, {"a.txt": [1]})
    assert (kept.root / "a.txt").read_text() == text.replace("one", "1")
    assert (kept.root / "b.txt").read_text() == "x\n"
    assert point.step == 2
    kept.go(kept.undo_plan())
    assert (kept.root / "a.txt").read_text() == text.replace("one", "1").replace("seven", "7")


def test_another_process_goes_on_from_there(kept: Checkpoints, tmp_path: Path) -> None:
    call(kept, "one", a_txt="1\n")
    other = Checkpoints(kept.root, "s1", tmp_path / "state")
    try:
        other.look()
        other.go(other.undo_plan())
    finally:
        other.close()
    assert call(kept, "two", b_txt="2\n") == 2
    assert [point.kind.value for point in kept.timeline.points] == ["start", "call", "move", "call"]


def test_nothing_is_undone_while_a_command_runs(kept: Checkpoints, tmp_path: Path) -> None:
    call(kept, "one", a_txt="1\n")
    kept.before("sleep", "c2")
    other = Checkpoints(kept.root, "s1", tmp_path / "state")
    try:
        with pytest.raises(UsageError, match="running"):
            other.look()
    finally:
        other.close()
    kept.after()


def test_a_call_that_could_not_be_kept_is_its_step_when_there_is_room(
    kept: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: object) -> int:
        raise OSError(28, "No space left on device")

    kept.before("make everything", "c1")
    (kept.root / "made.txt").write_text("made")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(QcodeError, match="No space left"):
            kept.after()
        with pytest.raises(QcodeError, match="No space left"):
            kept.before("another", "c2")
    assert call(kept, "two", b_txt="2\n") == 2
    titles = [(point.kind, point.title, point.call_id) for point in kept.timeline.points[1:]]
    assert titles == [
        (Kind.CALL, "make everything", "c1"),
        (Kind.CALL, "two", "id-two"),
    ]


def test_a_killed_call_is_a_step_of_the_next_process(kept: Checkpoints, tmp_path: Path) -> None:
    call(kept, "one", a_txt="1\n")
    kept.before("make everything", "c2")
    (kept.root / "half.txt").write_text("half")
    kept._lock.free()  # what the system does with a dead process's locks
    other = Checkpoints(kept.root, "s1", tmp_path / "state")
    try:
        other.look()
        last = other.timeline.last
        assert (last.kind, last.step, last.title) == (Kind.CALL, 2, "make everything (interrupted)")
        other.go(other.undo_plan())
        assert not (kept.root / "half.txt").exists()
    finally:
        other.close()


def test_a_killed_undo_is_finished_by_the_next_process(kept: Checkpoints, tmp_path: Path) -> None:
    before = read_tree(kept.root)
    call(kept, "one", a_txt="1\n", b_txt=None, c_txt="c\n")
    kept.look()
    plan = kept.undo_plan()
    changes = {
        path: [[e.mode, e.oid] if e else None for e in change]
        for path, change in plan.changes.items()
    }
    # As if killed after the first file.
    note = {"title": "undo 1", "target": plan.target, "changes": changes}
    (tmp_path / "state" / "s1.pending").write_text(json.dumps(note))
    (kept.root / "a.txt").write_bytes(before["a.txt"][1])
    other = Checkpoints(kept.root, "s1", tmp_path / "state")
    try:
        other.look()
        assert read_tree(kept.root) == before
        assert other.timeline.position == 0
        assert not (tmp_path / "state" / "s1.pending").exists()
        other.go(other.redo_plan())
        assert (kept.root / "c.txt").read_text() == "c\n"
    finally:
        other.close()


def test_a_killed_undo_leaves_no_directory_open_or_behind(
    kept: Checkpoints, tmp_path: Path
) -> None:
    (kept.root / "locked").mkdir()
    (kept.root / "locked/x").write_text("x")
    (kept.root / "locked").chmod(0o555)
    (kept.root / "inner").mkdir()
    (kept.root / "inner").chmod(0o700)
    before = read_tree(kept.root)
    kept.before("shell", "c1")
    (kept.root / "locked").chmod(0o755)
    (kept.root / "locked/x").write_text("y")
    (kept.root / "locked").chmod(0o555)
    (kept.root / "inner").rmdir()
    (kept.root / "new/deep").mkdir(parents=True)
    (kept.root / "new/deep/f").write_text("f")
    kept.after()
    plan = kept.undo_plan()
    # As if killed after the only file of a directory went, with another one open, a third
    # one on its way, and a file half written.
    note = {
        "title": "undo 1",
        "target": plan.target,
        "seen": kept.timeline.last.index,
        "protected": {"locked": 0o555},
        "changes": {
            path: [[e.mode, e.oid] if e else None for e in change]
            for path, change in plan.changes.items()
        },
    }
    (tmp_path / "state" / "s1.pending").write_text(json.dumps(note))
    (kept.root / "new/deep/f").unlink()
    (kept.root / "locked").chmod(0o755)
    (kept.root / "inner").mkdir()
    (kept.root / "locked/.qcode-tmp-0123456789ab").write_text("ha")
    other = Checkpoints(kept.root, "s1", tmp_path / "state")
    try:
        other.look()
        assert read_tree(kept.root) == before
        assert stat.S_IMODE((kept.root / "locked").stat().st_mode) == 0o555
        assert not (kept.root / "new").exists()
        assert other.timeline.position == 0
    finally:
        other.close()
        (kept.root / "locked").chmod(0o755)


def test_a_directory_that_could_not_be_closed_again_is_closed_later(
    kept: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = kept.root / "locked"
    locked.mkdir()
    (locked / "x").write_text("x")
    locked.chmod(0o555)
    kept.before("shell", "c1")
    locked.chmod(0o755)
    (locked / "x").write_text("y")
    locked.chmod(0o555)
    kept.after()
    plan = kept.undo_plan()
    chmod = os.chmod

    def refused(path: str, mode: int) -> None:
        if mode == 0o555:
            raise PermissionError(13, "no", path)
        chmod(path, mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "chmod", refused)
        with pytest.raises(QcodeError, match="permissions"):
            kept.go(plan)
    kept.look()
    assert stat.S_IMODE(locked.stat().st_mode) == 0o555
    assert (locked / "x").read_text() == "x"
    assert kept.timeline.position == 0
    locked.chmod(0o755)


def test_what_was_put_in_the_way_of_a_killed_undo_stays(kept: Checkpoints, tmp_path: Path) -> None:
    call(kept, "one", a_txt=None, c_txt="c\n")
    plan = kept.undo_plan()
    changes = {
        path: [[e.mode, e.oid] if e else None for e in change]
        for path, change in plan.changes.items()
    }
    note = {"title": "undo 1", "target": plan.target, "seen": 1, "changes": changes}
    (tmp_path / "state" / "s1.pending").write_text(json.dumps(note))
    (kept.root / "a.txt").mkdir()
    (kept.root / "a.txt/mine").write_text("mine")
    other = Checkpoints(kept.root, "s1", tmp_path / "state")
    try:
        other.look()
        assert (kept.root / "a.txt/mine").read_text() == "mine"
        assert not (kept.root / "c.txt").exists()
        assert not (tmp_path / "state" / "s1.pending").exists()
    finally:
        other.close()


def test_an_undo_that_was_killed_when_it_was_kept_is_not_done_again(
    kept: Checkpoints, tmp_path: Path
) -> None:
    call(kept, "one", a_txt="1\n")
    plan = kept.undo_plan()
    changes = {
        path: [[e.mode, e.oid] if e else None for e in change]
        for path, change in plan.changes.items()
    }
    note = {"title": "undo 1", "target": plan.target, "seen": 1, "changes": changes}
    kept.look()
    kept.go(plan)
    (tmp_path / "state" / "s1.pending").write_text(json.dumps(note))
    (kept.root / "a.txt").write_text("1\n")
    kept.look()
    assert (kept.root / "a.txt").read_text() == "1\n"
    assert kept.timeline.last.kind is Kind.OUTSIDE


def test_files_changed_while_the_preview_was_read(kept: Checkpoints) -> None:
    call(kept, "one", a_txt="1\n")
    kept.look()
    plan = kept.undo_plan()
    (kept.root / "a.txt").write_text("mine\n")
    with pytest.raises(UsageError, match="since the preview"):
        kept.go(plan)
    assert (kept.root / "a.txt").read_text() == "mine\n"


@pytest.mark.parametrize("root", ["repository"], indirect=True)
def test_index_head_and_branches_stay_as_they_are(root: Path, tmp_path: Path) -> None:
    (root / "b.txt").write_text("staged\n")
    git(root, "add", "b.txt")
    (root / "b.txt").write_text("and dirty\n")

    def facts() -> tuple[bytes, str, str]:
        refs = git(root, "for-each-ref", "--format=%(refname) %(objectname)")
        others = "\n".join(r for r in refs.splitlines() if not r.startswith("refs/qcode/"))
        return (root / ".git/index").read_bytes(), others, git(root, "status", "--porcelain")

    before = facts()
    kept = Checkpoints(root, "s1", tmp_path / "state")
    try:
        call(kept, "one", a_txt="1\n", b_txt="x\n")
        kept.look()
        kept.go(kept.undo_plan())
    finally:
        kept.close()
    assert facts() == before
    assert git(root, "fsck", "--strict").strip() == ""


_NAMES = ["a.txt", "b.txt", "d/e.txt", "d/f/g.txt", "h"]
_WORK = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(_NAMES), st.binary(max_size=12)),
        st.tuples(st.just("remove"), st.sampled_from(_NAMES), st.just(b"")),
        st.tuples(
            st.just("chmod"), st.sampled_from(_NAMES), st.sampled_from([b"\1", b"\2", b"\3"])
        ),
        st.tuples(
            st.just("link"), st.sampled_from(_NAMES), st.sampled_from([b"a.txt", b"nowhere"])
        ),
        st.tuples(st.just("mkdir"), st.sampled_from(["d", "h", "i/j"]), st.just(b"")),
        st.tuples(st.just("rmtree"), st.sampled_from(["d", "h", "i"]), st.just(b"")),
    ),
    min_size=1,
    max_size=4,
)


def _work(root: Path, work: list[tuple[str, str, bytes]]) -> None:
    import shutil

    for what, name, data in work:
        path = root / name
        try:
            if what == "write":
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.is_symlink():
                    path.unlink()
                path.write_bytes(data)
            elif what == "remove":
                path.unlink()
            elif what == "chmod" and not path.is_symlink():
                path.chmod({b"\1": 0o600, b"\2": 0o755, b"\3": 0o640}[data])
            elif what == "link":
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)
                path.symlink_to(data.decode())
            elif what == "mkdir":
                path.mkdir(parents=True, exist_ok=True)
            elif what == "rmtree" and not path.is_symlink():
                shutil.rmtree(path)
        except OSError:
            pass


@settings(
    max_examples=many(40, 15),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_any_way_back_and_forth_ends_in_a_recorded_tree(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("any")
    root = folder / "work"
    root.mkdir()
    (root / "a.txt").write_text("a\n")
    if data.draw(st.booleans(), "in a repository"):
        git(root, "init", "-q")
    kept = Checkpoints(root, "s", folder / "state")
    trees = {0: read_tree(root)}
    try:
        for _ in range(data.draw(st.integers(1, 6), "calls")):
            kept.before("work", "c")
            _work(root, data.draw(_WORK))
            if (point := kept.after()) is not None:
                trees[point.index] = read_tree(root)
            for _ in range(data.draw(st.integers(0, 2), "moves")):
                kept.look()
                steps = [point.step for point in kept.timeline.points if point.is_change]
                step = data.draw(st.sampled_from([None, *steps]), "step")
                make = data.draw(st.sampled_from([kept.undo_plan, kept.redo_plan]), "way")
                try:
                    plan = make(step)
                except UsageError:
                    continue
                assert not plan.conflicts
                kept.go(plan)
                assert read_tree(root) == trees[kept.timeline.position]
    finally:
        kept.close()


def test_ignored_files_that_become_visible_are_not_removed(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    git(root, "init", "-q")
    (root / ".gitignore").write_text("*.secret\n")
    (root / "mine.secret").write_text("mine\n")
    kept = Checkpoints(root, "s1", tmp_path / "state")
    try:
        kept.before("edit .gitignore", "c1", [root / ".gitignore"])
        (root / ".gitignore").write_text("")
        (root / "made.txt").write_text("made\n")
        kept.after()
        kept.look()
        kept.go(kept.undo_plan())
    finally:
        kept.close()
    assert (root / "mine.secret").read_text() == "mine\n"
    assert (root / ".gitignore").read_text() == "*.secret\n"
    assert not (root / "made.txt").exists()


def test_a_named_file_that_git_ignores_comes_back_in_a_later_process(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    git(root, "init", "-q")
    (root / ".gitignore").write_text("build/\n")
    (root / "build").mkdir()
    (root / "build/x").write_text("old\n")
    kept = Checkpoints(root, "s1", tmp_path / "state")
    try:
        kept.before("other", "c0")
        (root / "a.txt").write_text("a\n")
        kept.after()
        kept.before("edit build/x", "c1", [root / "build/x"])
        (root / "build/x").write_text("new\n")
        kept.after()
    finally:
        kept.close()
    later = Checkpoints(root, "s1", tmp_path / "state")
    try:
        later.look()
        titles = [point.title for point in later.timeline.points]
        assert titles == ["start", "other", "kept from here on: build/x", "edit build/x"]
        later.go(later.undo_plan())
    finally:
        later.close()
    assert (root / "build/x").read_text() == "old\n"
