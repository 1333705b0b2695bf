"""The lenient reading: no command that can be seen is missed."""

from __future__ import annotations

import pytest

from qcode.shell.destructive import destruction
from qcode.shell.through import seen

ROOT = "/home/me/project"


@pytest.mark.parametrize(
    "text",
    [
        "git push", "ls; git push", "ls && git push", "ls\ngit push", "ls & git push",
        "ls | git push", "! git push", "(git push)", "{ git push; }", "if true; then git push; fi",
        "for i in 1; do git push; done", "while git push; do :; done",
        "case x in x) git push;; esac", "f() { git push; }", "function f { git push; }",
        "coproc git push", "coproc C { git push; }", "time git push", "echo $(git push)",
        "echo `git push`", 'echo "$(git push)"', 'echo "${x:-$(git push)}"',
        "echo $(($(git push)))", "cat <(git push)", "tee >(git push)", "x=$(git push)",
        "cat <<E\n$(git push)\nE", "cat <<E\n`git push`\nE", "bash <<E\ngit push\nE",
        "bash <<'E'\ngit push\nE", "bash <<< 'git push'", "echo git push | sh",
        "bash -c 'git push'", "sh -ec 'git push'", "bash -lc \"git push\"", "eval git push",
        "eval 'git push'", "trap 'git push' EXIT", "alias p='git push'", "sudo git push",
        "sudo -u me git push", "env A=b git push", "env -i -u X git push", "env -S 'git push'",
        "nice -n 5 git push", "timeout 5 git push", "timeout -k 1 5 git push", "nohup git push",
        "command git push", "command -p git push", "exec git push", "xargs git push",
        "xargs -n 1 -I{} git push", "find . -exec git push ';'",
        "find . -name x -execdir git push {} +", "stdbuf -oL git push", "setsid git push",
        "busybox git push", "ssh host git push", "ssh -p 22 host 'git push'",
        "docker run --rm -it image git push", "watch 'git push'", "uv run git push",
        "npx git push", "git -C x push", "git -c a=b push", "git --git-dir=x push",
        "/usr/bin/git push", "git -c alias.x='!git push' x", "git rebase -x 'git push' main",
        "git bisect run git push", "GIT_PAGER='git push' ls", "g''it push", '"git" "push"',
        "gi\\t push", "$'git' push", "$'\\x67it' $'\\160ush'", "{git,push}", "git pu{sh,sh}",
        "git \\\npush", "git	push", "sudo env nice bash -c 'timeout 5 git push'",
        "bash -c \"bash -c 'git push'\"",
    ],
)  # fmt: skip
def test_a_command_is_seen(text: str) -> None:
    names = [(words[0].rsplit("/", 1)[-1], *words[1:2]) for words in seen(text).commands if words]

    assert ("git", "push") in names


@pytest.mark.parametrize(
    "text",
    [
        "echo 'git push'", "cat <<'E'\ngit push\nE", "git commit -m 'git push'", "ls # git push",
        "cat <<E\ngit push\nE",
    ],
)  # fmt: skip
def test_what_is_only_said_is_none(text: str) -> None:
    assert not any(words[:2] == ("git", "push") for words in seen(text).commands)


def test_redirections_and_variables_are_seen() -> None:
    found = seen("A=b ls > out 2>&1 < in >> log; x &>both >| forced 2> err")

    assert found.sets == ("A",)
    assert [each.target for each in found.redirections if each.writes] == [
        "out", "log", "both", "forced", "err",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "git reset --hard", "git reset --har HEAD~1", "git -C x reset --hard", "git clean -fdx",
        "git clean --force -d", "git -c clean.requireForce=false clean -d", "git push -f",
        "git push --force", "git push --force-with-lease", "git push origin +main",
        "git push origin :main", "git push --delete origin x", "git push --mirror",
        "git checkout -- .", "git checkout .", "git checkout -f main", "git checkout HEAD~1 src",
        "git checkout src/app.py", "git switch --discard-changes x", "git restore .",
        "git restore --staged --worktree a", "git stash drop", "git stash clear",
        "git branch -D x", "git branch --delete --force x", "git reflog expire --all",
        "git gc --prune=now", "git update-ref -d refs/heads/x", "git filter-branch x",
        "git rm -rf src", "git worktree remove --force x", "rm -rf .", "rm -rf *", "rm -rf ./*",
        "rm -r ..", "rm -rf /", "rm -rf /*", "rm -rf ~", "rm -rf ~/x", "rm -rf $X",
        "rm -rf \"$X\"/*", "rm -rf .git", "rm -f .git/index", "rm -rf /home/me/project",
        "rm --recursive --force /home/me", "mv .git x", "find . -delete", "mkfs.ext4 /dev/x",
        "dd if=a of=/dev/sda", "chmod -R 777 /", "bash -c 'git reset --hard'",
        "sudo git clean -fdx", "echo x; git stash drop",
    ],
)  # fmt: skip
def test_what_loses_work_is_told(text: str) -> None:
    assert destruction(text, ROOT) != ""


@pytest.mark.parametrize(
    "text",
    [
        "git status", "git reset", "git reset HEAD a", "git clean -n", "git clean -nf", "git push",
        "git push --follow-tags", "git push -u origin main", "git checkout main",
        "git checkout -b x origin/main", "git switch -c x", "git restore --staged a", "git stash",
        "git stash pop", "git branch -d x", "git branch -a", "git branch --format=x", "git gc",
        "git rm a", "rm -rf build", "rm -rf build/*", "rm a", "rm -rf ./node_modules",
        "rm -rf /home/me/project/x", "mv a .", "mv a b", "find . -name x -delete", "dd if=a of=b",
        "echo git reset --hard", "chmod -R u+x src", "git commit -m 'git reset --hard'",
        "git checkout v1.2",
    ],
)  # fmt: skip
def test_ordinary_work_is_not(text: str) -> None:
    assert destruction(text, ROOT) == ""
