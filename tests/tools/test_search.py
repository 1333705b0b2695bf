from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import many
from tool_bench import Bench

from qcode.tools import ripgrep, search
from qcode.tools.ignore import translate, walk

RIPGREP = ripgrep.find_ripgrep(os.environ.get("PATH", ""), Path("/nowhere"))


@pytest.fixture(params=["ripgrep", "python"])
def engine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[str]:
    """The search with and without ripgrep; what a person has on PATH decides."""
    ripgrep.find_ripgrep.cache_clear()
    if request.param == "python":
        (tmp_path / "bin").mkdir()
        monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    elif RIPGREP is None:
        pytest.skip("no ripgrep here")
    yield request.param
    ripgrep.find_ripgrep.cache_clear()


@pytest.fixture
def tree(engine: str, bench: Bench) -> Bench:
    """A tree with all that a search has to leave out or get right."""
    if engine == "python":
        bench.environment["PATH"] = os.environ["PATH"]
    bench.write("src/a.py", "import os\ndef Needle():\n    return needle\n")
    bench.write("src/b.js", "const needle = 1;\r\nneedle\r\n")
    bench.write("src/sub/c.py", "needle = 'ä'\n")
    bench.write("z.txt", "nothing\nlast needle without end")
    bench.write(".hidden", "needle\n")
    bench.write(".git/config", "needle\n")
    bench.write("build/out.py", "needle\n")
    bench.write("src/skip.log", "needle\n")
    bench.write("src/keep.log", "needle\n")
    bench.write("src/sub/local.txt", "needle\n")
    bench.write("bin.dat", b"needle\0needle\n")
    bench.write("utf16.txt", "needle\n".encode("utf-16"))
    bench.write("empty")
    bench.write(".gitignore", "/build/\n*.log\n# comment\n\n")
    bench.write("src/.gitignore", "!keep.log\n")
    bench.write("src/sub/.ignore", "local.txt\n")
    (bench.root / "link.py").symlink_to("src/a.py")
    (bench.root / "around").symlink_to(".")
    return bench


def grep(bench: Bench, pattern: str, **arguments: object) -> list[str]:
    return bench.text("grep_search", pattern=pattern, **arguments).split("\n")


def test_matches_are_grouped_by_file_in_order(tree: Bench) -> None:
    assert grep(tree, "needle") == [
        ".hidden",
        "1:needle",
        "src/a.py",
        "2:def Needle():",
        "3:    return needle",
        "src/b.js",
        "1:const needle = 1;",
        "2:needle",
        "src/keep.log",
        "1:needle",
        "src/sub/c.py",
        "1:needle = 'ä'",
        "utf16.txt",
        "1:needle",
        "z.txt",
        "2:last needle without end",
    ]


@pytest.mark.parametrize(
    "arguments, files",
    [
        ({"pattern": "Needle"}, ["src/a.py"]),
        ({"pattern": "needle$", "glob": "*.js"}, ["src/b.js"]),
        ({"pattern": "needle", "glob": "*.py"}, ["src/a.py", "src/sub/c.py"]),
        ({"pattern": "needle", "glob": "**/*.py"}, ["src/a.py", "src/sub/c.py"]),
        ({"pattern": "needle", "glob": "src/*.py"}, ["src/a.py"]),
        ({"pattern": "needle", "glob": "src/**"}, [
            "src/a.py", "src/b.js", "src/keep.log", "src/sub/c.py"]),
        ({"pattern": "needle", "glob": "*.{js,txt}"}, ["src/b.js", "utf16.txt", "z.txt"]),
        ({"pattern": "needle", "glob": "!*.py", "path": "src"}, ["src/b.js", "src/keep.log"]),
        ({"pattern": "needle", "path": "src/sub"}, ["src/sub/c.py"]),
        ({"pattern": "needle", "path": "src/a.py"}, ["src/a.py"]),
        ({"pattern": "needle", "path": "build"}, ["build/out.py"]),
        ({"pattern": r"\bneedle\s*=\s*\d"}, ["src/b.js"]),
        ({"pattern": r"^\S+ = 'ä'$"}, ["src/sub/c.py"]),
        ({"pattern": "-n"}, []),
        ({"pattern": "needle(?= = 1)"}, ["src/b.js"]),
    ],
)  # fmt: skip
def test_both_engines_find_the_same_files(
    tree: Bench, arguments: dict[str, str], files: list[str]
) -> None:
    rows = grep(tree, **arguments)

    assert [row for row in rows if (tree.root / row).is_file()] == files
    assert files or rows[0].startswith("No matches")


def test_a_limit_says_how_much_is_missing(tree: Bench) -> None:
    tree.write("many.txt", "needle\n" * 150)

    rows = grep(tree, "^needle$", limit=3, path="many.txt")

    assert rows == [
        "many.txt", "1:needle", "2:needle", "3:needle",
        "[147 more matches not shown; use a narrower pattern, glob or path]",
    ]  # fmt: skip


def test_a_flood_of_matches_is_bounded(tree: Bench) -> None:
    tree.write("many.txt", ("x" * 280 + "\n") * 20_000)

    text = tree.text("grep_search", pattern="x", path="many.txt", limit=50_000)

    assert len(text) < 21_000
    assert "more matches not shown" in text


def test_counting_stops_at_some_point(tree: Bench) -> None:
    tree.write("many.txt", "x\n" * 20_000)

    rows = grep(tree, "x", path="many.txt", limit=1)

    assert rows[-1] == "[stopped after 10,000 matches]"


def test_long_lines_are_cut(tree: Bench) -> None:
    tree.write("min.js", "needle" + "x" * 1_000_000 + "\n")

    rows = grep(tree, "needle", path="min.js")

    assert rows == ["min.js", "1:needle" + "x" * 294 + "… [line cut here]"]


@pytest.mark.parametrize("pattern", ["foo(", "[a", "*x", "a{2,1}"])
def test_a_bad_pattern_is_explained(tree: Bench, pattern: str) -> None:
    text = tree.error("grep_search", pattern=pattern)

    assert text.startswith(f"{pattern!r} is no valid regular expression: ")
    assert "escape it: " in text


def test_what_cannot_be_searched_is_refused(tree: Bench) -> None:
    assert "empty" in tree.error("grep_search", pattern="")
    assert "line by line" in tree.error("grep_search", pattern="a\nb")
    assert "does not exist" in tree.error("grep_search", pattern="a", path="no")
    assert "outside" in tree.error("grep_search", pattern="a", path="..")
    assert "limit" in tree.error("grep_search", pattern="a", limit=0)


def test_ignore_files_above_the_workspace_count_in_a_repository(
    engine: str, tmp_path: Path
) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "repo" / ".gitignore").write_text("*.tmp\n/part/gen/\n")
    bench = Bench(tmp_path / "repo" / "part", tmp_path / "spill")
    bench.environment["PATH"] = os.environ["PATH"]
    for name in ("a.tmp", "gen/b", "c", "sub/d.tmp", "sub/e"):
        bench.write(name, "needle\n")

    rows = grep(bench, "needle")
    inner = grep(bench, "needle", path="sub")
    bench.close()

    assert rows == ["c", "1:needle", "sub/e", "1:needle"]
    assert inner == ["sub/e", "1:needle"]


def test_ignore_files_above_a_plain_directory_do_not_count(engine: str, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*\n")
    bench = Bench(tmp_path / "work", tmp_path / "spill")
    bench.environment["PATH"] = os.environ["PATH"]
    bench.write(".gitignore", "*.tmp\n")
    for name in ("a", "sub/b", "sub/c.tmp"):
        bench.write(name, "needle\n")

    rows = grep(bench, "needle")
    inner = grep(bench, "needle", path="sub")
    bench.close()

    assert rows == ["a", "1:needle", "sub/b", "1:needle"]
    assert inner == ["sub/b", "1:needle"]


def test_a_ripgrep_that_a_project_brings_along_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    planted = tmp_path / "bin" / "rg"
    planted.write_text("#!/bin/sh\n")
    planted.chmod(0o755)

    outside = ripgrep.find_ripgrep(f"{tmp_path}/bin:bin:.", tmp_path / "other")
    inside = ripgrep.find_ripgrep(f"{tmp_path}/bin:bin:.", tmp_path)

    assert planted.samefile(outside or "") or outside == RIPGREP
    assert inside is None or not planted.samefile(inside)


GIT_PATTERNS = r"""
# comment
*.o
!keep.o
/top
dir/
a/**/z
**/deep
tail/**
mid/*/end
[ab]x
[!c]y
q?
\#hash
\!bang
sp\ ace
trail   
foo/*
!foo/bar
"""  # noqa: W291
GIT_PATHS = [
    "x.o", "keep.o", "s/x.o", "top", "s/top", "dir/f", "s/dir/f", "dir2/dir", "a/z", "a/b/z",
    "a/b/c/z", "s/a/z", "deep", "s/deep", "t/deep/er", "tail/x", "tail/y/x", "mid/1/end",
    "mid/1/2/end", "ax", "bx", "cx", "cy", "dy", "q", "q1", "q12", "#hash", "!bang", "sp ace",
    "trail", "foo/bar", "foo/baz", "s/foo/bar", "ünï/x.o", "A.O", ".hid", "s/.hid",
]  # fmt: skip


def test_the_same_files_are_ignored_as_by_git(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text(GIT_PATTERNS)
    for path in GIT_PATHS:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    listed = subprocess.run(
        ["git", "-C", tmp_path, "ls-files", "-z", "--others", "--exclude-standard"],
        check=True, capture_output=True,
    ).stdout.decode()  # fmt: skip

    found = [entry.path for entry in walk(tmp_path, tmp_path)]

    assert sorted(found) == sorted(listed.strip("\0").split("\0"))


@pytest.mark.parametrize(
    "pattern, path, hit",
    [
        ("*.py", "a.py", True),
        ("*.py", "a/b.py", False),
        ("**/*.py", "b.py", True),
        ("**/*.py", "a/b/c.py", True),
        ("src/**/t_*.py", "src/t_a.py", True),
        ("src/**", "src/a/b", True),
        ("src/**", "src", False),
        ("*.{ts,tsx}", "a.tsx", True),
        ("{a,b}/*.c", "b/x.c", True),
        ("[!a]*", "b", True),
        ("a?c", "a/c", False),
        ("A.py", "a.py", False),
        ("a{b", "a{b", True),
        ("{a,{b,c}d}", "cd", True),
        ("{a,b}}", "a}", True),
        ("{{a,b}", "{b", True),
        ("x{,s}", "x", True),
        (r"\{a,b\}", "{a,b}", True),
        ("[{],}]", "{,}]", True),
        ("*a*b*c", "xaybzc", True),
        ("*a*b*c", "xaybzcd", False),
        ("**/a/**/b/*c*", "a/x/a/b/yc", True),
        ("**/a/**", "x/a", False),
        ("**/a/**", "x/a/y/z", True),
    ],
)
def test_glob_patterns(pattern: str, path: str, hit: bool) -> None:
    assert bool(translate(pattern, braces=True).match(path)) is hit


SLOW = "*a" * 14 + "*b"


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "pattern, path",
    [
        (SLOW, "a" * 200),
        (f"{{{SLOW},c}}", "a" * 200),
        ("**/a/" * 14 + "b", "a/" * 500 + "c"),
        ("**/*a*a*a*a/" * 14 + "b", ("a" * 50 + "/") * 80 + "c"),
        ("**a" * 20 + "/**", "a" * 200),
        (("[ab]*" * 20) + "?c", "ab" * 100),
    ],
)
def test_no_glob_takes_long(pattern: str, path: str) -> None:
    assert not translate(pattern, braces=True).match(path)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("pattern", ["{a,aa}" * 40, "*" * 5000])
def test_globs_that_are_too_much_are_refused(bench: Bench, pattern: str) -> None:
    assert "is no valid pattern: it " in bench.error("glob", pattern=pattern)


def reference(pattern: str) -> re.Pattern[str]:
    """The plain regex of a glob, which can take very long."""
    out, at = "", 0
    while at < len(pattern):
        starts_part = at == 0 or pattern[at - 1] == "/"
        if starts_part and pattern[at:] == "**":
            out, at = out + ".+", at + 2
        elif starts_part and pattern.startswith("**/", at):
            out, at = out + "(?:.*/)?", at + 3
        elif pattern[at] == "*":
            out, at = out + "[^/]*", at + 1
        elif pattern[at] == "?":
            out, at = out + "[^/]", at + 1
        else:
            out, at = out + re.escape(pattern[at]), at + 1
    return re.compile(out, re.DOTALL)


@settings(max_examples=many(600, 200), deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "*", "?", "/", "**/", "/**", "ab"]), max_size=8),
    st.lists(st.sampled_from(["a", "b", "ab", "a/", "b/"]), min_size=1, max_size=10),
)
def test_globs_match_what_their_plain_regex_matches(pattern: list[str], path: list[str]) -> None:
    glob, name = "".join(pattern), "".join(path).rstrip("/")

    assert bool(translate(glob).match(name)) is bool(reference(glob).fullmatch(name))


@pytest.mark.parametrize("name", [".gitignore", ".ignore", "sub/.gitignore"])
@pytest.mark.timeout(10)
def test_ignore_files_that_are_no_ordinary_files_do_not_count(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_text("")
    os.mkfifo(tmp_path / name)

    assert {entry.name for entry in walk(tmp_path, tmp_path)} == {"a", Path(name).name}

    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")

    assert {entry.name for entry in walk(tmp_path, tmp_path)} == {"a", Path(name).name}


@pytest.mark.timeout(10)
def test_a_line_of_blanks_in_an_ignore_file_takes_no_time(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text(f"{' ' * 500_000}x\n{SLOW}\n*.o\n")
    for name in ("a" * 200, "x.o"):
        (tmp_path / name).write_text("")

    assert [entry.name for entry in walk(tmp_path, tmp_path)] == [".gitignore", "a" * 200]


def names(bench: Bench, **arguments: object) -> list[str]:
    return bench.text("glob", **arguments).split("\n")


def test_glob_gives_the_newest_first(bench: Bench) -> None:
    for age, name in enumerate(["old.py", "b.py", "a.py", "new.py"]):
        os.utime(bench.write(name), (1000 + age // 2 * 2, 1000 + (2 if 0 < age < 3 else age)))

    assert names(bench, pattern="*.py") == ["new.py", "a.py", "b.py", "old.py"]


def test_glob_obeys_ignore_files_and_directories(bench: Bench) -> None:
    bench.write(".gitignore", "out/\n")
    for name in ("src/a.py", "src/sub/b.py", "out/c.py", ".git/d.py", ".cfg/e.py"):
        os.utime(bench.write(name), (1, 1))

    assert names(bench, pattern="**/*.py") == [".cfg/e.py", "src/a.py", "src/sub/b.py"]
    assert names(bench, pattern="*.py", path="src") == ["src/a.py", "[...]"][:1]
    assert names(bench, pattern="src/*.py") == ["src/a.py"]
    assert names(bench, pattern=f"{bench.root}/src/**/b.py") == ["src/sub/b.py"]
    assert names(bench, pattern="out/*.py") == ["out/c.py"]
    assert names(bench, pattern="b.py") == [
        "src/sub/b.py", "[none directly there; these are in its subdirectories]",
    ]  # fmt: skip
    assert names(bench, pattern="**/*.rs") == ["No file matches **/*.rs."]


def test_glob_is_bounded(bench: Bench) -> None:
    for number in range(120):
        bench.write(f"f{number}")

    rows = names(bench, pattern="*")

    assert len(rows) == 101
    assert rows[-1] == "[20 more, older ones, not shown; use a narrower pattern]"


@pytest.mark.parametrize(
    "arguments",
    [
        {"pattern": "../*"},
        {"pattern": "/etc/*"},
        {"pattern": "*", "path": ".."},
        {"pattern": "out/*"},
        {"pattern": "*", "path": "out"},
    ],
)
def test_glob_stays_in_the_workspace(
    bench: Bench, tmp_path: Path, arguments: dict[str, str]
) -> None:
    (bench.root / "out").symlink_to(tmp_path)

    assert "outside the workspace" in bench.error("glob", **arguments)
    tool = bench.tools["glob"]
    touched = tool.touches(tool.params(**arguments)).paths[0]
    assert not bench.context.workspace.contains(bench.context.workspace.resolve(touched))


def test_links_out_of_the_workspace_are_not_followed(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("needle\n")
    (bench.root / "out").symlink_to(tmp_path)
    (bench.root / "direct.py").symlink_to(tmp_path / "secret.py")

    assert names(bench, pattern="**/*.py") == ["direct.py"]
    assert grep(bench, "needle") == ["No matches."]


def test_a_directory_is_listed(bench: Bench) -> None:
    bench.write(".gitignore", "*.pyc\nbuild/\n")
    for name in (".git/x", "build/x", "src/a", "b.pyc", "c.txt", ".env"):
        bench.write(name)
    (bench.root / "link").symlink_to("src")

    assert bench.text("list_directory", path=".") == (
        ".env\n.gitignore\nc.txt\nlink -> src\nsrc/\n[ignored: b.pyc, build/]"
    )
    assert bench.text("list_directory", path="build") == "x"
    assert bench.text("list_directory", path="src", ignore=["a"]) == "(empty)"


def test_a_listing_is_bounded(bench: Bench) -> None:
    for number in range(310):
        bench.write(f"d/{number:03}")

    rows = bench.text("list_directory", path="d").split("\n")

    assert len(rows) == 301
    assert rows[-1] == "[10 more entries not shown; use glob to narrow]"


def test_what_cannot_be_listed_is_refused(bench: Bench) -> None:
    bench.write("file")

    assert "read_file" in bench.error("list_directory", path="file")
    assert "does not exist" in bench.error("list_directory", path="fil")
    assert "outside" in bench.error("list_directory", path="..")


def test_names_that_are_no_utf8_are_shown(bench: Bench) -> None:
    (Path(os.fsdecode(os.fsencode(bench.root) + b"/b\xff.py"))).write_text("needle\n")

    assert bench.text("list_directory", path=".") == "b�.py"
    assert names(bench, pattern="*.py") == ["b�.py"]
    assert grep(bench, "needle") == ["b�.py", "1:needle"]


def test_an_interrupted_search_ends_its_ripgrep(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "rg"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 100\n")
    program.chmod(0o755)

    async def run() -> None:
        query = search.Query(bench.root, bench.root, "x", None, 10)
        task = asyncio.create_task(ripgrep.with_ripgrep(str(program), query, bench.environment))
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    bench.runner.run(asyncio.wait_for(run(), 10))

    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_ripgrep_that_cannot_be_run_is_done_without(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "rg").write_bytes(b"\x7fELF broken")
    (tmp_path / "bin" / "rg").chmod(0o755)
    bench.environment["PATH"] = f"{tmp_path}/bin"
    bench.write("a", "needle\n")

    assert grep(bench, "needle") == ["a", "1:needle"]


SLOW_PATTERN = "(?=a)(a+)+$"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("limit", ["SECONDS", "FILE_CPU_S"])
def test_a_pattern_that_takes_forever_is_given_up(
    engine: str, bench: Bench, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(search, limit, 0.5)
    monkeypatch.setattr(search, "_SPARE_S", 0.5)
    bench.write("r.txt", "a" * 60 + "b")

    assert "takes too long; simplify it" in bench.error(
        "grep_search", pattern=SLOW_PATTERN, path="r.txt"
    )


@pytest.mark.timeout(20)
def test_a_search_that_takes_forever_can_be_interrupted(bench: Bench) -> None:
    bench.write("r.txt", "a" * 60 + "b")

    async def interrupted() -> float:
        task = asyncio.create_task(bench.acall("grep_search", pattern=SLOW_PATTERN))
        await asyncio.sleep(0.3)  # meanwhile other things go on
        begun = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - begun

    assert bench.runner.run(interrupted()) < 2


@pytest.mark.parametrize("pattern", ["(" * 4000 + "(?=a)" + ")" * 4000, "a{99999999999999999999}"])
def test_a_pattern_that_is_too_much_is_refused(bench: Bench, pattern: str) -> None:
    assert "is no valid regular expression" in bench.error("grep_search", pattern=pattern)


def test_nul_and_bad_globs_are_refused(engine: str, bench: Bench) -> None:
    bench.write("a", "needle")
    for arguments in ({"pattern": "a\0b"}, {"pattern": "a", "glob": "*\0"}):
        assert "NUL" in bench.error("grep_search", **arguments)
    assert "NUL" in bench.error("grep_search", pattern="a", path="\0")
    assert "NUL" in bench.error("glob", pattern="*\0")
    assert "NUL" in bench.error("glob", pattern="*", path="\0")
    assert "NUL" in bench.error("list_directory", path="\0")
    assert "NUL" in bench.error("list_directory", path=".", ignore=["\0"])
    for glob in ("[b-a]", "![b-a]", "x" * 5000):
        assert "is no valid pattern" in bench.error("grep_search", pattern="needle", glob=glob)
    assert "is no valid pattern" in bench.error("list_directory", path=".", ignore=["[b-a]"])
    assert "longer than" in bench.error("grep_search", pattern="x" * 20_000)


@pytest.mark.timeout(30)
@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux alone")
def test_a_search_survives_an_ignore_file_without_end(
    engine: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ripgrep, "_MEMORY", 256 * 1024 * 1024)
    bench.write("sub/a", "needle\n")
    (bench.root / "sub" / ".gitignore").symlink_to("/dev/zero")

    assert grep(bench, "needle") == ["sub/a", "1:needle"]


@pytest.mark.parametrize("pattern", ["duration.py", r"duration\.py", "src/duration.py"])
def test_a_files_name_searched_for_in_texts(bench: Bench, pattern: str) -> None:
    bench.write("src/duration.py", "x = 1\n")

    text = bench.text("grep_search", pattern=pattern)

    assert text.startswith("No matches")
    assert text.endswith("There is a file of that name: src/duration.py; read_file shows it.")
    assert "There is a file" not in bench.text("grep_search", pattern="other.py")


OWN_FILES = [".aiignore", ".qwenignore", ".qcodeignore"]


@pytest.mark.parametrize("name", OWN_FILES)
def test_what_agents_are_to_leave_alone_is_left_out_everywhere(tree: Bench, name: str) -> None:
    tree.write(name, "/z.txt\ndata/\n")
    tree.write(f"src/{name}", "*.js\n!sub/\n")
    tree.write(f"src/sub/{name}", "/c.py\n")
    tree.write("data/deep/x", "needle\n")
    tree.write("src/data/x", "needle\n")
    tree.write("src/sub/d.js", "needle\n")

    rows = grep(tree, "needle")
    inner = grep(tree, "needle", path="src/sub")
    asked_for = grep(tree, "needle", path="data")

    assert [row for row in rows if (tree.root / row).is_file()] == [
        ".hidden", "src/a.py", "src/keep.log", "utf16.txt",
    ]  # fmt: skip
    assert inner == ["No matches in src/sub."]
    assert asked_for == ["data/deep/x", "1:needle"]
    assert tree.text("glob", pattern="**/*.{js,txt}") == "utf16.txt"
    assert "[ignored: build/, data/, z.txt]" in tree.text("list_directory", path=".")


def test_nothing_brings_back_what_agents_are_to_leave_alone(tree: Bench) -> None:
    tree.write(".qcodeignore", "keep.log\n*.js\n!b.js\n")
    tree.write("src/.qcodeignore", "!keep.log\n*.txt\n")
    tree.write(".ignore", "!keep.log\n")

    rows = grep(tree, "needle")

    assert [row for row in rows if (tree.root / row).is_file()] == [
        ".hidden", "src/a.py", "src/b.js", "src/sub/c.py", "utf16.txt", "z.txt",
    ]  # fmt: skip


def test_files_for_agents_above_the_workspace_count_in_a_repository(
    engine: str, tmp_path: Path
) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "repo" / ".qcodeignore").write_text("*.tmp\n/part/gen/\n")
    bench = Bench(tmp_path / "repo" / "part", tmp_path / "spill")
    bench.environment["PATH"] = os.environ["PATH"]
    for name in ("a.tmp", "gen/b", "c", "sub/d.tmp"):
        bench.write(name, "needle\n")

    rows = grep(bench, "needle")
    bench.close()

    assert rows == ["c", "1:needle"]
