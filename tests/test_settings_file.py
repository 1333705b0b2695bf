"""One key of a file is changed, and nothing else of it."""

from __future__ import annotations

import os
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcode.errors import UsageError
from qcode.settings_file import (
    change,
    changed,
    changed_table,
    extended,
    with_entry,
    without,
    written,
)

FILE = """\
# mine, not yours
model = "one"  # the good one
allow = [
  "shell(make *)",  # ] not the end
  'edit("a")',
]
note = \"\"\"
model = "no"
\"\"\"
  max_steps=3
[extra_body]
model = "inner"
"""


@pytest.mark.parametrize(
    "key, value, before, after",
    [
        ("model", "two", '"one"  # the', '"two"  # the'),
        ("max_steps", 40, "max_steps=3\n", "max_steps=40\n"),
        ("map", True, "max_steps=3\n", "max_steps=3\nmap = true\n"),
    ],
)
def test_only_the_value_is_changed(key: str, value: Any, before: str, after: str) -> None:
    file = FILE.replace("note =", "memory_files = ['x']\nnote =")

    assert changed(file, key, value) == file.replace(before, after, 1)


def test_a_list_over_several_lines_is_replaced_as_a_whole() -> None:
    begin, _, rest = FILE.partition("allow = [")
    _, _, rest = rest.partition("\n]")

    assert changed(FILE, "allow", ["x"]) == f'{begin}allow = ["x"]{rest}'


@pytest.mark.parametrize(
    "text, after",
    [
        ("", 'model = "m"\n'),
        ("# only this", '# only this\nmodel = "m"\n'),
        ("[extra_body]\na = 1\n", 'model = "m"\n\n[extra_body]\na = 1\n'),
        ("a = 1", 'a = 1\nmodel = "m"\n'),
        ("a = 1\r\n# c\r\n", 'a = 1\r\nmodel = "m"\r\n# c\r\n'),
        ("\ufeffa = 1\n", '\ufeffa = 1\nmodel = "m"\n'),
        ('"model" = "x"', '"model" = "m"'),
        ('#model = "x"\n', '#model = "x"\nmodel = "m"\n'),
    ],
)
def test_where_a_new_key_goes(text: str, after: str) -> None:
    assert changed(text, "model", "m") == after


@pytest.mark.parametrize(
    "text", ["[model]\na = 1\n", "model.a = 1\n", "model = [", "[[model]]\na = 1\n"]
)
def test_what_is_written_in_parts_is_left_to_the_person(text: str) -> None:
    with pytest.raises(ValueError):
        changed(text, "model", "m")


@pytest.mark.parametrize(
    "before, after",
    [
        ("", 'a = ["y", "z"]\n'),
        ("a = []", 'a = ["y", "z"]'),
        ("a = [ 'x' ] # c\n", 'a = [ \'x\', "y", "z"] # c\n'),
        ("a = ['x',]", 'a = [\'x\', "y", "z"]'),
        ("a = [\n 'x' # ] c\n]\n", 'a = [\n \'x\', # ] c\n  "y",\n  "z",\n]\n'),
        ("a = [\n 'x',\n # c\n]", 'a = [\n \'x\',\n # c\n  "y",\n  "z",\n]'),
        ("a = [\r\n 'x']\r\n", 'a = [\r\n \'x\', "y", "z"]\r\n'),
    ],
)
def test_a_list_is_added_to_and_its_comments_stay(before: str, after: str) -> None:
    assert extended(before, "a", ["y", "z"]) == after


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), min_size=1),
       st.sampled_from(["", "\n", "\n # ]\n", " "]), st.booleans())  # fmt: skip
def test_any_list_reads_as_before_with_more_at_its_end(
    items: list[str], more: list[str], gap: str, comma: bool
) -> None:
    inner = f",{gap}".join(map(written, items)) + ("," if comma and items else "")
    text = f"a = [{gap}{inner}{gap}]\nb = 1\n"
    assert tomllib.loads(extended(text, "a", more)) == {"a": [*items, *more], "b": 1}


def test_a_key_is_taken_out_with_its_line() -> None:
    assert without("# 1\na = [\n1 ] # c\nb = 2\n[t]\na = 1\n", "a") == "# 1\nb = 2\n[t]\na = 1\n"
    assert without("b = 2\n", "a") == "b = 2\n"
    with pytest.raises(ValueError):
        without("[a]\nb = 1\n", "a")


def test_an_entry_comes_to_a_table_of_lists() -> None:
    text = with_entry("# c\n[h]\n[[h.a]]\nx = 1", "h", "a", {"x": 2, "y z": "q"})
    assert text == '# c\n[h]\n[[h.a]]\nx = 1\n\n[[h.a]]\nx = 2\n"y z" = "q"\n'
    for other in ("h = 1\n", "[h.a]\n", "h = {a = []}\n", "[h]\na = [1]\n"):
        with pytest.raises(ValueError):
            with_entry(other, "h", "a", {"x": 2})


KEYS = st.from_regex(r"[a-z_]{1,6}", fullmatch=True)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(codec="utf-8"))
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(st.dictionaries(KEYS, VALUES, max_size=4), KEYS, VALUES, st.sampled_from(["\n", "  # c\n"]))
def test_any_file_reads_as_before_but_for_the_key(
    tables: dict[str, Any], key: str, value: Any, end: str
) -> None:
    text = "".join(f"{name} = {written(its)}{end}" for name, its in tables.items())

    assert tomllib.loads(changed(text, key, value)) == {**tables, key: value}


def test_a_file_is_made_for_the_person_alone_and_keeps_its_mode_later(tmp_path: Path) -> None:
    file = tmp_path / "new/config.toml"
    change(file, "model", "m")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ('model = "m"\n', 0o600)
    file.chmod(0o644)
    change(file, "model", "n")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ('model = "n"\n', 0o644)
    assert os.listdir(file.parent) == ["config.toml"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    real = tmp_path / "dotfiles/config.toml"
    real.write_text("# mine\n")
    link = tmp_path / "config.toml"
    link.symlink_to(real)

    change(link, "model", "m")

    assert link.is_symlink()
    assert real.read_text() == '# mine\nmodel = "m"\n'


def test_a_broken_file_is_left_alone(tmp_path: Path) -> None:
    for data in (b"model = [", b"\xff"):
        (tmp_path / "c.toml").write_bytes(data)
        with pytest.raises(UsageError):
            change(tmp_path / "c.toml", "model", "m")
        assert (tmp_path / "c.toml").read_bytes() == data
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError):
        change(tmp_path / "folder", "model", "m")


def test_two_that_change_it_at_once_both_do(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    names = [f"key_{number}" for number in range(12)]
    threads = [threading.Thread(target=change, args=(file, name, 1)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert tomllib.loads(file.read_text()) == dict.fromkeys(names, 1)


SERVERS = """# mine
[mcp_servers.one]
command = "a"
args = [
  "b",  # a word
]

# about the second
[mcp_servers.two]  # here
command = "c"
"""


def test_a_table_is_put_and_taken_and_all_else_stays() -> None:
    without = changed_table(SERVERS, "mcp_servers", "one", None)
    assert without == ('# mine\n\n# about the second\n[mcp_servers.two]  # here\ncommand = "c"\n')
    assert changed_table(without, "mcp_servers", "two", None) == "# mine\n\n# about the second\n"
    again = changed_table(without, "mcp_servers", "two", {"url": "u", "headers": {"X-Y": "z"}})
    assert tomllib.loads(again) == {"mcp_servers": {"two": {"url": "u", "headers": {"X-Y": "z"}}}}
    assert again.startswith("# mine\n\n# about the second\n")
    once = changed_table("", "mcp_servers", "a.b", {"env": {"A": "b"}})
    assert once == '[mcp_servers."a.b"]\nenv = { "A" = "b" }\n'
    assert changed_table(once, "mcp_servers", "a.b", None) == ""
    assert changed_table("x = 1\r\n", "mcp_servers", "a", {"command": "c"}) == (
        'x = 1\r\n\r\n[mcp_servers.a]\r\ncommand = "c"\r\n'
    )


@pytest.mark.parametrize(
    "text", ['mcp_servers = { one = { command = "a" } }', 'mcp_servers.one.command = "a"']
)
def test_a_table_that_is_written_otherwise_is_left_to_the_person(text: str) -> None:
    with pytest.raises(ValueError, match="only you can change"):
        changed_table(text, "mcp_servers", "one", None)
