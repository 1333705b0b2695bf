from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from qcode import paths
from qcode.repomap import ask, rank_files, render_map
from qcode.repomap import index as index_module
from qcode.repomap.index import Index
from qcode.repomap.workers import contents


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    for number in range(8):
        write(root, f"pkg/m{number}.py", f"def f{number}():\n    return f{(number + 1) % 8}()\n")
    write(root, "README.md", "# hello\n")
    return root


def write(root: Path, path: str, text: str | bytes) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    os.utime(file, ns=(1, os.stat(file).st_mtime_ns - 10**9))


def cache() -> Path:
    (file,) = (paths.cache_dir() / "repomap").glob("*.db")
    return file


def known(root: Path) -> dict[str, list[str]]:
    def question(index: Index) -> dict[str, list[str]]:
        return {path: [each.name for each in index.outline(path)] for path in sorted(index.files)}

    return ask(root, question)


def test_what_changed_is_read_again(root: Path) -> None:
    before = known(root)
    write(root, "pkg/m0.py", "class New: pass\n")
    write(root, "pkg/added.py", "def added(): pass\n")
    (root / "pkg/m1.py").unlink()

    after = known(root)

    assert before["pkg/m0.py"] == ["f0"]
    assert after == {
        **{path: names for path, names in before.items() if path != "pkg/m1.py"},
        "pkg/m0.py": ["New"],
        "pkg/added.py": ["added"],
    }
    with Index(root) as index:
        assert index.named("f0") == index.named("f1") == []
        assert [row.path for row, _ in index.named("added")] == ["pkg/added.py"]
        assert [row.path for row in index.mentioning("f3")] == ["pkg/m2.py", "pkg/m3.py"]


def test_what_did_not_change_is_not_read(root: Path) -> None:
    known(root)
    with Index(root) as index:
        before = {path: row.id for path, row in index.files.items()}
    os.utime(root / "pkg/m2.py", ns=(1, 1))
    write(root, "pkg/m3.py", "def other(): pass\n")

    with Index(root) as index:
        after = {path: row.id for path, row in index.files.items()}

    assert {path for path in before if before[path] != after[path]} == {"pkg/m3.py"}


def test_a_change_of_the_same_size_at_the_same_time_is_seen(root: Path) -> None:
    file = root / "pkg/m0.py"
    file.write_text("def aa(): pass\n")
    known(root)
    file.write_text("def bb(): pass\n")

    assert known(root)["pkg/m0.py"] == ["bb"]


def test_ignored_files_links_and_what_is_no_file_are_not_read(root: Path, tmp_path: Path) -> None:
    write(tmp_path, "outside/secret.py", "def secret(): pass\n")
    write(root, ".qcodeignore", "hidden/\n")
    write(root, "hidden/a.py", "def hidden(): pass\n")
    (root / "link.py").symlink_to(tmp_path / "outside/secret.py")
    (root / "linked").symlink_to(tmp_path / "outside")
    os.mkfifo(root / "pipe.py")

    with Index(root) as index:
        assert not index.named("secret")
        assert not index.named("hidden")
        assert not {"link.py", "linked/secret.py", "pipe.py", "hidden/a.py"} & set(index.files)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"no database at all, but some text" * 100,
        lambda data: data[: len(data) // 2],
        lambda data: data[:100] + bytes(len(data) - 100),
        lambda data: data.replace(b"m3.py", b"m\xff.py").replace(b'"f', b'f"'),
    ],
)
def test_a_damaged_cache_is_made_anew(root: Path, damage: object) -> None:
    expected = known(root)
    assert callable(damage)
    cache().write_bytes(damage(cache().read_bytes()))

    known(root)
    write(root, "pkg/m0.py", "def f0(): pass\n")

    assert known(root) == expected
    assert render_map(root, 500)


@settings(max_examples=examples(40), deadline=None)
@given(at=st.floats(0, 1), junk=st.binary(min_size=1, max_size=64))
def test_no_damage_ends_it(
    at: float, junk: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("work")
    folder = tmp_path_factory.mktemp("cache")
    write(root, "a.py", "def alpha(): pass\n")
    Index(root, folder).close()
    (file,) = folder.glob("*.db")
    data = file.read_bytes()
    place = int(at * len(data))
    file.write_bytes(data[:place] + junk + data[place + len(junk) :])

    with Index(root, folder) as index:
        assert set(index.files) <= {"a.py"} or index.files


def test_a_cache_of_another_workspace_or_form_is_made_anew(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "other", "b.py", "def b(): pass\n")
    expected = known(root)
    mine = cache()
    data = mine.read_bytes()
    with Index(tmp_path / "other"):
        pass
    (other,) = set((paths.cache_dir() / "repomap").glob("*.db")) - {mine}
    other.write_bytes(data)

    assert known(tmp_path / "other") == {"b.py": ["b"]}
    assert known(root) == expected


def test_where_nothing_can_be_kept_it_is_made_for_the_moment(root: Path) -> None:
    paths.cache_dir().parent.mkdir(parents=True, exist_ok=True)
    paths.cache_dir().write_text("no folder")

    assert known(root)["pkg/m0.py"] == ["f0"]


def test_several_at_once_all_know_everything(root: Path) -> None:
    found: list[dict[str, list[str]]] = []
    threads = [threading.Thread(target=lambda: found.append(known(root))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 6
    assert all(each == found[0] for each in found)
    with contextlib.closing(sqlite3.connect(cache())) as db:
        assert db.execute("SELECT count(*) FROM files").fetchone() == (len(found[0]),)


@pytest.mark.slow
def test_processes_read_what_this_one_would(root: Path) -> None:
    for number in range(100):
        write(root, f"many/n{number}.py", f"class C{number}:\n    def m(self): pass\n")
    files = [(path.relative_to(root).as_posix(), 10) for path in sorted(root.rglob("*.py"))]

    many = dict(contents(root, files))
    few = {path: dict(contents(root, [(path, 1)]))[path] for path, _ in files}

    assert many == few
    assert many["many/n7.py"] is not None


@pytest.mark.slow
def test_a_file_that_ends_a_process_is_left_out(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        write(root, f"many/n{number}.py", f"def g{number}(): pass\n")
    write(root, "many/bad.py", "def bad(): pass\n")
    from qcode.repomap import workers

    ends = """
import qcode.repomap.workers as w, os
old = w.content
w.content = lambda root, path: os._exit(9) if path.endswith("bad.py") else old(root, path)
child()
"""
    monkeypatch.setattr(workers, "_CHILD", workers._CHILD.replace("child()\n", ends))

    with Index(root) as index:
        assert "many/bad.py" in index.files
        assert not index.named("bad")
        assert index.named("g99")


def test_what_takes_too_long_goes_on_the_next_time(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "PATIENCE_S", 0.0)
    counts = []
    for _ in range(10):
        with Index(root) as index:
            counts.append(sum(bool(row.grammar) for row in index.files.values()))
            is_partial = index.is_partial

    assert counts == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8]
    assert not is_partial


def test_old_numbers_are_cleaned_away(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known(root)
    for turn in range(80):
        for number in range(8):
            write(root, f"pkg/m{number}.py", f"def f{number}_{turn}():\n    return {turn}\n")
        known(root)

    with Index(root) as index:
        assert int(index.store.about("dead")) < 520
        assert index.store.count_having("return") < 530
        assert [row.path for row in index.mentioning("f3_79")] == ["pkg/m3.py"]


def test_the_map_is_the_same_for_the_same(root: Path) -> None:
    first = render_map(root, 300, "`f3` is wrong")
    cache().unlink()
    hashed = (
        "from pathlib import Path; import sys; from qcode.repomap import render_map;"
        "print(render_map(Path(sys.argv[1]), 300, '`f3` is wrong'), end='')"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", hashed, root], check=True, capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip

    assert outputs == {first}
    assert first.startswith("pkg/m3.py:\n1: def f3()\n")


@settings(max_examples=examples(30), deadline=None)
@given(budget=st.integers(0, 400), request=st.text(max_size=200))
def test_the_map_fits_its_budget(
    budget: int, request: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from qcode.context import estimate_tokens

    root = tmp_path_factory.getbasetemp() / "fits"
    if not root.exists():
        for number in range(20):
            write(root, f"m{number}.py", f"class C{number}:\n    def m(self, a): pass\n" * 9)

    assert estimate_tokens(render_map(root, budget, request)) <= max(1, budget)


def test_hidden_files_are_not_in_the_map(root: Path) -> None:
    text = render_map(root, 500, "f3", is_hidden=lambda path: path.name == "m3.py")

    assert "m3.py" not in text
    assert "m2.py" in text


def test_an_empty_workspace_has_an_empty_map(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert render_map(tmp_path / "empty", 500, "anything at all.py:3") == ""
    assert known(tmp_path / "empty") == {}


def order(root: Path, request: str) -> list[str]:
    return ask(root, lambda index: [one.row.path for one in rank_files(index, request)])


def test_traces_names_paths_and_words_decide(root: Path) -> None:
    write(root, "src/app/server.py", "class HttpServer:\n    def serve(self): pass\n")
    write(root, "src/app/client.py", "def connect_socket(): pass\n")
    write(root, "vendor/server.py", "class HttpServer:\n    def serve(self): pass\n")
    write(root, "tests/test_server.py", "def test_http_server(): HttpServer().serve()\n")
    trace = (
        'Traceback\n  File "/x/lib/python3/json.py", line 3, in f\n'
        '  File "/srv/src/app/client.py", line 1, in g\n'
    )

    assert order(root, "The http server does not serve")[0] == "src/app/server.py"
    assert order(root, "look at app/client.py")[0] == "src/app/client.py"
    assert order(root, "app.client.connect_socket hangs")[0] == "src/app/client.py"
    assert order(root, trace)[0] == "src/app/client.py"
    assert order(root, "pkg/m5.py:2: error")[0] == "pkg/m5.py"
    assert order(root, "`f6` is slow")[0] == "pkg/m6.py"
    assert order(root, "HttpServer").index("vendor/server.py") > 1


def test_what_was_changed_lately_comes_first_where_nothing_else_decides(root: Path) -> None:
    for words in (
        ("init", "-q"), ("add", "."), ("commit", "-qm", "all"),
    ):  # fmt: skip
        git(root, *words)
    write(root, "pkg/m5.py", "def f5():\n    return f6( )\n")
    git(root, "commit", "-qam", "one")
    known(root)

    assert order(root, "")[0] == "pkg/m5.py"


def git(root: Path, *words: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@y")
    subprocess.run(["git", *identity, *words], cwd=root, check=True)


@pytest.mark.parametrize(
    "path, text, is_low",
    [
        ("src/a.py", "x = 1\n", False),
        ("node_modules/a/b.js", "x = 1\n", True),
        ("third_party/a.c", "int x;\n", True),
        ("src/a_pb2.py", "x = 1\n", True),
        ("src/a.go", "// Code generated by x. DO NOT EDIT.\n", True),
        ("src/a.js", "var a=1;" * 2000, True),
        ("src/b.js", "/* @generated */\nx\n", True),
    ],
)
def test_what_nobody_wrote_counts_little(root: Path, path: str, text: str, is_low: bool) -> None:
    write(root, path, text)

    with Index(root) as index:
        assert (index.files[path].weight < 0.2) is is_low
