"""Commits of a session that staged, moved or copied files itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from landing_repo import LINES, call, git, shell, shown

from qcode.checkpoints.keeper import Checkpoints
from qcode.landing.commit import commit


def committed(root: Path) -> list[str]:
    return git(root, "show", "--name-status", "--no-renames", "--format=", "HEAD").split("\n")[:-1]


def test_what_the_model_staged_and_edited_after_is_committed(root: Path, kept: Checkpoints) -> None:
    call(kept, a_txt="1\n", new_txt="x = 1\n")
    shell(kept, "git add -A")
    call(kept, a_txt="2\n", new_txt="x = 2\n")
    landed = commit(kept, "Change")
    assert (landed.paths, landed.left) == (("a.txt", "new.txt"), {})
    assert (shown(root, "a.txt"), shown(root, "new.txt")) == ("2\n", "x = 2\n")
    assert git(root, "status", "--porcelain") == ""


def test_what_the_model_removed_from_the_index_is_committed(root: Path, kept: Checkpoints) -> None:
    shell(kept, "git rm -q --cached b.txt; rm b.txt; git mv a.txt c.txt; echo more >> c.txt")
    landed = commit(kept, "Change")
    assert landed.left == {}
    assert committed(root) == ["D\ta.txt", "D\tb.txt", "A\tc.txt"]
    assert git(root, "status", "--porcelain") == ""


def test_a_file_that_is_only_announced_to_the_index_is_committed(
    root: Path, kept: Checkpoints
) -> None:
    shell(kept, "echo n > new.txt; git add -N new.txt")
    assert commit(kept, "Add").paths == ("new.txt",)
    assert git(root, "status", "--porcelain") == ""


def test_what_the_person_staged_stays_staged_though_the_model_staged_more(
    root: Path, kept: Checkpoints
) -> None:
    (root / "a.txt").write_text(LINES.replace("line 18", "mine 18"))
    git(root, "add", "a.txt")
    shell(kept, "sed -i 's/line 3/LINE 3/' a.txt; git add a.txt")
    shell(kept, "sed -i 's/line 9/LINE 9/' a.txt")
    commit(kept, "Change")
    assert shown(root, "a.txt") == LINES.replace("line 3", "LINE 3").replace("line 9", "LINE 9")
    staged = git(root, "diff", "--cached", "-U0").splitlines()
    assert [row for row in staged if row[:1] in "+-" and row[:3] not in ("+++", "---")] == [
        "-line 18",
        "+mine 18",
    ]
    assert git(root, "diff") == ""


def test_a_persons_staging_in_between_is_left(root: Path, kept: Checkpoints) -> None:
    call(kept, new_txt="model\n")
    (root / "new.txt").write_text("person\n")
    git(root, "add", "new.txt")
    (root / "new.txt").write_text("model\n")
    landed = commit(kept, "Add")
    assert landed.left == {"new.txt": "other changes of it are staged"}
    assert git(root, "show", ":new.txt") == "person\n"


@pytest.mark.parametrize("command", ["mv a.txt c.txt", "mv a.txt c.txt; echo more >> c.txt"])
def test_a_moved_file_with_uncommitted_work_is_left(
    root: Path, kept: Checkpoints, command: str
) -> None:
    (root / "a.txt").write_text(LINES + "uncommitted\n")
    shell(kept, f"{command}; rm b.txt")
    landed = commit(kept, "Move")
    assert landed.paths == ("b.txt",)
    assert landed.left["c.txt"] == "it holds uncommitted work of a.txt"
    assert "a.txt" in landed.left
    assert committed(root) == ["D\tb.txt"]


@pytest.mark.parametrize("verb", ["cp", "mv"])
def test_an_untracked_file_does_not_land_under_another_name(
    root: Path, kept: Checkpoints, verb: str
) -> None:
    (root / "draft").mkdir()
    (root / "draft/x.txt").write_text("draft\n")
    shell(kept, f"{verb} draft/x.txt y.txt")
    shell(kept, "echo edited >> y.txt; echo own > own.txt")
    shell(kept, "cp y.txt z.txt")
    landed = commit(kept, "Add")
    assert landed.paths == ("own.txt",)
    assert landed.left["y.txt"] == "it holds uncommitted work of draft/x.txt"
    assert landed.left["z.txt"] == "it holds uncommitted work of y.txt"


def test_copies_of_committed_and_of_own_files_are_committed(root: Path, kept: Checkpoints) -> None:
    (root / "same.txt").write_text(LINES)  # untracked, and the same as a committed one
    call(kept, new_txt="new\n")
    shell(kept, "cp a.txt copy.txt; mv b.txt moved.txt; mv new.txt newer.txt; : > empty.txt")
    landed = commit(kept, "Copy")
    assert landed.left == {}
    assert committed(root) == [
        "D\tb.txt",
        "A\tcopy.txt",
        "A\tempty.txt",
        "A\tmoved.txt",
        "A\tnewer.txt",
    ]


def test_what_the_model_moved_and_committed_itself_is_no_uncommitted_work(
    root: Path, kept: Checkpoints
) -> None:
    shell(kept, "git mv a.txt c.txt; git commit -qm moved")
    shell(kept, "echo more >> c.txt")
    assert commit(kept, "Change").paths == ("c.txt",)
    shell(kept, "mv c.txt d.txt")
    assert commit(kept, "Move").paths == ("c.txt", "d.txt")
    shell(kept, "echo even more >> d.txt")
    assert commit(kept, "Change").paths == ("d.txt",)
    assert shown(root, "d.txt") == LINES + "more\neven more\n"


def test_no_half_of_a_rename_is_committed(root: Path, kept: Checkpoints) -> None:
    (root / "inner").mkdir()
    git(root / "inner", "init", "-q")
    shell(kept, "mv a.txt inner/a.txt; rm b.txt")
    shell(kept, "echo more >> inner/a.txt")
    landed = commit(kept, "Move")
    assert landed.paths == ("b.txt",)
    assert landed.left["a.txt"] == "its content is in inner/a.txt, which is left out"


def test_a_file_that_becomes_a_directory(root: Path, kept: Checkpoints) -> None:
    shell(kept, "rm b.txt; mkdir b.txt; echo y > b.txt/x; rm a.txt; ln -s b.txt/x a.txt")
    assert commit(kept, "Change").left == {}
    assert git(root, "status", "--porcelain") == ""


@pytest.mark.parametrize("command", ["rm b.txt; mkdir b.txt; echo x > b.txt/x", "rm -r d; touch d"])
def test_what_is_left_out_is_not_replaced(root: Path, kept: Checkpoints, command: str) -> None:
    (root / "d").mkdir()
    (root / "d/x").write_text("x\n")
    git(root, "add", "d")
    git(root, "commit", "-qm", "d")
    (root / "d/x").write_text("uncommitted\n")
    (root / "b.txt").write_text("uncommitted\n")
    shell(kept, command)
    landed = commit(kept, "Change")
    assert landed.commit == ""
    assert "what was in its place is left out" in landed.left.values()


def test_a_submodule_at_another_commit_is_named(
    root: Path, kept: Checkpoints, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    user = "-c user.name=A -c user.email=a@b.c"
    git(other, "init", "-q")
    git(other, *user.split(), "commit", "-q", "--allow-empty", "-m", "first")
    git(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "sub")
    git(root, "commit", "-qm", "sub")
    shell(kept, f"cd sub; echo 2 > s; git add s; git {user} commit -qm i; cd ..; git add sub")
    call(kept, a_txt="a\n")
    landed = commit(kept, "Change")
    assert landed.paths == ("a.txt",)
    assert "another commit" in landed.left["sub"]
    assert "sub" in landed.left["sub/s"]


@pytest.mark.parametrize("after", ["", "echo more >> b.txt"])
def test_work_that_the_model_stashed_and_brought_back_is_the_persons(
    root: Path, kept: Checkpoints, after: str
) -> None:
    (root / "b.txt").write_text("b\nperson\n")
    call(kept, a_txt="a\n")
    shell(kept, "git stash -q; git checkout -qb feature")
    shell(kept, "git stash pop -q")
    shell(kept, f"cp b.txt c.txt; {after}")
    landed = commit(kept, "Change")
    assert landed.paths == ("a.txt",)
    assert landed.left["c.txt"] == "it holds uncommitted work of b.txt"
    assert shown(root, "b.txt") == "b\n"


def test_edits_where_the_model_stashed_the_persons_work(root: Path, kept: Checkpoints) -> None:
    (root / "a.txt").write_text(LINES.replace("line 18", "mine 18"))
    shell(kept, "git stash -q")
    shell(kept, "sed -i 's/line 3/LINE 3/' a.txt")
    shell(kept, "git commit -qam model")
    shell(kept, "git stash pop -q; sed -i 's/line 9/LINE 9/' a.txt")
    commit(kept, "Change")
    assert shown(root, "a.txt") == LINES.replace("line 3", "LINE 3").replace("line 9", "LINE 9")
    assert "+mine 18" in git(root, "diff")
