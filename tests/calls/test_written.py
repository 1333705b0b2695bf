from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from qcode.calls.decoder import Decoder
from qcode.calls.found import Fault
from qcode.calls.written import FORMAT, prose, stands_in, written
from qcode.messages import JsonObject, ToolCall
from qcode.providers import TextPart
from qcode.tools import all_tools

SCHEMAS: dict[str, JsonObject] = {tool.name: tool.parameters(hidden=True) for tool in all_tools()}


def files(text: str) -> dict[str, str]:
    calls = written(text)
    assert all(call.name == "write_file" for call in calls)
    return {call.arguments["file_path"]: call.arguments["content"] for call in calls}


def commands(text: str) -> list[str]:
    return [c.arguments["command"] for c in written(text) if c.name == "run_shell_command"]


@pytest.mark.parametrize(
    "above",
    [
        "src/a.py",
        "**src/a.py**",
        "`src/a.py`",
        "`src/a.py`:",
        "**`src/a.py`**",
        "### src/a.py",
        "#### `src/a.py`:",
        "1. **Update `src/a.py`:**",
        "- src/a.py",
        "File: src/a.py",
        "File name: `src/a.py`",
        "Here is the updated `src/a.py`:",
        "./src/a.py",
        "src/a.py\n",
    ],
)
def test_a_fence_under_a_path_is_that_file(above: str) -> None:
    assert files(f"It is fixed.\n\n{above}\n```python\nx = 1\n```\nDone.") == {
        "src/a.py": "x = 1\n"
    }


@pytest.mark.parametrize(
    "opening",
    ["```src/a.py", "```python src/a.py", '```python title="src/a.py"', "```python:src/a.py"],
)
def test_a_path_may_stand_behind_the_backticks(opening: str) -> None:
    assert files(f"{opening}\nx = 1\n```") == {"src/a.py": "x = 1\n"}


def test_a_path_may_be_the_first_comment() -> None:
    assert files("```python\n# src/a.py\nx = 1\n```") == {"src/a.py": "x = 1\n"}


@pytest.mark.parametrize(
    "name", ["Makefile", ".gitignore", "docs/Release notes (draft) – März.md", "a-b/c_d.test.ts"]
)
def test_names_of_other_kinds(name: str) -> None:
    assert files(f"{name}\n```\nx\n```") == {name: "x\n"}


@pytest.mark.parametrize(
    "text",
    [
        "This is how it goes.\n```python\nx = 1\n```",
        "It prints:\n```\nok\n```",
        "See a.py and b.py:\n```python\nx = 1\n```",
        "a.py\n```text\nwhat it prints\n```",
        "a.py",
        "a.py\n\n\n\n```python\nx = 1\n```",
        "a.py\n```\nall of the file\n```",
        "```sh\n==== test session ====\n1 passed\n```",
        "https://example.org/a.html\n```\nx\n```",
    ],
)
def test_other_fences_are_text(text: str) -> None:
    assert written(text) == []
    assert prose(text) == text.strip()


def test_a_fence_of_sh_is_a_command() -> None:
    assert commands("Look:\n```sh\n$ cat a.py\n```\n") == ["cat a.py"]
    assert commands("```bash\ngit rm a.py && ls\n```\n```console\n$ ls\n```") == [
        "git rm a.py && ls",
        "ls",
    ]


def test_what_a_terminal_printed_is_no_command() -> None:
    shown = "```console\n$ ls build\nrm.log\n$ git log \\\n  --oneline\n1a2b Remove it\n```"

    assert commands(shown) == ["ls build\ngit log \\\n  --oneline"]


@pytest.mark.parametrize("above", ["For example:", "Never do this:", "You should not run it:"])
def test_a_command_that_is_set_apart_is_text(above: str) -> None:
    assert commands(f"{above}\n\n```sh\nrm -rf build\n```") == []


def test_beside_files_only_commands_count_that_move_files() -> None:
    text = "a.py\n```\nx\n```\n```sh\npython a.py\n```\n```sh\ngit rm b.py\n```\n```sh\npytest\n```"

    assert [(call.name, call.arguments) for call in written(text)] == [
        ("write_file", {"file_path": "a.py", "content": "x\n"}),
        ("run_shell_command", {"command": "git rm b.py"}),
    ]


def test_of_a_file_written_twice_the_last_counts() -> None:
    assert files("a.py\n```\n1\n```\nBetter:\n\na.py\n```\n2\n```") == {"a.py": "2\n"}


def test_search_and_replace_blocks_change_a_part() -> None:
    block = "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n"
    [call] = written(f"a.py\n```\n{block}```")

    assert (call.name, call.arguments) == ("apply_patch", {"input": f"a.py\n{block}"})


def test_markdown_keeps_its_own_fences() -> None:
    body = "# A\n\n```sh\npip install a\n```\n\n## B\n"

    assert files(f"README.md\n```markdown\n{body}```\nDone.") == {"README.md": body}
    assert files(f"README.md\n````\n{body}````") == {"README.md": body}


def test_python_keeps_the_fences_in_its_texts() -> None:
    body = 'def f():\n    """F.\n\n    ```python\n    f()\n    ```\n    """\n    return 1\n'

    assert files(f"a.py\n```python\n{body}```\nDone.\nb.py\n```\nx = 1\n```") == {
        "a.py": body,
        "b.py": "x = 1\n",
    }
    assert files("a.py\n```python\ndef f(:\n```\nb.py\n```\nx = 1\n```") == {
        "a.py": "def f(:\n",
        "b.py": "x = 1\n",
    }


def test_a_fence_without_an_end_is_a_file_unless_the_answer_was_cut() -> None:
    assert files("a.py\n```\nx = 1") == {"a.py": "x = 1\n"}
    [call] = written("a.py\n```\nx = 1", cut=True)
    assert call.fault is Fault.TRUNCATED


def test_a_path_that_stands_for_one_is_an_error() -> None:
    [call] = written("path/to/a.py\n```\nx\n```")

    assert call.fault is Fault.INVALID
    assert "path/to/a.py" in call.detail


def test_code_without_a_path_is_its_owners() -> None:
    [call] = written("So:\n```python\ndef f(): ...\n```", lambda code: "a.py" * ("def f" in code))

    assert call.arguments == {"file_path": "a.py", "content": "def f(): ...\n"}


def test_code_without_a_path_is_of_no_file_of_another_language() -> None:
    def owner(_code: str) -> str:
        return "a.py"

    assert written('```json\n{\n"answer": 3\n}\n```', owner) == []
    assert written("```pycon\n>>> f()\n3\n```", owner) == []
    assert len(written("```\nx = 1\n```\n```py\nx = 1\n```", owner)) == 1


def test_files_that_are_called_like_examples_can_be_written() -> None:
    assert files("example.py\n```\nx\n```\nfile.py\n```\nx\n```") == {
        "example.py": "x\n",
        "file.py": "x\n",
    }


def test_indented_fences_are_taken_out() -> None:
    assert files("1. a.py\n\n   ```python\n   if x:\n       y\n   ```") == {
        "a.py": "if x:\n    y\n"
    }


def test_prose_is_what_is_left() -> None:
    assert prose("First.\n\na.py\n```\nx\n```\n\nLast.") == "First.\n\nLast."


CONTENT = st.text(st.sampled_from("ab =:#'\"\\{}()\n\té`~"), max_size=80).filter(
    lambda text: "```" not in text and "~~~" not in text and text.strip()
)
PATH = st.from_regex(r"[a-z]{1,6}(/[a-z_]{1,6}){0,2}\.(py|js|toml)", fullmatch=True)


@given(st.dictionaries(PATH, CONTENT, min_size=1, max_size=4))
@settings(max_examples=examples(300))
def test_files_written_in_the_form_are_read_back(given_files: dict[str, str]) -> None:
    wanted = {
        path: text if text.endswith("\n") else f"{text}\n" for path, text in given_files.items()
    }
    answer = "\n\n".join(f"{path}\n```\n{text}```" for path, text in wanted.items())

    found = {
        call.arguments["file_path"]: call.arguments["content"]
        for call in written(answer)
        if call.name == "write_file"
    }
    assert found == wanted


@given(st.text(st.sampled_from("`~ \nax./#*:<>=_py"), max_size=200))
@settings(max_examples=examples(500))
def test_any_text_is_read(text: str) -> None:
    for call in written(text):
        assert call.name in SCHEMAS
    assert isinstance(prose(text), str)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_decoder_keeps_the_text_and_gives_the_calls(size: int) -> None:
    text = "It was wrong.\n\na.py\n```python\nx = 1\n```\n"
    numbers = itertools.count()
    decoder = Decoder(SCHEMAS, lambda: f"call_{next(numbers)}", owner=lambda _code: "")
    for at in range(0, len(text), size):
        list(decoder.feed(TextPart(text[at : at + size])))
    _, decoded = decoder.finish("stop")

    assert decoded.text == text
    [call] = decoded.calls
    assert (call.call.name, call.format) == ("write_file", FORMAT)
    assert json.loads(call.call.arguments) == {"file_path": "a.py", "content": "x = 1\n"}
    assert stands_in(call.call, decoded.text)


def test_without_an_owner_text_is_text() -> None:
    decoder = Decoder(SCHEMAS, lambda: "call_1")
    list(decoder.feed(TextPart("a.py\n```python\nx = 1\n```")))

    assert decoder.finish("stop")[1].calls == ()


def test_a_call_from_elsewhere_does_not_stand_in_the_text() -> None:
    call = ToolCall("1", "read_file", '{"file_path": "a.py"}')

    assert not stands_in(call, "I look at a.py.\n```\nx\n```")
