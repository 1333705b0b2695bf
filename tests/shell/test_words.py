"""The strict reading: exactly what bash makes of a text, or not known."""

from __future__ import annotations

import subprocess

import pytest

from qcode.shell.words import Unknown, read


@pytest.mark.parametrize(
    "text, commands",
    [
        ("ls -la src", [(";", ["ls", "-la", "src"])]),
        ("cat a | head -5", [(";", ["cat", "a"]), ("|", ["head", "-5"])]),
        (
            "a && b || c; d\ne",
            [(";", ["a"]), ("&&", ["b"]), ("||", ["c"]), (";", ["d"]), (";", ["e"])],
        ),
        ("""echo 'a b'"c"d '' ""  """, [(";", ["echo", "a bcd", "", ""])]),
        ("\n\nls\n\n", [(";", ["ls"])]),
        ("a &&\n\n b;", [(";", ["a"]), ("&&", ["b"])]),
        ("ls x 2>/dev/null; cat y 2>&1 >/dev/null", [(";", ["ls", "x"]), (";", ["cat", "y"])]),
        ("grep -rn 'def $x `y` \\' src", [(";", ["grep", "-rn", "def $x `y` \\", "src"])]),
        ("git diff HEAD~1 HEAD^ a~", [(";", ["git", "diff", "HEAD~1", "HEAD^", "a~"])]),
        ("écho ü", [(";", ["écho", "ü"])]),
    ],
)
def test_what_is_read_is_what_bash_runs(text: str, commands: list[tuple[str, list[str]]]) -> None:
    found = read(text)

    assert not isinstance(found, Unknown)
    assert [(each.after, list(each.texts)) for each in found] == commands


@pytest.mark.parametrize(
    "text",
    [
        "ls & touch x", "ls |& cat", "ls;;", "| ls", "ls |", "ls &&", "ls\n;ls", "ls > x", "ls >x",
        "ls < x", "ls>/dev/null", "ls 2>/dev/nullx", "ls 2>&12", "2>/dev/null", "A=b", "A=b ls",
        "A+=b ls", "echo $x", 'echo "$x"', "echo `x`", 'echo "`x`"', 'echo "a!b"', 'echo "a\\b"',
        "echo a\\b", "echo $'a'", "(ls)", "{ ls; }", "echo {a,b}", "echo ~", "a=~/x", "echo a=~",
        "echo a:~/b", "echo a~b", "! ls", "ls # x", "a^b", "f() { x; }", "cat <<E\nE", "ls\r",
        "ls\x0b", "ls\0", "ls\x85", "ls\xa0x", "ls\u2028", "ls \u202ex", "ls '\u200b'",
        "ls '\x1b[2K'", "echo 'a", 'echo "a', "", "   ", "\n", "a" * 4_097, "true; " * 33,
        "x " * 257, "ls \ud800",
    ],
)  # fmt: skip
def test_what_is_not_certain_is_not_known(text: str) -> None:
    found = read(text)

    assert isinstance(found, Unknown)
    assert found.reason.startswith("it ")
    assert 0 <= found.place <= len(text)


def test_a_pattern_for_file_names_is_marked_and_a_quoted_one_is_none() -> None:
    found = read("ls *.py 'a*' [ab] x?")

    assert not isinstance(found, Unknown)
    assert [word.globbed for word in found[0].words] == [False, True, False, True, True]


@pytest.mark.parametrize(
    "text",
    [
        "printf '[%s]' a 'b c' \"d e\" f''g ''",
        "printf '[%s]' a;printf '[%s]' 'x;y'|cat",
        "false&&printf '[%s]' no||printf '[%s]' yes\nprintf '[%s]' =a %b @c +d ,e :f",
    ],
)
def test_bash_agrees(text: str) -> None:
    found = read(text)
    assert not isinstance(found, Unknown)
    rebuilt = ""
    for each in found:
        words = " ".join("'" + word.replace("'", "'\\''") + "'" for word in each.texts)
        rebuilt += f" {each.after} {words}" if rebuilt else words

    def output(script: str) -> str:
        return subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout

    assert output(rebuilt) == output(text) != ""
