from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from program import git, repository

from qcode.errors import UsageError
from qcode.worktrees.lacking import variables
from qcode.worktrees.making import Worktree, make
from qcode.worktrees.owned import sweep


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A repository with changes of every kind that are not committed."""
    folder = tmp_path / "shop"
    folder.mkdir()
    repository(folder, {
        "kept.txt": "kept\n", "changed.txt": "old\n", "staged.txt": "old\n", "gone.txt": "gone\n",
        "sub/deep/a.txt": "a\n", "run.sh": "#!/bin/sh\n", ".gitignore": "node_modules/\n*.log\n",
    })  # fmt: skip
    (folder / "changed.txt").write_text("new, not added\r\n")
    (folder / "staged.txt").write_text("added\n")
    git(folder, "add", "staged.txt")
    (folder / "gone.txt").unlink()
    (folder / "fresh.bin").write_bytes(bytes(range(256)))
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("kept.txt")
    (folder / "noise.log").write_text("ignored")
    modules = folder / "node_modules" / "left-pad"
    modules.mkdir(parents=True)
    (modules / "index.js").write_text("lent")
    return folder


def seen(folder: Path) -> dict[str, object]:
    """What a person would miss if it were otherwise."""
    files = {
        str(path.relative_to(folder)): (
            os.readlink(path) if path.is_symlink() else path.read_bytes(),
            stat.S_IMODE(path.lstat().st_mode),
        )
        for path in sorted(folder.rglob("*"))
        if ".git" not in path.parts and (path.is_symlink() or path.is_file())
    }
    return {
        "files": files,
        "status": git(folder, "status", "--porcelain", "-uall"),
        "head": (folder / ".git" / "HEAD").read_text(),
        "index": git(folder, "ls-files", "--stage"),
        "branches": git(folder, "for-each-ref", "refs/heads", "refs/tags", "refs/stash"),
        "config": (folder / ".git" / "config").read_text(),
        "exclude": (folder / ".git" / "info" / "exclude").read_text(),
    }


def made(top: Path, tmp_path: Path, name: str = "one") -> Worktree:
    return make(top, tmp_path / "copies", name)


def test_the_copy_is_as_the_tree_is_now_and_the_tree_is_left_alone(
    top: Path, tmp_path: Path
) -> None:
    before = seen(top)
    copy = made(top, tmp_path)

    assert seen(top) == before
    its = git(copy.root, "status", "--porcelain", "-uall")
    assert its == before["status"]
    assert git(copy.root, "diff", "HEAD") == git(top, "diff", "HEAD")
    assert copy.root.name == "shop"
    assert copy.workspace == copy.root
    for name in ("changed.txt", "fresh.bin", "staged.txt", "run.sh", "sub/deep/a.txt"):
        assert (copy.root / name).read_bytes() == (top / name).read_bytes()
        assert (copy.root / name).stat().st_mode == (top / name).stat().st_mode
    assert os.readlink(copy.root / "link") == "kept.txt"
    assert not (copy.root / "gone.txt").exists()
    assert not (copy.root / "noise.log").exists()


def test_what_is_written_in_the_copy_stays_there(top: Path, tmp_path: Path) -> None:
    before = seen(top)
    copy = made(top, tmp_path)
    (copy.root / "kept.txt").write_text("mine\n")
    git(copy.root, "add", "-A")
    git(copy.root, "commit", "-qm", "in the copy")
    copy.owned.remove()

    assert seen(top) == before
    assert len(git(top, "worktree", "list").splitlines()) == 1
    assert not copy.root.exists()
    assert list((top / ".git" / "worktrees").glob("*")) == []


def test_dependencies_are_lent_and_git_ignores_them(top: Path, tmp_path: Path) -> None:
    copy = made(top, tmp_path)
    lent = copy.root / "node_modules"

    assert (lent / "left-pad" / "index.js").read_text() == "lent"
    assert not lent.is_symlink()
    (lent / ".cache").write_text("a tool's own")
    assert not (top / "node_modules" / ".cache").exists()
    assert "node_modules" not in git(copy.root, "status", "--porcelain", "-uall")
    copy.owned.remove()
    assert (top / "node_modules" / "left-pad" / "index.js").read_text() == "lent"


def test_a_directory_in_it_has_its_counterpart(top: Path, tmp_path: Path) -> None:
    copy = made(top / "sub" / "deep", tmp_path)

    assert copy.workspace == copy.root / "sub" / "deep"
    assert (copy.workspace / "a.txt").read_text() == "a\n"


def test_there_can_be_several_and_one_of_a_worktree(top: Path, tmp_path: Path) -> None:
    first, second = made(top, tmp_path, "one"), made(top, tmp_path, "two")
    (first.root / "kept.txt").write_text("first\n")
    third = made(first.root, tmp_path, "three")

    assert (second.root / "kept.txt").read_text() == "kept\n"
    assert (third.root / "kept.txt").read_text() == "first\n"
    first.owned.remove()
    assert git(second.root, "status", "--porcelain") == git(top, "status", "--porcelain")


def test_a_sparse_checkout_stays_sparse(tmp_path: Path) -> None:
    folder = tmp_path / "wide"
    folder.mkdir()
    repository(folder, {"a/x.txt": "x\n", "b/y.txt": "y\n"})
    git(folder, "sparse-checkout", "set", "a")
    copy = made(folder, tmp_path)

    assert (copy.root / "a" / "x.txt").exists()
    assert not (copy.root / "b").exists()
    assert git(copy.root, "status", "--porcelain") == ""


def test_a_detached_head_and_a_shallow_clone_will_do(top: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{top}", str(clone))
    git(clone, "checkout", "-q", "--detach")
    copy = made(clone, tmp_path)

    assert (copy.root / "kept.txt").read_text() == "kept\n"


def test_without_a_repository_or_a_commit_it_says_so(tmp_path: Path) -> None:
    plain, unborn = tmp_path / "plain", tmp_path / "unborn"
    plain.mkdir()
    unborn.mkdir()
    git(unborn, "init", "-q")

    with pytest.raises(UsageError, match="no git repository"):
        made(plain, tmp_path)
    with pytest.raises(UsageError, match="nothing is committed"):
        made(unborn, tmp_path)
    assert not (tmp_path / "copies").exists() or not os.listdir(tmp_path / "copies")


def test_what_a_killed_run_left_is_swept_and_what_is_in_use_is_not(
    top: Path, tmp_path: Path
) -> None:
    before = seen(top)
    text = (
        "import os, sys\nfrom pathlib import Path\nfrom qcode.worktrees.making import make\n"
        "make(Path(sys.argv[1]), Path(sys.argv[2]), 'killed')\nos.kill(os.getpid(), 9)\n"
    )
    command = (sys.executable, "-c", text, str(top), str(tmp_path / "copies"))
    subprocess.run(command, check=False)
    used = made(top, tmp_path, "used")
    assert len(git(top, "worktree", "list").splitlines()) == 3

    sweep(tmp_path / "copies")

    assert os.listdir(tmp_path / "copies") == ["used"]
    assert len(git(top, "worktree", "list").splitlines()) == 2
    assert used.root.exists()
    used.owned.remove()
    assert seen(top) == before


def test_an_editable_install_leads_to_the_copy(tmp_path: Path) -> None:
    top, root = tmp_path / "top", tmp_path / "root"
    packages = top / ".venv" / "lib" / "python3.12" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "a.pth").write_text(f"{top}/src\n/elsewhere\nimport sys\n")
    (packages / "__editable___b_finder.py").write_text(f"MAPPING = {{'b': '{top}/lib/b'}}\n")
    given = {"PYTHONPATH": f"/x:{top}/more"}

    out = variables(top, root, top, given)

    assert sorted(out["PYTHONPATH"].split(":")) == sorted(
        [f"{root}/src", f"{root}/lib", "/x", f"{root}/more"]
    )
    assert variables(tmp_path / "none", root, tmp_path / "none", {}) == {}


def test_worktrees_of_the_persons_are_not_forgotten(top: Path, tmp_path: Path) -> None:
    git(top, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side").rename(tmp_path / "unplugged")
    copy = made(top, tmp_path)
    entry = next(path for path in (top / ".git" / "worktrees").iterdir() if path.name != "side")
    (entry / "locked").write_text("initializing")  # as a killed `git worktree add` leaves it
    copy.owned.remove()
    sweep(tmp_path / "copies")

    assert [path.name for path in (top / ".git" / "worktrees").iterdir()] == ["side"]
    (tmp_path / "unplugged").rename(tmp_path / "side")
    assert git(tmp_path / "side", "status", "--porcelain") == ""


def test_ignored_secrets_stay_where_they_are(top: Path, tmp_path: Path) -> None:
    (top / ".gitignore").write_text("node_modules/\n*.log\n.env\n")
    (top / ".env").write_text("TOKEN=secret\n")

    assert not (made(top, tmp_path).root / ".env").exists()
