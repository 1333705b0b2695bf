from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcode.calls.names import nearest, resolve_parameter, resolve_tool
from qcode.tools import all_tools, default_tools
from qcode.tools.schema import schema

OURS = [tool.name for tool in default_tools()]
PROPERTIES = {tool.name: list(schema(tool.params)["properties"]) for tool in default_tools()}


@pytest.mark.parametrize(
    "written, meant",
    [
        ("read_file", "read_file"),
        # Around the name.
        (" read_file\n", "read_file"),
        ('"read_file"', "read_file"),
        ("`read_file`", "read_file"),
        ("read_file<|channel|>commentary", "read_file"),
        ("read_file please", "read_file"),
        ("functions.read_file", "read_file"),
        ("function.read_file:3", "read_file"),
        ("tools.read_file", "read_file"),
        ("tool.read_file", "read_file"),
        ("default_api.read_file", "read_file"),
        ("read_file:12", "read_file"),
        ("qcode.read_file", "read_file"),
        ("mcp/files/read_file", "read_file"),
        # The same but for case and signs.
        ("ReadFile", "read_file"),
        ("read-file", "read_file"),
        ("READ_FILE", "read_file"),
        ("TodoWrite", "todo_write"),
        ("ReadFileTool", "read_file"),
        ("glob_tool", "glob"),
        ("functions.ReadFile", "read_file"),
        # The same under another name.
        ("Read", "read_file"),
        ("cat", "read_file"),
        ("create_file", "write_file"),
        ("Write", "write_file"),
        ("str_replace", "edit"),
        ("bash", "run_shell_command"),
        ("functions.bash:0", "run_shell_command"),
        ("BashTool", "run_shell_command"),
        ("container.exec", "run_shell_command"),
        ("Grep", "grep_search"),
        ("rg", "grep_search"),
        ("find", "glob"),
        ("LS", "list_directory"),
        ("list_dir", "list_directory"),
        # Nothing.
        ("", None),
        ("tool", None),
        ("functions.", None),
        ("<|channel|>analysis", None),
        ("assistant<|channel|>analysis", None),
        ("read_fil", None),
        ("read_files", None),
        ("apply_patch", None),
        ("update_plan", None),
        ("read_file_now", None),
    ],
)
def test_a_tool_is_found_by_the_rules_and_never_by_likeness(
    written: str, meant: str | None
) -> None:
    assert resolve_tool(written, OURS) == meant


@pytest.mark.parametrize(
    "written, meant",
    [
        ("apply_patch", "apply_patch"),
        ("functions.apply_patch", "apply_patch"),
        ("patch", "apply_patch"),
        ("MultiEdit", "multi_edit"),
        ("NotebookEdit", "notebook_edit"),
        ("edit_notebook", "notebook_edit"),
        # What was understood before still is.
        ("Edit", "edit"),
        ("str_replace", "edit"),
        ("edit_file", "edit"),
        ("Write", "write_file"),
        ("multi_replace", "multi_edit"),
    ],
)
def test_tools_that_the_model_is_not_told_of_are_found_too(written: str, meant: str) -> None:
    assert resolve_tool(written, [tool.name for tool in all_tools()]) == meant


@pytest.mark.parametrize(
    "written, offered, meant",
    [
        ("run_shell_command", ["bash", "grep"], "bash"),
        ("grep_search", ["bash", "grep"], "grep"),
        ("edit", ["edit_file"], "edit_file"),
        ("edit", ["EditTool"], "EditTool"),
        ("list_directory", ["list_dir", "bash"], "list_dir"),
        ("read", ["view", "cat"], None),
        ("view", ["view", "cat"], "view"),
        ("readfile", ["read_file", "ReadFile"], None),
        ("ReadFile", ["read_file", "ReadFile"], "ReadFile"),
        ("functions.bash", ["functions.bash", "bash"], "functions.bash"),
        ("search", ["grep", "find"], "grep"),
        ("bash", [], None),
        ("🔧", ["🔨"], None),
        ("读取", ["读取", "写入"], "读取"),
    ],
)
def test_families_lead_both_ways_but_only_to_one_tool(
    written: str, offered: list[str], meant: str | None
) -> None:
    assert resolve_tool(written, offered) == meant


def test_nearest_names_come_first_and_all_are_there() -> None:
    assert nearest("read_fil", OURS)[0] == "read_file"
    assert nearest("todo", OURS)[0] == "todo_write"
    assert nearest("exec", OURS)[0] == "run_shell_command"
    assert sorted(nearest("x" * 100_000, OURS)) == sorted(OURS)


@pytest.mark.parametrize(
    "tool, written, meant",
    [
        *[("read_file", each, "file_path") for each in ("file_path", "path", "filePath", "file")],
        *[("read_file", each, "file_path") for each in ("filename", "absolute_path", "targetFile")],
        *[("read_file", each, "limit") for each in ("max_results", "head_limit", "count")],
        *[("write_file", each, "content") for each in ("contents", "text", "file_text", "data")],
        *[("edit", each, "old_string") for each in ("old_str", "oldText", "search", "original")],
        *[("edit", each, "new_string") for each in ("new_str", "newText", "replace", "new")],
        *[("edit", each, "replace_all") for each in ("replaceAll", "all", "global")],
        *[("list_directory", each, "path") for each in ("dir", "directory", "folder", "file_path")],
        *[("glob", each, "pattern") for each in ("query", "regex", "search_pattern", "search")],
        *[("glob", each, "path") for each in ("directory", "dir_path", "search_path")],
        *[("grep_search", each, "pattern") for each in ("query", "regex", "regexp", "search")],
        *[("grep_search", each, "glob") for each in ("include", "file_pattern", "includePattern")],
        *[("grep_search", each, "path") for each in ("directory", "folder", "filepath")],
        *[("run_shell_command", each, "command") for each in ("cmd", "script", "commandLine")],
        *[("run_shell_command", each, "directory") for each in ("cwd", "workdir", "dir", "path")],
        *[("run_shell_command", each, "is_background") for each in ("background", "isBackground")],
        *[("run_shell_command", each, "timeout") for each in ("timeout_ms", "Timeout")],
        *[("todo_write", each, "todos") for each in ("todoList", "items", "tasks")],
        ("read_file", "directory", None),
        ("read_file", "fil_path", None),
        ("read_file", "", None),
        ("read_file", "_", None),
        ("run_shell_command", "description", None),
        ("todo_write", "content", None),
    ],
)  # fmt: skip
def test_parameters_of_our_tools_are_known_by_other_names(
    tool: str, written: str, meant: str | None
) -> None:
    assert resolve_parameter(written, PROPERTIES[tool], ()) == meant


@pytest.mark.parametrize(
    "written, properties, given_, meant",
    [
        ("path", ["file_path", "directory"], [], "file_path"),
        ("search", ["old_string", "pattern"], [], "old_string"),
        ("file_path", ["path"], [], "path"),
        ("old_string", ["old_str", "new_str"], [], "old_str"),
        ("path", ["file_path", "target_file"], [], None),
        ("path", ["file_path", "target_file"], ["file_path"], "target_file"),
        ("path", ["file_path"], ["file_path"], None),
        ("filePath", ["file_path"], ["file_path"], None),
        ("filePath", ["file_path", "filepath"], [], None),
        ("path", ["path", "file_path"], ["path"], "path"),
        ("state", ["content", "status"], [], "status"),
    ],
)
def test_a_parameter_is_renamed_only_where_one_is_left(
    written: str, properties: list[str], given_: list[str], meant: str | None
) -> None:
    assert resolve_parameter(written, properties, given_) == meant


NAMES = st.sampled_from(["read", "read_file", "ReadFile", "cat", "bash", "path", "file"])
ANY = st.lists(NAMES | st.text(max_size=5), max_size=5, unique=True)


@given(NAMES | st.text(), ANY, ANY)
def test_a_name_is_taken_only_for_an_offered_one(
    written: str, offered: list[str], given_: list[str]
) -> None:
    assert resolve_tool(written, offered) in {None, *offered}
    assert resolve_parameter(written, offered, given_) in {None, *offered}
    assert sorted(nearest(written, offered)) == sorted(offered)
    if written in offered:
        assert resolve_tool(written, offered) == written
        assert resolve_parameter(written, offered, given_) == written
