from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from program import git
from trying import task

from qcode.evals.harness.placing import Placed, PlacingError, changed, diff, hashes, place
from qcode.evals.harness.task import Task


def placed(made: Task, top: Path) -> Placed:
    return asyncio.run(place(made, top, os.environ))


def patch(where: Placed) -> str:
    return asyncio.run(diff(where, os.environ)).decode()


def test_the_first_commit_is_the_same_everywhere_and_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = placed(task(), tmp_path / "one")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    (Path(os.environ["HOME"]) / ".gitconfig").write_text(
        "[core]\n\tautocrlf = true\n[commit]\n\tgpgsign = true\n[init]\n\tdefaultBranch = x\n"
    )

    other = placed(task(), tmp_path / "other")

    assert one.head == other.head != ""
    assert git(other.repo, "log", "--format=%an %ad %s", "--date=iso") == (
        "evals 2026-01-01 00:00:00 +0000 start\n"
    )
    assert git(other.repo, "branch", "--show-current") == "main\n"
    assert git(other.repo, "status", "--porcelain") == ""


def test_files_are_laid_out_byte_for_byte(tmp_path: Path) -> None:
    files = {
        "crlf.txt": {"b64": "YQ0KYg0K"},
        "deep/er/run.sh": {"text": "#!/bin/sh\n", "exec": True},
        "not here.txt": None,
        "März (1).md": "x",
    }

    where = placed(task(files=files), tmp_path / "top")

    assert (where.repo / "crlf.txt").read_bytes() == b"a\r\nb\r\n"
    assert os.access(where.repo / "deep/er/run.sh", os.X_OK)
    assert set(hashes(where.repo)) == {"crlf.txt", "deep/er/run.sh", "März (1).md"}
    assert git(where.repo, "ls-files", "--eol", "crlf.txt").split()[:2] == ["i/crlf", "w/crlf"]


def test_what_lies_about_uncommitted_is_no_change_of_the_agents(tmp_path: Path) -> None:
    code = (
        "import subprocess, pathlib\n"
        "pathlib.Path('a.txt').write_text('half done\\n')\n"
        "pathlib.Path('new.txt').write_text('new\\n')\n"
        "subprocess.run(['git', 'add', 'new.txt'], check=True)\n"
    )
    where = placed(task(post_git=code), tmp_path / "top")
    dirty = git(where.repo, "status", "--porcelain")

    (where.repo / "mine.txt").write_text("mine\n")

    assert dirty == " M a.txt\nA  new.txt\n"
    assert changed(where) == ["mine.txt"]
    assert patch(where).splitlines()[-1] == "+mine"
    assert git(where.repo, "status", "--porcelain") == dirty + "?? mine.txt\n"


def test_a_patch_makes_of_the_start_what_the_agent_left(tmp_path: Path) -> None:
    files = {"a.txt": "a\n", "b.bin": {"b64": "AAEC/w=="}, "gone.txt": "x\n", "c.txt": "c\r\n"}
    where, other = (placed(task(files=files), tmp_path / name) for name in ("one", "other"))
    (where.repo / "a.txt").write_bytes(b"a\r\nb")
    (where.repo / "b.bin").write_bytes(bytes(range(256)))
    (where.repo / "gone.txt").unlink()
    (where.repo / "new").mkdir()
    (where.repo / "new/tool.sh").write_text("#!/bin/sh\n")
    (where.repo / "new/tool.sh").chmod(0o755)
    (where.repo / "link").symlink_to("a.txt")
    (where.repo / ".gitattributes").write_text("* text=auto eol=lf\n")

    made = patch(where)
    subprocess.run(["git", "apply", "-"], cwd=other.repo, input=made.encode(), check=True)

    assert hashes(other.repo) == hashes(where.repo)
    assert changed(where) == [".gitattributes", "a.txt", "b.bin", "gone.txt", "link",
                              "new/tool.sh"]  # fmt: skip


def test_a_commit_of_the_agents_is_in_the_patch(tmp_path: Path) -> None:
    where = placed(task(), tmp_path / "top")
    (where.repo / "a.txt").write_text("b\n")
    git(where.repo, "commit", "-qam", "done")

    assert "-a\n+b\n" in patch(where)


def test_traces_of_tools_are_no_change(tmp_path: Path) -> None:
    where = placed(task(), tmp_path / "top")
    for name in ("__pycache__/x.pyc", ".pytest_cache/v", "p/__pycache__/y.pyc", "p.egg-info/z"):
        (where.repo / name).parent.mkdir(parents=True, exist_ok=True)
        (where.repo / name).write_text("x")

    assert changed(where) == []
    assert patch(where) == ""


def test_a_pipe_in_the_folder_is_waited_for_by_nobody(tmp_path: Path) -> None:
    where = placed(task(), tmp_path / "top")
    os.mkfifo(where.repo / "pipe")

    assert changed(where) == ["pipe"]


def test_setup_runs_before_the_first_commit_and_may_write_beside_the_folder(
    tmp_path: Path,
) -> None:
    code = (
        "import pathlib\npathlib.Path('made.txt').write_text('x')\n"
        "pathlib.Path('../outside').mkdir()\n"
    )
    where = placed(task(setup=code), tmp_path / "top")

    assert git(where.repo, "ls-files") == "a.txt\nmade.txt\n"
    assert (where.top / "outside").is_dir()


def test_a_folder_without_git_has_a_patch_as_well(tmp_path: Path) -> None:
    where = placed(task(git=False), tmp_path / "top")
    (where.repo / "a.txt").write_text("b\n")

    assert where.head == ""
    assert not (where.repo / ".git").exists()
    assert "-a\n+b\n" in patch(where)


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"setup": "raise SystemExit('no such luck')"}, "`setup` of one failed (exit 1): no such"),
        ({"files": {"../x": "y"}}, "outside of its folder"),
        ({"files": {"x": {"hex": "00"}}}, "has `b64` or `text`"),
    ],
)
def test_what_cannot_be_laid_out_is_said_in_one_line(
    fields: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(PlacingError) as caught:
        placed(task(**fields), tmp_path / "top")

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_setup_finds_the_interpreter_of_qcode(tmp_path: Path) -> None:
    code = "import subprocess\nopen('py', 'w').write(subprocess.getoutput('command -v python'))"

    where = placed(task(setup=code), tmp_path / "top")

    assert Path((where.repo / "py").read_text()).parent == Path(sys.executable).parent


def test_a_repository_within_the_folder_takes_nothing_out_of_the_patch(tmp_path: Path) -> None:
    where = placed(task(), tmp_path / "top")
    (where.repo / "a.txt").write_text("b\n")
    for name, commits in (("empty", False), ("deep/with ünü", True)):
        folder = where.repo / name
        folder.mkdir(parents=True)
        (folder / "f.txt").write_text("f\n")
        git(folder, "init", "-q")
        if commits:
            git(folder, "add", ".")
            git(folder, "commit", "-qm", "its own")
        (folder / "new.txt").write_text("new\n")
        (folder / "x.pyc").write_text("noise")
        os.mkfifo(folder / "pipe")

    first = patch(where)
    (where.repo / "empty/f.txt").unlink()
    second = patch(where)

    inner = ("deep/with ünü/f.txt", "deep/with ünü/new.txt", "empty/f.txt", "empty/new.txt")
    names = ["a.txt", *inner]
    assert re.findall(r"^diff --git a/(.*) b/", first, re.MULTILINE) == names
    names.remove("empty/f.txt")
    assert re.findall(r"^diff --git a/(.*) b/", second, re.MULTILINE) == names
    assert "Subproject" not in first
