from __future__ import annotations

import re
from pathlib import Path

import pytest
from prompt_toolkit.layout.screen import Char

from qcode.errors import UsageError
from qcode.hyperlinks import LONGEST, Target, takes_links, target_of, template_of
from qcode.ui.links import Linker
from qcode.ui.printable import fits_surely
from qcode.ui.settled import shared

LINK = re.compile(r"\x1b\]8;;([^\x1b]*)\x1b\\(.*?)\x1b\]8;;\x1b\\")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("src/app.py", "src/[id]/page.tsx", "README.md", "naïve.py", "src/app.py.orig"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x\n")
    return tmp_path


def shown(place: Path, text: str, form: str = "{path}#{line}:{column}") -> list[tuple[str, str]]:
    linked = Linker(place, Target(f"x:{form}", "host")).linked(text)
    assert LINK.sub(r"\2", linked) == text
    return [(uri.replace(str(place), "")[2:], label) for uri, label in LINK.findall(linked)]


@pytest.mark.parametrize(
    "text, links",
    [
        ("see src/app.py:12.", [("/src/app.py#12:1", "src/app.py:12")]),
        ("src/app.py:12:5: error", [("/src/app.py#12:5", "src/app.py:12:5")]),
        ("(src/app.py:3-9)", [("/src/app.py#3:1", "src/app.py:3-9")]),
        ("`README.md`,", [("/README.md#1:1", "README.md")]),
        ("**src/app.py**", [("/src/app.py#1:1", "src/app.py")]),
        ("src/[id]/page.tsx(4,2):", [("/src/%5Bid%5D/page.tsx#4:2", "src/[id]/page.tsx(4,2)")]),
        ('  File "src/app.py", line 7, in f', [("/src/app.py#7:1", 'File "src/app.py", line 7')]),
        ("src/app.py#L5-L9", [("/src/app.py#5:1", "src/app.py#L5-L9")]),
        ("naïve.py:2", [("/na%C3%AFve.py#2:1", "naïve.py:2")]),
        ("./src/../README.md", [("/README.md#1:1", "./src/../README.md")]),
        ("src/gone.py:12 app.py src src/ . .. / 1.5 https://example.org/README.md a@b.py", []),
        ("src/app.pyx:1 xsrc/app.py", []),
    ],
)  # fmt: skip
def test_what_names_a_file_that_is_there_is_a_link(
    place: Path, text: str, links: list[tuple[str, str]]
) -> None:
    assert shown(place, text) == links


def test_links_change_neither_styles_nor_widths(place: Path) -> None:
    painted = "\x1b[36m● \x1b[0;1medit\x1b[0m src/\x1b[31mapp.py\x1b[0m:3 done"
    linked = Linker(place, Target(host="h")).linked(painted)

    assert LINK.sub(r"\2", linked) == painted
    assert "src/\x1b[31mapp.py\x1b[0m:3\x1b]8;;\x1b\\ done" in linked
    assert fits_surely(linked, 25)
    assert not fits_surely(linked, 24)
    # What stands below as it was written has no link, so the line is sent whole.
    assert shared(linked, {0: Char("●")}, lambda _style: None) is None  # type: ignore[arg-type,return-value]


def test_nothing_in_a_name_ends_a_link(tmp_path: Path) -> None:
    for name in ("a;b\x07.py", "a\x1b\\b.py", "a\nb.py", "per%cent #1.py", "\udcff.py"):
        uri = Target(host="h").uri(str(tmp_path / name))
        assert re.fullmatch(r"file://h/[A-Za-z0-9/._~%-]+", uri)
    assert Target().uri("/x" * LONGEST) == ""


def test_only_known_terminals_take_links() -> None:
    def takes(**environ: str) -> bool:
        return takes_links({"TERM": "xterm-256color", **environ})

    assert not takes()
    assert takes(TERM_PROGRAM="vscode")
    assert takes(TERM="xterm-kitty")
    assert takes(TERM="foot-extra")
    assert takes(VTE_VERSION="7600")
    assert takes(WT_SESSION="1")
    assert not takes(VTE_VERSION="4800")
    assert not takes(TERM="dumb", TERM_PROGRAM="vscode")
    assert not takes(TERMINAL_EMULATOR="JetBrains-JediTerm")
    assert takes(TMUX="s", TERM_PROGRAM="tmux", TERM_PROGRAM_VERSION="3.4")
    assert not takes(TMUX="s", TERM_PROGRAM="tmux", TERM_PROGRAM_VERSION="3.3a")
    assert not takes(TMUX="s", VTE_VERSION="7600")
    assert not takes(STY="s", VTE_VERSION="7600")
    assert takes(FORCE_HYPERLINK="1")
    assert not takes(FORCE_HYPERLINK="0", WT_SESSION="1")


def test_a_click_can_open_at_the_line(place: Path) -> None:
    path = str(place / "README.md")

    assert target_of({}, "file", "box").uri(path, 3) == f"file://box{path}"
    assert target_of({"KITTY_WINDOW_ID": "1"}, "file", "box").uri(path, 3).endswith(".md#3")
    assert target_of({}, "cursor", "box").uri(path, 3) == f"cursor://file{path}:3:1"
    assert target_of({}, "idea", "b").uri(path, 3, 4).endswith(f"?file={path}&line=3&column=4")
    wsl = {"WSL_DISTRO_NAME": "My Linux", "WT_SESSION": "1"}
    assert target_of(wsl, "file", "b").uri("/x") == "file://wsl.localhost/My%20Linux/x"
    # The terminal of VS Code opens it at the line by itself, and cannot by such a link.
    vscode = Linker(place, target_of({"TERM_PROGRAM": "vscode"}, "file", "b"))
    assert vscode.linked("README.md:3") == "README.md:3"
    assert "\x1b]8;;file://b/" in vscode.linked("README.md")


@pytest.mark.parametrize(
    "form", ["", "nonsense", "x:{line}", "x:{path}{user}", "x:{path}\x1b", "x:{path}{"]
)
def test_a_form_of_links_has_to_be_sound(form: str) -> None:
    with pytest.raises(UsageError, match="no form of links"):
        template_of(form)
