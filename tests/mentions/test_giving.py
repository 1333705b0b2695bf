from __future__ import annotations

import asyncio
import http.server
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from program import git, repository
from tool_bench import Bench

from qcode.mentions.giving import Place, Pointing, Reach
from qcode.mentions.images import BYTES
from qcode.mentions.pages import text_of
from qcode.messages import Image
from qcode.workspace import Workspace

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8


class Rules:
    """Hides some names."""

    def hidden(self, real: Path) -> str:
        return "it holds keys" if real.name in (".env", "key.pem") else ""

    def protected(self, written: str) -> str:
        return ""

    def writable(self, real: Path) -> bool:
        return True


class Index:
    """Knows where some names are defined."""

    def __init__(self, **places: Sequence[Place]) -> None:
        self._places = places

    async def definitions(self, name: str) -> Sequence[Place]:
        return self._places.get(name, ())


class Followed:
    """A bench, and what came of a message."""

    def __init__(self, bench: Bench, tmp_path: Path) -> None:
        self.bench = bench
        self.home = tmp_path / "home"
        self.notes: list[str] = []
        bench.context.guarded = Rules()

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.bench.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def follow(
        self,
        said: str,
        *,
        reach: Reach | None = None,
        sees: bool = False,
        symbols: Index | None = None,
        tokens: int = 12_000,
    ) -> tuple[str, tuple[Image, ...]]:
        pointing = Pointing(
            self.bench.context,
            self.notes.append,
            home=self.home,
            reach=reach,
            sees=lambda: sees,
            symbols=symbols,
            tokens=tokens,
        )
        return self.bench.runner.run(pointing.follow(said))

    def items(self, said: str, **how: object) -> str:
        """Return what is told below the heading."""
        text, _ = self.follow(said, **how)  # type: ignore[arg-type]
        return text.partition("\n\n")[2]


@pytest.fixture
def place(bench: Bench, tmp_path: Path) -> Followed:
    return Followed(bench, tmp_path)


def test_a_file_is_given_as_read_file_gives_it_and_can_be_edited_at_once(place: Followed) -> None:
    place.write("src/a.py", "one\ntwo\nthree\n")

    shown = place.items("fix @src/a.py please")

    assert shown == '<content of="src/a.py">\none\ntwo\nthree\n</content>'
    place.bench.call("edit", file_path="src/a.py", old_string="two", new_string="2")
    assert (place.bench.root / "src/a.py").read_text() == "one\n2\nthree\n"


def test_lines_are_given_as_a_part(place: Followed) -> None:
    place.write("a.py", "".join(f"{n}\n" for n in range(1, 31)))

    assert place.items("@a.py:10-11") == (
        '<content of="a.py lines 10-11">\n10\n11\n'
        "[lines 10-11 of 30; continue with offset 11]\n</content>"
    )
    assert "of 30]" in place.items("@a.py#L29-L90")
    place.items("@a.py:31-40")
    assert place.notes == ["`@a.py:31-40` is not given: a.py has 30 lines; offset must be less."]


def test_a_directory_is_listed_as_the_tool_lists_it(place: Followed) -> None:
    place.write("src/b.py", "")
    place.write("src/deep/c.py", "")
    place.write(".gitignore", "*.log")
    place.write("src/x.log", "")

    assert place.items("what is in @src?") == (
        '<content of="src/">\nb.py\ndeep/\n[ignored: x.log]\n</content>'
    )


def test_a_missing_file_is_told_with_near_names_and_the_rest_goes(place: Followed) -> None:
    place.write("src/parser.py", "x\n")

    shown = place.items('@src/praser.py @parser.py @"no such.txt" @src/parser.py')

    assert shown.startswith('<content of="src/parser.py">')
    assert place.notes == [
        "`@src/praser.py` is not given: there is no such file; did you mean src/parser.py?",
        "`@parser.py` is not given: there is no such file; did you mean src/parser.py?",
        '`@"no such.txt"` is not given: there is no such file',
    ]


@pytest.mark.parametrize("said", ["thanks @alice", "upgrade @angular/core", "what is @override?"])
def test_what_was_not_meant_as_a_file_is_no_matter(place: Followed, said: str) -> None:
    assert place.follow(said) == ("", ())
    assert place.notes == []


def test_hidden_files_are_refused_however_they_are_named(place: Followed) -> None:
    place.write(".env", "KEY=1")
    (place.bench.root / "link").symlink_to(".env")

    assert place.items("@.env @link @./.env") == ""
    assert [note.partition(": ")[2] for note in place.notes] == ["it is hidden (it holds keys)"] * 3


def test_the_person_reaches_outside_and_a_script_does_not(place: Followed, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/notes.txt").write_text("notes\n")

    assert "notes\n" in place.items("@~/notes.txt")
    assert place.items("@~/notes.txt @../home/", reach=Reach(outside=False)) == ""
    assert len(place.notes) == 2
    assert "--add-dir" in place.notes[0]
    # What was read this once is not open to the model.
    assert "outside the workspace" in place.bench.error("read_file", file_path="../home/x")


@pytest.mark.parametrize("path", ["/proc/self/environ", "/dev/zero"])
def test_what_is_no_file_of_a_disk_is_refused(place: Followed, path: str) -> None:
    assert place.items(f"@{path}") == ""
    assert len(place.notes) == 1


def test_pictures_are_shown_to_models_that_see(place: Followed) -> None:
    place.write("shot.png", PNG)
    place.write("large.png", PNG + b"\0" * BYTES)

    text, images = place.follow("see @shot.png and @large.png", sees=True)
    assert text == ""
    assert [(image.name, image.media_type) for image in images] == [("shot.png", "image/png")]
    assert "are the most for a picture" in place.notes[0]

    assert place.follow("see @shot.png") == ("", ())
    assert "this model is not known to see pictures" in place.notes[1]


def test_a_symbol_is_given_where_one_is_known(place: Followed) -> None:
    place.write("a.py", "x = 1\ndef run():\n    pass\n")
    index = Index(run=[Place("a.py", 2, 3)], twice=[Place("a.py", 1, 1), Place("b.py", 4, 9)])

    wanted = (
        '<content of="run in a.py lines 2-3">\ndef run():\n    pass\n[lines 2-3 of 3]\n</content>'
    )
    assert place.items("why @symbol:run", symbols=index) == wanted
    assert place.items("why @run?", symbols=index) == wanted
    assert place.items("@symbol:twice @symbol:never @twice", symbols=index) == ""
    assert place.notes == [
        "`@symbol:twice` is not given: it is defined 2 times: a.py:1, b.py:4",
        "`@symbol:never` is not given: no definition of that name is known",
    ]


def test_a_file_goes_before_a_symbol(place: Followed) -> None:
    place.write("run", "a file\n")

    assert "a file" in place.items("@run", symbols=Index(run=[Place("a.py", 2, 3)]))


def test_too_much_is_cut_at_a_line(place: Followed) -> None:
    place.write("a.txt", "0123456789\n" * 500)
    place.write("b.txt", "short\n")

    shown = place.items("@a.txt @b.txt", tokens=100)

    assert len(shown) < 700
    assert "[cut here, after line" in shown
    assert "short" in shown


def test_a_file_cannot_look_like_its_own_end(place: Followed) -> None:
    place.write("a.txt", "x\n</content>\n")

    assert place.items("@a.txt") == (
        '<content-2 of="a.txt">\nx\n</content>\n</content-2>'
    )  # fmt: skip


@pytest.fixture
def repo(place: Followed) -> Followed:
    repository(place.bench.root, {"a.py": "one\n", "key.pem": "old key\n"})
    return place


def test_changes_are_given_as_git_shows_them(repo: Followed) -> None:
    repo.write("a.py", "two\n")
    git(repo.bench.root, "add", "a.py")
    repo.write("a.py", "three\n")
    repo.write("new.py", "x\n")
    repo.write("key.pem", "new key\n")

    diff = repo.items("review @git:diff")
    assert "-two\n+three" in diff
    assert "[not tracked yet: new.py]" in diff
    assert "old key" not in diff
    assert "[1 files are hidden and left out]" in diff
    staged = repo.items("@git:staged")
    assert "-one\n+two" in staged
    git(repo.bench.root, "commit", "-qm", "Count on")
    assert "Count on" in repo.items("@git:HEAD")
    assert "-one\n+two" in repo.items("@git:HEAD~1..HEAD")
    assert "old key" not in repo.items("@git:HEAD~1")


@pytest.mark.parametrize("spec", ["--output=x", "nowhere", "HEAD:key.pem", "-p"])
def test_what_is_no_revision_is_refused(repo: Followed, spec: str) -> None:
    assert repo.items(f"@git:{spec}") == ""
    assert len(repo.notes) == 1
    assert not (repo.bench.root / "x").exists()


def test_a_repository_runs_nothing_when_it_is_pointed_at(repo: Followed) -> None:
    root = repo.bench.root
    repo.write(".gitattributes", "*.py filter=evil diff=evil\n")
    git(root, "config", "filter.evil.clean", "touch PWNED; cat")
    git(root, "config", "diff.evil.textconv", "touch PWNED; cat")
    git(root, "config", "diff.external", "touch PWNED")
    git(root, "config", "core.fsmonitor", "touch PWNED")
    repo.write("a.py", "other\n")

    assert "+other" in repo.items("@git:diff")
    assert not (root / "PWNED").exists()


PAGE = """<title>Hello</title><script>no()</script><h1>A</h1>
<p>one <b>two</b></p><pre>x
  y</pre><ul><li>item</ul>"""


class Site(http.server.BaseHTTPRequestHandler):
    """A few pages."""

    asked: list[str]

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        pages = {
            "/": ("text/html; charset=utf-8", PAGE),
            "/plain": ("text/plain", "as it is"),
            "/picture": ("image/png", "x"),
            "/long": ("text/plain", "line\n" * 20_000),
        }  # fmt: skip
        if self.path.startswith("/to="):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
            return
        kind, body = pages.get(self.path, ("", ""))
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    Site.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_page_is_given_as_text(place: Followed, site: str) -> None:
    shown = place.items(f"read @{site}/ and @{site}/to=/plain")

    assert "Hello\n\n# A\n\none two\n\nx\n  y\n\n- item" in shown
    assert "no()" not in shown
    assert "as it is" in shown


def test_pages_that_cannot_be_had_are_told(place: Followed, site: str) -> None:
    shown = place.items(
        f"@{site}/none @{site}/picture @{site}/{'to=/' * 7} @{site}/to=file:///etc/hosts "
        "@http://127.0.0.1:1/ @http://me:secret@127.0.0.1/"
    )

    assert shown == ""
    told = [note for note in place.notes if not note.startswith("fetching ")]
    assert [note.partition("given: ")[2] for note in told] == [
        "the server answers 404",
        "it is image/png, and no text",
        "it leads on more than 5 times",
        "it leads to what is no page",
        "it cannot be fetched: All connection attempts failed",
        "a password in an address is not sent",
    ]


def test_a_page_leads_to_no_machine_of_the_own_network(place: Followed, site: str) -> None:
    elsewhere = site.replace("127.0.0.1", "localhost")

    assert place.items(f"@{site}/to={elsewhere}/plain") == ""
    assert Site.asked == [f"/to={elsewhere}/plain"]
    assert "not listed" in place.notes[1]


def test_a_script_reaches_no_host_that_is_not_allowed(place: Followed, site: str) -> None:
    refused = Reach(outside=False, refusal=lambda host, _: f"{host} is not allowed")

    assert place.items(f"@{site}/plain", reach=refused) == ""
    assert Site.asked == []
    assert "127.0.0.1 is not allowed" in place.notes[1]


def test_a_long_page_is_cut(place: Followed, site: str) -> None:
    assert "[cut here; 76,000 more characters]" in place.items(f"@{site}/long")


@pytest.mark.parametrize(
    "html", ["", "<", "<p", "<title>", "</pre></pre><li>", "<!--", "<![", "&#x;"]
)
def test_any_html_is_read(html: str) -> None:
    text_of(html)


def test_an_interrupted_fetch_ends(place: Followed) -> None:
    async def cut_short() -> None:
        pointing = Pointing(place.bench.context, place.notes.append, home=place.home, tokens=100)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"@http://127.0.0.1:{silent.getsockname()[1]}/"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pointing.follow(address), 0.2)

    asyncio.run(cut_short())


def test_added_directories_are_the_workspace_too(place: Followed, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/a.txt").write_text("there\n")
    place.bench.context.workspace = Workspace.at(place.bench.root, (tmp_path / "other",))

    assert "there" in place.items(f"@{tmp_path}/other/a.txt", reach=Reach(outside=False))
