"""Front matter as people write it, and as nobody should."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcode.errors import QcodeError
from qcode.frontmatter import split


def test_without_front_matter_all_is_body() -> None:
    assert split("# Title\n---\nno\n---\n") == split("# Title\n---\nno\n---\n")
    assert split("# Title\n").fields == {}
    assert split("# Title\n").body == "# Title\n"


@pytest.mark.parametrize(
    "head, fields",
    [
        ("name: pdf\ndescription: Fill forms", {"name": "pdf", "description": "Fill forms"}),
        ("a: 1\nb: true\nc: [x, y]", {"a": 1, "b": True, "c": ["x", "y"]}),
        ("text: |\n  two\n  lines\n", {"text": "two\nlines\n"}),
        ("", {}),
        ("description: Use when: always", {"description": "Use when: always"}),
        ("argument-hint: [file] [line]", {"argument-hint": "[file] [line]"}),
        (
            "description: Use: it's good\nhint: [a] [b]\npaths:\n  - x",
            {"description": "Use: it's good", "hint": "[a] [b]", "paths": ["x"]},
        ),
        ("off: no", {False: False}),
    ],
)
def test_fields_are_read(head: str, fields: dict[object, object]) -> None:
    document = split(f"---\n{head}\n---\nbody")
    assert document.fields == {str(key): value for key, value in fields.items()}
    assert document.body == "body"


def test_line_ends_of_windows_and_a_mark_are_taken() -> None:
    document = split("\ufeff---\r\nname: x\r\n---\r\nbody\r\n")
    assert (document.fields, document.body) == ({"name": "x"}, "body\r\n")


def test_words_in_brackets_stay_together() -> None:
    document = split("---\nallowed-tools: Bash(git add:*, git diff:*), Read\n---\n")
    assert document.listed("allowed-tools") == ("Bash(git add:*, git diff:*)", "Read")
    assert document.listed("none") is None


@pytest.mark.parametrize("head", ["- a\n- b", "- [", "\tx: {", "a: &x [*x]\n  b", "!!python/none"])
def test_what_is_no_mapping_is_an_error_of_one_line(head: str) -> None:
    with pytest.raises(QcodeError) as caught:
        split(f"---\n{head}\n---\n")
    assert "\n" not in str(caught.value)


def test_nothing_is_built_from_tags_and_aliases_do_not_multiply() -> None:
    for head in ("a: !!python/object/apply:os.system [true]\n?", "a: &a [x]\nb: [*a, *a]\n?"):
        with pytest.raises(QcodeError):
            split(f"---\n{head}\n---\n")


@given(st.text(alphabet="ab:-#[]{}&*!|>'\"\n\t ,", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    said = ""
    try:
        split(f"---\n{text}\n---\nbody")
    except QcodeError as error:
        said = str(error)
    assert "\n" not in said


def test_plain_lines_need_no_yaml() -> None:
    code = (
        "import sys; from qcode.frontmatter import split; "
        "split('---\\nname: x\\ndescription: Does this, and that.\\n---\\n'); "
        "sys.exit('yaml' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
