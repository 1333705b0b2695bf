"""Committing what a session changed, in repositories with other work in them."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from landing_repo import LINES, call, git, shell, shown

from qcode.checkpoints.keeper import Checkpoints
from qcode.errors import QcodeError, UsageError
from qcode.landing.commit import check_can_commit, commit
from qcode.landing.own import own_changes, own_states


def test_only_the_sessions_changes_are_committed(root: Path, kept: Checkpoints) -> None:
    (root / "b.txt").write_text("uncommitted\n")
    (root / "other.txt").write_text("untracked\n")
    call(kept, a_txt=LINES.replace("line 3", "LINE 3"), new__c_txt="c\n")
    landed = commit(kept, "Change a")
    assert landed.paths == ("a.txt", "new/c.txt")
    assert landed.left == {}
    assert git(root, "rev-parse", "HEAD").strip() == landed.commit
    assert shown(root, "a.txt") == LINES.replace("line 3", "LINE 3")
    assert shown(root, "b.txt") == "b\n"
    assert git(root, "status", "--porcelain").splitlines() == [" M b.txt", "?? other.txt"]
    assert git(root, "log", "-1", "--format=%B").strip() == "Change a"


def test_what_is_staged_stays_staged_and_out(root: Path, kept: Checkpoints) -> None:
    (root / "b.txt").write_text("staged\n")
    git(root, "add", "b.txt")
    call(kept, a_txt="a\n")
    commit(kept, "Change a")
    assert git(root, "diff", "--cached", "--name-only").split() == ["b.txt"]
    assert git(root, "show", "--name-only", "--format=", "HEAD").split() == ["a.txt"]


def test_lines_apart_from_uncommitted_ones_are_committed_alone(
    root: Path, kept: Checkpoints
) -> None:
    mine = LINES.replace("line 18", "mine 18")
    (root / "a.txt").write_text(mine)
    call(kept, a_txt=mine.replace("line 3", "LINE 3"))
    landed = commit(kept, "Change a")
    assert landed.paths == ("a.txt",)
    assert shown(root, "a.txt") == LINES.replace("line 3", "LINE 3")
    assert (root / "a.txt").read_text() == mine.replace("line 3", "LINE 3")
    assert "+mine 18" in git(root, "diff")
    assert git(root, "diff", "--cached") == ""


def test_lines_among_uncommitted_ones_are_left_and_named(root: Path, kept: Checkpoints) -> None:
    mine = LINES.replace("line 3", "mine 3")
    (root / "a.txt").write_text(mine)
    call(kept, a_txt=mine.replace("mine 3", "LINE 3"), c_txt="c\n")
    landed = commit(kept, "Change")
    assert landed.paths == ("c.txt",)
    assert landed.left == {"a.txt": "it had uncommitted changes in the same lines"}
    assert shown(root, "a.txt") == LINES


def test_partly_staged_lines_of_the_same_file(root: Path, kept: Checkpoints) -> None:
    (root / "a.txt").write_text(LINES.replace("line 18", "mine 18"))
    git(root, "add", "a.txt")
    call(kept, a_txt=LINES.replace("line 18", "mine 18").replace("line 3", "LINE 3"))
    commit(kept, "Change a")
    assert shown(root, "a.txt") == LINES.replace("line 3", "LINE 3")
    staged = git(root, "diff", "--cached")
    assert "+mine 18" in staged
    assert "LINE 3" not in staged.replace(" LINE 3", "")
    assert git(root, "diff") == ""


def test_a_persons_edit_between_two_calls_is_not_committed(root: Path, kept: Checkpoints) -> None:
    call(kept, a_txt=LINES.replace("line 3", "LINE 3"))
    mixed = (root / "a.txt").read_text().replace("line 18", "mine 18")
    (root / "a.txt").write_text(mixed)
    call(kept, a_txt=mixed.replace("line 10", "LINE 10"))
    landed = commit(kept, "Change a")
    assert landed.left == {}
    assert shown(root, "a.txt") == LINES.replace("line 3", "LINE 3").replace("line 10", "LINE 10")
    assert "+mine 18" in git(root, "diff")


def test_a_persons_edit_of_the_same_lines_is_named(root: Path, kept: Checkpoints) -> None:
    call(kept, a_txt=LINES.replace("line 3", "LINE 3"))
    (root / "a.txt").write_text(LINES.replace("line 3", "mine 3"))
    call(kept, a_txt=LINES.replace("line 3", "LINE THREE"))
    landed = commit(kept, "Change a")
    assert landed.commit == ""
    assert "somebody else" in landed.left["a.txt"]


def test_removed_ignored_and_untracked_files(root: Path, kept: Checkpoints) -> None:
    (root / "draft.txt").write_text("draft\n")
    call(kept, b_txt=None, run_log="log\n", draft_txt="draft 2\n")
    landed = commit(kept, "Remove b")
    assert landed.paths == ("b.txt",)
    assert landed.left["draft.txt"].startswith("it was not committed before")
    assert git(root, "ls-files").split() == [".gitignore", "a.txt"]


def test_hooks_are_obeyed(root: Path, kept: Checkpoints) -> None:
    hook = root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no such luck >&2\nexit 1\n")
    hook.chmod(0o755)
    call(kept, a_txt="a\n")
    with pytest.raises(QcodeError, match="no such luck") as raised:
        commit(kept, "Change a")
    assert "`git commit` by hand or `qcode run --resume s1 --commit`" in raised.value.hint
    assert git(root, "log", "--format=%s").split() == ["first"]
    assert git(root, "diff", "--cached") == ""
    hook.write_text("#!/bin/sh\nprintf 'formatted\\n' > a.txt && git add a.txt\n")
    commit(kept, "Change a")
    assert shown(root, "a.txt") == "formatted\n"
    assert git(root, "status", "--porcelain") == ""


def test_hooks_can_use_patterns(root: Path, kept: Checkpoints) -> None:
    hook = root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\nfound=$(git diff --cached --name-only -- '*.txt')\n"
        'env | grep GIT_LITERAL && exit 1\ntest "$found" = "a.txt"\n'
    )
    hook.chmod(0o755)
    call(kept, a_txt="a\n")
    assert commit(kept, "Change a").paths == ("a.txt",)


def test_names_are_no_patterns(root: Path, kept: Checkpoints) -> None:
    (root / "x*").write_text("star\n")
    (root / "xy").write_text("other\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "names")
    kept.before("call", "c")
    (root / "x*").write_text("changed\n")
    (root / ":(glob)z").write_text("new\n")
    kept.after()
    assert commit(kept, "Change").paths == (":(glob)z", "x*")
    assert git(root, "status", "--porcelain") == ""


def test_signing_is_gits_own_business(root: Path, kept: Checkpoints, tmp_path: Path) -> None:
    signer = tmp_path / "signer"
    signer.write_text(
        "#!/bin/sh\ncat > /dev/null\necho '[GNUPG:] SIG_CREATED ' >&2\n"
        "echo '-----BEGIN PGP SIGNATURE-----'\necho '-----END PGP SIGNATURE-----'\n"
    )
    signer.chmod(0o755)
    git(root, "config", "gpg.program", str(signer))
    git(root, "config", "commit.gpgsign", "true")
    call(kept, a_txt="a\n")
    landed = commit(kept, "Change a")
    assert "gpgsig -----BEGIN" in git(root, "cat-file", "commit", landed.commit)
    signer.write_text("#!/bin/sh\necho no key >&2\nexit 2\n")
    call(kept, b_txt="b2\n")
    with pytest.raises(QcodeError, match="sign"):
        commit(kept, "Change b")
    assert git(root, "rev-parse", "HEAD").strip() == landed.commit


def test_a_second_commit_has_the_later_changes_alone(root: Path, kept: Checkpoints) -> None:
    call(kept, a_txt=LINES.replace("line 3", "LINE 3"))
    call(kept, new_txt="new\n", b_txt=None)
    commit(kept, "One")
    call(kept, a_txt=LINES.replace("line 3", "LINE 3").replace("line 9", "LINE 9"))
    call(kept, new_txt="newer\n", b_txt="b again\n")
    assert commit(kept, "Two").paths == ("a.txt", "b.txt", "new.txt")
    assert git(root, "status", "--porcelain") == ""
    assert commit(kept, "Three").commit == ""


def test_modes_links_and_line_ends_as_git_keeps_them(root: Path, kept: Checkpoints) -> None:
    (root / ".gitattributes").write_text("*.txt text eol=crlf\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "attributes")
    git(root, "rm", "-q", "--cached", "a.txt")
    git(root, "reset", "-q", "--hard")
    kept.before("call", "c")
    (root / "b.txt").write_bytes(b"b\r\nc\r\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    os.symlink("b.txt", root / "link")
    kept.after()
    commit(kept, "Various")
    assert shown(root, "b.txt") == "b\nc\n"
    rows = {row.split("\t")[1]: row.split()[0] for row in git(root, "ls-tree", "HEAD").splitlines()}
    assert rows["run.sh"] == "100755"
    assert rows["link"] == "120000"
    assert git(root, "status", "--porcelain") == ""


def test_the_first_commit_and_a_subdirectory(tmp_path: Path) -> None:
    top = tmp_path / "fresh"
    (top / "sub").mkdir(parents=True)
    git(top, "init", "-q", "-b", "main")
    git(top, "config", "user.email", "a@b.c")
    git(top, "config", "user.name", "A")
    (top / "mine.txt").write_text("mine\n")
    kept = Checkpoints(top / "sub", "s1", tmp_path / "state")
    try:
        call(kept, a_txt="a\n")
        assert commit(kept, "Begin").paths == ("a.txt",)
    finally:
        kept.close()
    assert git(top, "ls-tree", "-r", "--name-only", "HEAD").split() == ["sub/a.txt"]
    assert git(top, "status", "--porcelain").splitlines() == ["?? mine.txt"]


def test_a_file_of_an_inner_repository_is_left(root: Path, kept: Checkpoints) -> None:
    (root / "inner").mkdir()
    git(root / "inner", "init", "-q")
    call(kept, inner__x_txt="x\n", a_txt="a\n")
    landed = commit(kept, "Change")
    assert landed.paths == ("a.txt",)
    assert "inner" in landed.left["inner/x.txt"]


def test_no_commit_in_the_middle_of_a_merge(root: Path, tmp_path: Path) -> None:
    (root / ".git/MERGE_HEAD").write_text(git(root, "rev-parse", "HEAD"))
    with pytest.raises(UsageError, match="merge is under way"):
        check_can_commit(root)
    with pytest.raises(UsageError, match="is in none"):
        check_can_commit(tmp_path)


def test_a_bare_repository_and_a_missing_name_are_named_beforehand(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "--bare", "bare")
    with pytest.raises(UsageError, match="needs the files"):
        check_can_commit(tmp_path / "bare")
    with pytest.raises(UsageError, match="needs the files"):
        check_can_commit(root / ".git")
    check_can_commit(root)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{name}_NAME", raising=False)
        monkeypatch.delenv(f"GIT_{name}_EMAIL", raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    git(root, "config", "--unset", "user.name")
    git(root, "config", "--unset", "user.email")
    git(root, "config", "user.useConfigOnly", "true")
    with pytest.raises(UsageError, match="a name and an address"):
        check_can_commit(root)


def test_the_patch_has_the_sessions_changes_alone(
    root: Path, kept: Checkpoints, tmp_path: Path
) -> None:
    from qcode.checkpoints.patch import patch

    (root / "b.txt").write_text("uncommitted\n")
    call(kept, a_txt=LINES.replace("line 3", "LINE 3"), new__c_txt="c\n")
    (root / "b.txt").write_text("more\n")
    kept.before("shell", "c2")
    (root / "bin").write_bytes(bytes(range(256)))
    (root / "bin").chmod(stat.S_IRWXU)
    kept.after()
    data = patch(kept.store, *own_states(kept, own_changes(kept)))
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(root), str(clone))
    subprocess.run(["git", "apply", "--index", "-"], cwd=clone, input=data, check=True)
    assert (clone / "a.txt").read_text() == LINES.replace("line 3", "LINE 3")
    assert (clone / "bin").read_bytes() == bytes(range(256))
    assert os.access(clone / "bin", os.X_OK)
    assert (clone / "new/c.txt").read_text() == "c\n"
    assert git(clone, "diff", "--cached", "--name-only").split() == ["a.txt", "bin", "new/c.txt"]


def test_what_the_session_takes_back_itself_after_a_commit(root: Path, kept: Checkpoints) -> None:
    call(kept, a_txt="a\n", new_txt="new\n")
    commit(kept, "One")
    call(kept, a_txt=LINES, new_txt=None)
    assert commit(kept, "Two").paths == ("a.txt", "new.txt")
    assert git(root, "diff", "HEAD~2", "--stat") == ""
    assert git(root, "status", "--porcelain") == ""


def test_what_is_not_kept_is_left(root: Path, kept: Checkpoints) -> None:
    shell(kept, "rm a.txt; mkfifo a.txt; truncate -s 65M large; echo b2 > b.txt")
    landed = commit(kept, "Change")
    assert landed.paths == ("b.txt",)
    why = "what it holds now is not in the checkpoints"
    assert landed.left == {"a.txt": why, "large": why}
