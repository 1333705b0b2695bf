"""Which commands certainly only read, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcode.shell.readonly import Place, doubt

SEARCH = ("/usr/local/bin", "/usr/bin", "/bin")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    root = (tmp_path / "ws").resolve()
    (root / "src" / "deep").mkdir(parents=True)
    (root / "src" / "app.py").write_text("x")
    (root / ".env").write_text("SECRET")
    (tmp_path / "out").mkdir()
    (root / "leak").symlink_to(tmp_path / "out")
    (root / "inner").symlink_to("src/deep")
    return root


def asked(text: str, root: Path, search: tuple[str, ...] = SEARCH) -> str:
    def unreadable(real: str) -> str:
        if real != str(root) and not real.startswith(f"{root}/"):
            return f"{real} is outside"
        return "it is hidden" if Path(real).name == ".env" else ""

    def written(folder: str) -> bool:
        return folder == str(root) or folder.startswith(f"{root}/")

    return doubt(text, Place(str(root), unreadable, search, written))


@pytest.mark.parametrize(
    "text",
    [
        "ls -la src", "cat src/app.py | head -5 | wc -l", "grep -rn 'def ' src || true",
        "ls nosuch 2>/dev/null; cat README.md 2>&1", "cd src && ls && cat app.py",
        "cd src && cat ../README.md", "cd src && cd .. && cat README.md", "cd inner && ls",
        "find . -name '*.py' -type f -not -path './x/*'", "find src -maxdepth 2 -printf '%p'",
        "sed -n '1,20p' a", "sed -n '$p' a", "sort -nrk2 a | uniq -c", "sort -t, -k1 a",
        "head -n 5 a", "tail -n +5 a", "tail -20 a", "date +%F", "date -u", "wc -l a b",
        "du -sh .", "df -h", "stat -c %s a", "cut -d/ -f1 a", "tr a-z A-Z", "diff -u a b",
        "grep '/api/' src", "grep -e x -e y a", "rg -n foo src", "rg --files -g '*.py'",
        "echo anything -n /etc/passwd", "pwd; id -u; uname -a; whoami", "which python3",
        "cat /dev/null", "cat -", "ls --color=auto", "ls --color", "basename /a/b .c", "md5sum a",
        "seq -5 5",
    ],
)  # fmt: skip
def test_reading_is_known(text: str, work: Path) -> None:
    assert asked(text, work) == ""


@pytest.mark.parametrize(
    "text",
    [
        "touch x", "git status", "env", "printf x", "test -f a", "export A", "xargs ls", "sudo ls",
        "tee x", "awk 1", "python3 -V", "/bin/ls", "./ls", "make", "ls *", "ls; touch x",
        "ls\ntouch x", "if ls", "time ls", "exec ls", "find . -exec ls ';'", "find . -delete",
        "find . -ok ls ';'", "find . -fprint x", "find . -fls x", "find -L .",
        "find . -files0-from x", "find . -name", "rg --pre=cat x", "rg --pre cat x", "rg -z x",
        "rg -nz x", "rg --hostname-bin=x y", "rg -L x", "rg --follow x", "sed 1p a",
        "sed -n '1w x' a", "sed -n 1p -i a", "sed -n '1e x' a", "sed -ni 1p a", "sort -o x a",
        "sort -ox a", "sort -ro x a", "sort --outp=x a", "sort --output=x a",
        "sort --compress-program=sh a", "sort -T /x a", "sort -S 1 a", "uniq a b", "uniq -c a b",
        "tail -f a", "tail -F a", "tail --follow a", "tail +5f a", "tail -5f a", "date -s x",
        "date 01010101", "date -f a", "diff -l a b", "diff -r a b", "diff --paginate a b",
        "wc --files0-from=a", "du --files0-from=a", "md5sum -c a", "ls -L", "grep -R x .",
        "grep --dereference-recursive x .", "tac", "cat a | tac", "cat a | tac -",
        "cat a | tac a -", "df --sync", "pwd x", "cd", "cd -", "cd nosuch", "cd src src", "cd --",
        "cd ''", "cd src/app.py", "ls --no-such", "ls -@",
    ],
)  # fmt: skip
def test_all_else_is_not(text: str, work: Path) -> None:
    assert asked(text, work) != ""


@pytest.mark.parametrize(
    "text",
    [
        "cat /etc/passwd", "cat ../out/x", "cat leak/x", "ls leak", "ls ..", "cat src/../../out/x",
        "cat .env", "grep -f/etc/passwd x", "grep -f /etc/passwd x", "grep --file=/etc/passwd x",
        "grep x /etc/passwd", "grep -e x /etc/passwd", "find / -name x",
        "find . -newer /etc/passwd", "cd /etc", "cd leak", "cd ..", "cd src; cat ../../out/x",
        "cd src; cat ../out/x", "cd src || ls; cat ../x", "ls && cd src; cat ../x",
        "cd src | cat ../x", "cd inner && cat ../../../out/x", "diff --from-file=/etc/passwd a",
        "ls -- /etc", "cut -d '/x' -f1 a", "du --exclude-from=/etc/passwd", "cd inner/.. && ls",
    ],
)  # fmt: skip
def test_what_leads_elsewhere_or_to_hidden_files_is_not(text: str, work: Path) -> None:
    assert asked(text, work) != ""


def test_a_program_of_the_workspace_is_not_the_system_s(work: Path) -> None:
    (work / "bin").mkdir()
    (work / "bin" / "ls").write_text("")

    assert asked("ls", work, (str(work / "bin"), *SEARCH)) == "ls is a program of the workspace"
    assert asked("wc a", work, (str(work / "bin"), *SEARCH)) == ""
    assert asked("ls", work, (*SEARCH, str(work / "bin"))) == ""
    assert asked("ls", work, ("bin", *SEARCH)) != ""
    assert asked("echo x", work, ("bin", *SEARCH)) == ""


def test_a_script_stands_for_what_it_starts(work: Path) -> None:
    (work / "bin").mkdir()
    (work / "bin" / "grep").write_text("")

    assert asked("egrep x a", work, (str(work / "bin"), *SEARCH)) != ""
