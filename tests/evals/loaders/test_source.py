"""Benchmarks fetched: local repositories, files and archives by loopback HTTP, pins held."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from eval_places import git, repository, write

from qcode.errors import QcodeError, UsageError
from qcode.evals.loaders import source
from qcode.evals.loaders.base import Loading


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def loading(tmp_path: Path) -> Loading:
    return Loading(tmp_path / "cache")


def archive(path: Path, name: str = "top/a.txt") -> str:
    with tarfile.open(path, "w:gz") as packed:
        info = tarfile.TarInfo(name)
        info.size = 3
        packed.addfile(info, io.BytesIO(b"abc"))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    assert source.find(str(tmp_path), loading(tmp_path)) == tmp_path.resolve()


def test_what_is_nowhere_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no nowhere/at/all; give a folder"):
        source.find("nowhere/at/all", loading(tmp_path))


def test_a_repository_is_cloned_once_and_its_commit_named(tmp_path: Path) -> None:
    first = repository(tmp_path / "bench", {"a": "1"})
    told = loading(tmp_path)
    url = (tmp_path / "bench").as_uri()

    place = source.find(url, told)
    repository(tmp_path / "bench", {"a": "2"})
    again = source.find(url, told)

    assert (place, (again / "a").read_text()) == (again, "1")
    assert told.notes == [f"{url} is at {first}; pin it: {url}#rev={first}"]


def test_a_pinned_repository_is_at_that_revision(tmp_path: Path) -> None:
    first = repository(tmp_path / "bench", {"a": "1"})
    repository(tmp_path / "bench", {"a": "2"})
    told = loading(tmp_path)

    place = source.find(f"{(tmp_path / 'bench').as_uri()}#rev={first}", told)

    assert ((place / "a").read_text(), told.notes) == ("1", [])


def test_a_revision_that_is_an_option_is_refused(tmp_path: Path) -> None:
    repository(tmp_path / "bench", {"a": "1"})
    with pytest.raises(UsageError, match="is no git revision"):
        source.find(f"{(tmp_path / 'bench').as_uri()}#rev=--upload-pack=x", loading(tmp_path))


def test_a_clone_that_fails_leaves_nothing(tmp_path: Path) -> None:
    told = loading(tmp_path)
    with pytest.raises(QcodeError, match="git clone failed"):
        source.find((tmp_path / "none.git").as_uri(), told)

    assert list(told.cache.iterdir()) == []


def test_an_archive_is_fetched_unpacked_and_its_checksum_named_once(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    folder, url = served
    digest = archive(folder / "bench.tar.gz")
    told = loading(tmp_path)

    place = source.find(f"{url}/bench.tar.gz", told)
    (folder / "bench.tar.gz").unlink()
    again = source.find(f"{url}/bench.tar.gz", told)

    assert (place.name, (again / "a.txt").read_text()) == ("top", "abc")
    assert [note.partition("pin it: ")[2] for note in told.notes] == [
        f"{url}/bench.tar.gz#sha256={digest}"
    ]


def test_another_checksum_than_the_pinned_is_refused(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    folder, url = served
    digest = archive(folder / "b.tar.gz")
    told = loading(tmp_path)
    with pytest.raises(QcodeError, match=f"has the SHA-256 {digest}, not {'0' * 64}"):
        source.find(f"{url}/b.tar.gz#sha256={'0' * 64}", told)

    assert list(told.cache.iterdir()) == []
    assert source.find(f"{url}/b.tar.gz#sha256={digest}", told).name == "top"
    assert told.notes == []


def test_a_zip_and_a_plain_file_are_fetched(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    with zipfile.ZipFile(folder / "b.zip", "w") as packed:
        packed.writestr("one/a.txt", "1")
        packed.writestr("two/b.txt", "2")
    (folder / "tasks.jsonl").write_text("{}\n")
    told = loading(tmp_path)

    place = source.find(f"{url}/b.zip", told)

    assert sorted(each.name for each in place.iterdir()) == ["one", "two"]
    assert source.find(f"{url}/tasks.jsonl", told).read_text() == "{}\n"


def test_an_archive_that_leads_out_of_its_folder_is_refused(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    folder, url = served
    archive(folder / "b.tar.gz", "../../outside.txt")
    with pytest.raises(QcodeError, match="cannot be unpacked"):
        source.find(f"{url}/b.tar.gz", loading(tmp_path))

    assert list(tmp_path.rglob("outside.txt")) == []


def test_what_is_not_there_and_wrong_pins_are_told(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    _, url = served
    with pytest.raises(QcodeError, match="cannot be fetched: .*404|cannot be fetched: File not"):
        source.find(f"{url}/none.zip", loading(tmp_path))
    with pytest.raises(UsageError, match="`#md5=` pins nothing"):
        source.find(f"{url}/none.zip#md5=1", loading(tmp_path))
    with pytest.raises(UsageError, match="is no SHA-256"):
        source.find(f"{url}/none.zip#sha256=12", loading(tmp_path))


def test_one_commit_is_fetched_without_what_came_after(tmp_path: Path) -> None:
    repository(tmp_path / "repo", {"a": "old secret"})
    base = repository(tmp_path / "repo", {"a": "base"})
    repository(tmp_path / "repo", {"a": "the fix"})

    source.fetch_commit((tmp_path / "repo").as_uri(), base, tmp_path / "kept")

    shown = git(tmp_path / "kept", "cat-file", "--batch", "--batch-all-objects")
    assert ("base" in shown, "the fix" in shown, "old secret" in shown) == (True, False, False)


def test_a_commit_that_is_none_leaves_nothing(tmp_path: Path) -> None:
    repository(tmp_path / "repo", {"a": "1"})
    (tmp_path / "cache").mkdir()
    with pytest.raises(QcodeError, match=f"has no commit {'0' * 40}"):
        source.fetch_commit((tmp_path / "repo").as_uri(), "0" * 40, tmp_path / "cache/kept")

    assert list((tmp_path / "cache").iterdir()) == []


def test_offline_nothing_is_asked_of_others(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from qcode.errors import OfflineError\n"
        "from qcode.network import guard\n"
        "from qcode.evals.loaders import source\n"
        "from qcode.evals.loaders.base import Loading\n"
        "guard.refuse_others()\n"
        "for url in ('https://example.invalid/a.zip', 'git@example.invalid:a/b.git'):\n"
        "    try:\n"
        "        source.find(url, Loading(Path('cache')))\n"
        "    except OfflineError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )

    lines = done.stdout.splitlines()
    assert [line.split(" is not this machine")[0] for line in lines] == [
        "offline: example.invalid (a benchmark)"
    ] * 2, done.stderr


def test_links_and_repositories_in_a_folder_are_no_files_of_a_task(tmp_path: Path) -> None:
    from qcode.evals.loaders.base import tree

    write(tmp_path, {"a.txt": "a", ".git/config": "x", "sub/.git": "gitdir: x", "b.bin": b"\xff"})
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "run").write_text("#!")
    (tmp_path / "run").chmod(0o755)

    assert tree(tmp_path) == {
        "a.txt": "a",
        "b.bin": {"b64": "/w=="},
        "run": {"text": "#!", "exec": True},
    }
