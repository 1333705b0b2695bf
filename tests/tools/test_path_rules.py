"""What is hidden and protected is kept from the tools, whoever forgot to ask."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tool_bench import Bench

from qcode.errors import ToolError
from qcode.record import Record
from qcode.sandbox import plain
from qcode.sandbox.child import Child
from qcode.sandbox.launching import Purpose
from qcode.tools import ripgrep, search


class Rules(Record):
    """As a sandbox's policy would have them."""

    root: Path
    is_read_only: bool = False

    def hidden(self, real: Path) -> str:
        return "it holds keys" if {".env", "keys"} & set(real.parts) else ""

    def protected(self, written: str) -> str:
        parts = os.path.realpath(os.path.join(self.root, written)).split("/") + written.split("/")
        names = {part.rstrip(". ").casefold() for part in parts}
        return "it is obeyed" if names & {".git", ".qcode", ".vscode"} else ""

    def writable(self, real: Path) -> bool:
        return not self.is_read_only and (real == self.root or self.root in real.parents)


@pytest.fixture
def guarded(bench: Bench) -> Bench:
    bench.context.guarded = Rules(bench.root)
    return bench


EDITS: list[tuple[str, Any]] = [
    ("write_file", lambda path: {"file_path": path, "content": "PWNED\n"}),
    ("edit", lambda path: {"file_path": path, "old_string": "old", "new_string": "PWNED"}),
    (
        "multi_edit",
        lambda path: {
            "edits": [{"file_path": path, "old_string": "old", "new_string": "PWNED"}],
        },
    ),
    (
        "apply_patch",
        lambda path: {
            "input": f"*** Begin Patch\n*** Update File: {path}\n@@\n-old\n+PWNED\n*** End Patch"
        },
    ),
    (
        "apply_patch",
        lambda path: {"input": f"*** Begin Patch\n*** Delete File: {path}\n*** End Patch"},
    ),
    (
        "apply_patch",
        lambda path: {
            "input": f"*** Begin Patch\n*** Update File: {path}\n*** Move to: moved\n@@\n-old\n"
            "+PWNED\n*** End Patch"
        },
    ),
]


def refusal(bench: Bench, name: str, arguments: dict[str, Any]) -> str:
    with pytest.raises(ToolError) as caught:
        bench.call(name, **arguments)
    return str(caught.value)


@pytest.mark.parametrize("name, arguments", EDITS)
@pytest.mark.parametrize(
    "path", [".vscode/settings.json", ".QCODE/config", ".vscode./settings.json", "link/config"]
)
def test_no_tool_changes_what_is_protected(
    guarded: Bench, path: str, name: str, arguments: Any
) -> None:
    guarded.write(".qcode/config", "old\n")
    guarded.write(".vscode/settings.json", "old\n")
    (guarded.root / "link").symlink_to(".qcode")
    if not (file := guarded.root / path).exists():
        file.parent.mkdir()
        file.write_text("old\n")
    guarded.context.seen[file.resolve()] = ""

    assert "protected (it is obeyed)" in refusal(guarded, name, arguments(path))

    assert file.read_text() == "old\n"
    assert not (guarded.root / "moved").exists()


@pytest.mark.parametrize("name, arguments", EDITS[:2])
def test_what_a_person_allowed_is_changed(guarded: Bench, name: str, arguments: Any) -> None:
    file = guarded.write(".vscode/settings.json", "old\n")
    guarded.call("read_file", file_path=".vscode/settings.json")
    guarded.context.allowed_writing.add(file.resolve())

    guarded.call(name, **arguments(".vscode/settings.json"))

    assert file.read_text() == "PWNED\n"
    assert "protected" in refusal(guarded, "write_file", EDITS[0][1](".vscode/other"))


def test_moving_into_what_is_protected_is_refused(guarded: Bench) -> None:
    guarded.write("a", "old\n")
    patch = (
        "*** Begin Patch\n*** Update File: a\n*** Move to: .git/hooks/pre-commit\n@@\n-old\n"
        "+PWNED\n*** End Patch"
    )
    assert "protected" in refusal(guarded, "apply_patch", {"input": patch})
    assert not (guarded.root / ".git").exists()


def test_a_link_that_is_protected_itself_is_not_deleted(guarded: Bench) -> None:
    guarded.write("elsewhere", "old\n")
    (guarded.root / ".vscode").symlink_to("elsewhere")
    patch = "*** Begin Patch\n*** Delete File: .vscode\n*** End Patch"

    assert "protected" in refusal(guarded, "apply_patch", {"input": patch})

    assert (guarded.root / ".vscode").is_symlink()


@pytest.mark.parametrize("name, arguments", EDITS)
def test_a_read_only_policy_changes_nothing(bench: Bench, name: str, arguments: Any) -> None:
    file = bench.write("a", "old\n")
    bench.context.guarded = Rules(bench.root, is_read_only=True)
    bench.context.allowed_outside.add(bench.root.parent)

    assert "sandbox is read-only" in refusal(bench, name, arguments("a"))
    assert "sandbox is read-only" in refusal(
        bench, name, arguments(str(bench.root.parent / "beside"))
    )
    assert "old" in bench.text("read_file", file_path="a")

    assert file.read_text() == "old\n"


@pytest.mark.parametrize("name, arguments", [*EDITS, ("read_file", lambda p: {"file_path": p})])
@pytest.mark.parametrize("path", [".env", "notes", "keys/file", "folder/file"])
def test_no_tool_shows_or_changes_what_is_hidden(
    guarded: Bench, path: str, name: str, arguments: Any
) -> None:
    guarded.write(".env", "old\n")
    guarded.write("keys/file", "old\n")
    (guarded.root / "notes").symlink_to(".env")
    (guarded.root / "folder").symlink_to("keys")

    assert "hidden (it holds keys)" in refusal(guarded, name, arguments(path))

    assert (guarded.root / ".env").read_text() == "old\n"


def test_hidden_folders_are_not_listed_nor_searched_unless_allowed(guarded: Bench) -> None:
    guarded.write("keys/file", "old\n")
    for name, arguments in (
        ("list_directory", {"path": "keys"}),
        ("grep_search", {"pattern": "old", "path": "keys"}),
        ("glob", {"pattern": "*", "path": "keys"}),
    ):
        assert "hidden" in refusal(guarded, name, arguments)
    guarded.context.allowed_hidden.add(guarded.root / "keys")
    assert "file" in guarded.text("list_directory", path="keys")
    assert "old" in guarded.text("read_file", file_path="keys/file")
    assert "old" in guarded.text("grep_search", pattern="old", path="keys")


@pytest.mark.parametrize("with_ripgrep", [True, False])
def test_a_search_leaves_out_what_is_hidden(
    guarded: Bench, monkeypatch: pytest.MonkeyPatch, *, with_ripgrep: bool
) -> None:
    if not with_ripgrep:
        monkeypatch.setattr(ripgrep, "find_ripgrep", lambda _path, _root: None)
    guarded.write(".env", "KEY=SECRET\n")
    guarded.write("keys/a", "SECRET\nSECRET\n")
    guarded.write("plain", "SECRET\n")

    text = guarded.text("grep_search", pattern="SECRET")
    assert text.splitlines()[:2] == ["plain", "1:SECRET"]
    assert "KEY" not in text
    assert text.splitlines()[2:] == ["[Left out, as the content is hidden: .env, keys/a]"]
    only = guarded.call("grep_search", pattern="SECRET", glob=".env")
    assert only.summary == "no matches"
    assert "KEY" not in only.text
    assert "hidden: .env" in only.text


@pytest.mark.parametrize("path", ["/proc/self/environ", "/dev/stdin", "/sys/kernel/mm", "/dev"])
def test_the_running_system_is_left_alone_even_if_allowed(bench: Bench, path: str) -> None:
    if not os.path.exists(path):
        pytest.skip("not there")
    bench.context.allowed_outside.add(Path("/"))
    if not os.path.realpath(path).startswith(("/proc", "/dev", "/sys")):
        pytest.skip("leads elsewhere")
    for name, argument in (("read_file", "file_path"), ("list_directory", "path")):
        assert "running system" in refusal(bench, name, {argument: path})


def test_a_mark_of_a_secret_is_not_written_in_its_place(bench: Bench) -> None:
    key = "sk-…"
    file = bench.write("a", "key = 'sk-real0123456789'\nother = 1\n")
    bench.call("read_file", file_path="a")
    masked = f"key = '[masked: {key}]'\nother = 2\n"

    for name, arguments in (
        ("write_file", {"file_path": "a", "content": masked}),
        ("write_file", {"file_path": "new", "content": masked}),
        ("edit", {"file_path": "a", "old_string": "other = 1", "new_string": masked}),
    ):
        assert "stands for a secret" in refusal(bench, name, arguments)
    assert "real" in file.read_text()
    assert not (bench.root / "new").exists()
    bench.call("edit", file_path="a", old_string="other = 1", new_string="other = 2")

    bench.write("documented", masked)
    bench.call("edit", file_path="documented", old_string="other = 2", new_string="other = 3")
    again = {"file_path": "documented", "old_string": "other = 3", "new_string": masked}
    assert "stands for a secret" in refusal(bench, "edit", again)


def test_both_searches_are_started_by_what_is_handed_in(bench: Bench) -> None:
    bench.write("a", "needle\n")
    started: list[tuple[Sequence[str], Purpose]] = []

    def start(argv: Sequence[str], *, purpose: Purpose = Purpose.COMMAND, **more: Any) -> Child:
        started.append((argv, purpose))
        return plain.start(argv, **more)

    query = search.Query(bench.root, bench.root, "needle", None, 10)
    environment = bench.environment
    found = [bench.runner.run(search.with_python(query, environment, start=start))]
    program = ripgrep.find_ripgrep(environment["PATH"], bench.root)
    if program:
        found.append(
            bench.runner.run(ripgrep.with_ripgrep(program, query, environment, start=start))
        )
    assert [purpose for _, purpose in started] == [Purpose.LOOK] * len(found)
    assert [each.count for each in found] == [1] * len(found)


def test_a_hard_link_to_a_file_outside_is_broken_and_not_written_through(bench: Bench) -> None:
    outside = bench.root.parent / "keep"
    outside.write_text("original\n")
    os.link(outside, bench.root / "hard")
    bench.call("read_file", file_path="hard")

    bench.call("write_file", file_path="hard", content="PWNED\n")

    assert outside.read_text() == "original\n"
    assert (bench.root / "hard").read_text() == "PWNED\n"


def test_nothing_of_this_starts_a_process(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_arguments: Any, **_named: Any) -> None:
        raise AssertionError

    bench.write("sub/a", "old\n")
    monkeypatch.setattr(subprocess, "Popen", no)
    bench.call("read_file", file_path="sub/a")
    bench.call("write_file", file_path="sub/a", content="new\n")
    bench.call("glob", pattern="**/*")
    bench.call("list_directory", path="sub")
