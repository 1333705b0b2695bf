from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from qcode.sandbox.git_config import hostile_keys, read_config
from qcode.sandbox.git_index import tracked
from qcode.sandbox.repositories import ENTRIES, Survey, git_dirs


def git(cwd: Path, *args: str) -> str:
    return subprocess.run(
        ["git", *args], cwd=cwd, capture_output=True, text=True, check=True
    ).stdout


def names(survey: Survey, root: Path) -> tuple[list[str], list[str]]:
    found = survey.look()
    return (
        [os.path.relpath(path, root) for path in found.repositories],
        [os.path.relpath(path, root) for path in found.named],
    )


def test_repositories_and_names_are_found_and_what_is_installed_is_not(tmp_path: Path) -> None:
    for folder in (".git", "a/b/.git", "node_modules/x/.git", "c"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "d").mkdir()
    (tmp_path / "d/.git").write_text("gitdir: /x")
    git(tmp_path, "init", "-q", "--bare", "bare")
    for file in (".env", "c/.env", "node_modules/.env", "a/b/x"):
        (tmp_path / file).write_text("")
    (tmp_path / "loop").symlink_to(tmp_path)

    found = names(Survey(tmp_path, lambda name: name == ".env"), tmp_path)

    assert found == ([".", "bare", "d", "a/b"], [".env", "c/.env"])


def test_what_comes_and_goes_is_seen(tmp_path: Path) -> None:
    survey = Survey(tmp_path, lambda name: name == ".env")
    (tmp_path / "a").mkdir()
    assert names(survey, tmp_path) == ([], [])

    (tmp_path / "a/.env").write_text("")
    os.utime(tmp_path / "a", ns=(0, 0))
    assert names(survey, tmp_path) == ([], ["a/.env"])

    (tmp_path / "a/.env").unlink()
    (tmp_path / "a/.git").mkdir()
    assert names(survey, tmp_path) == (["a"], [])


def test_a_huge_tree_is_given_up_from_outside_in(tmp_path: Path) -> None:
    for number in range(60):
        folder = tmp_path / f"f{number:03}"
        folder.mkdir()
        for inner in range(100):
            (folder / str(inner)).touch()
    (tmp_path / ".env").touch()

    found = Survey(tmp_path, lambda name: name == ".env").look()

    assert found.named == (str(tmp_path / ".env"),)
    assert found.entries < ENTRIES + 200


def test_looking_again_reads_no_directory_that_is_the_same(tmp_path: Path) -> None:
    asked: list[str] = []

    def wanted(name: str) -> bool:
        asked.append(name)
        return False

    (tmp_path / "a").mkdir()
    (tmp_path / "a/x").touch()
    survey = Survey(tmp_path, wanted)
    survey.look()
    until = time.monotonic() + 30
    while True:  # what was just changed is read again for a moment
        asked.clear()
        survey.look()
        if not asked:
            break
        assert time.monotonic() < until


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_what_is_tracked_is_read_from_the_index(tmp_path: Path, version: int, form: str) -> None:
    git(tmp_path, "init", "-q", f"--object-format={form}")
    for name in (".env", ".env.test", "a/.env", "a/.envelope", "z" * 200 + "/.env", "é/.env"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    git(tmp_path, "update-index", "--index-version", str(version))
    git(tmp_path, "add", ".env", "a", "z" * 200, "é")
    if version == 3:
        git(tmp_path, "add", "-N", ".env.test")

    found = tracked(str(tmp_path / ".git"), lambda name: name.startswith(".env"), b".env")

    listed = git(tmp_path, "ls-files", "-z").split("\0")[:-1]
    assert found == set(listed)


@pytest.mark.parametrize("data", [b"", b"DIRC", b"DIRC\0\0\0\2\xff\xff\xff\xff.env", b"\0" * 99])
def test_nothing_is_tracked_in_an_index_that_is_broken(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "index").write_bytes(data)

    assert tracked(str(tmp_path), lambda _: True, b".env") == set()


def test_a_git_file_is_believed_only_if_what_it_names_says_the_same(tmp_path: Path) -> None:
    work = tmp_path / "w"
    work.mkdir()
    git(work, "init", "-q")
    git(work, "commit", "-q", "--allow-empty", "-m", "x")
    git(work, "worktree", "add", "-q", "../tree")
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil/.git").write_text((tmp_path / "tree/.git").read_text())
    (tmp_path / "link").mkdir()
    (tmp_path / "link/.git").symlink_to(work / ".git")
    (tmp_path / "no").mkdir()
    (tmp_path / "no/.git").write_text("gitdir: /nowhere")

    dirs = {name: git_dirs(str(tmp_path / name)) for name in ("w", "tree", "evil", "link", "no")}

    assert {name: (d.is_linked, d.is_sure) if d else None for name, d in dirs.items()} == {
        "w": (False, True),
        "tree": (True, True),
        "evil": (True, False),
        "link": (True, False),
        "no": None,
    }
    assert dirs["tree"]
    assert dirs["tree"].common_dir == str((work / ".git").resolve())


def test_settings_are_read_as_git_reads_them(tmp_path: Path) -> None:
    text = (
        '[core]\n\tbare = false ; no\n[remote "a.B\\"c"] url = "x # y" # z\n'
        '\tfetch = +a:b\\\n c\n[Branch "m"]\n\tMerge\n[a] b = "q\\\\t\\t"\n'
    )
    (tmp_path / "config").write_text(text)
    listed = git(tmp_path, "config", "-z", "-f", "config", "--list").split("\0")[:-1]

    assert [(key, value) for key, _, value in (item.partition("\n") for item in listed)] == [
        (key, "" if key == "branch.m.merge" else value) for key, value in read_config(text)
    ]


@pytest.mark.parametrize(
    "text, keys",
    [
        ("[core]\nbare = true\nfilemode = true\n", []),
        ('[remote "o"]\nurl = https://h/x\nfetch = +refs/heads/*:refs/remotes/o/*\n', []),
        ('[remote "o"]\nurl = git@host:x/y.git\n', []),
        ('[remote "o"]\nurl = "ext::sh -c x"\n', ["remote.o.url"]),
        ('[remote "o"]\nurl = --upload-pack=x\n', ["remote.o.url"]),
        ('[branch "m"]\nremote = ext::x\n', ["branch.m.remote"]),
        ("[core]\nfsMonitor = x\n", ["core.fsmonitor"]),
        ("[CORE]\nhooksPath = x\n", ["core.hookspath"]),
        ("[core] pager = x", ["core.pager"]),
        ("[core \"x\"] [core] editor = x", ["core.editor"]),
        ('[include]\npath = x\n', ["include.path"]),
        ('[filter "x"]\nclean = y\n', ["filter.x.clean"]),
        ("[alias] st = !x", ["alias.st"]),
        ('[submodule "a"]\nupdate = !x\n', ["submodule.a.update"]),
        ("[core\nx", ["unreadable"]),
        ("x = y", ["unreadable"]),
    ],
)  # fmt: skip
def test_settings_that_run_programs_are_told(text: str, keys: list[str]) -> None:
    assert hostile_keys(text) == keys
    assert hostile_keys(text, text) == []
