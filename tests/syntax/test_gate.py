"""What the syntax gate refuses, and what it lets pass."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from effort import unit_s
from hypothesis import given
from hypothesis import strategies as st

from qcode.syntax import LARGEST, Problem, newly_broken, problem

RIGHT = {
    "a.py": "def f(x):\n    return [x, {1: 2}]\n",
    "a.pyi": "def f(x: int) -> str: ...\n",
    "a.js": "function f(x) {\n  return [x, { a: 2 }];\n}\n",
    "a.mjs": "export const f = (x) => {\n  return x;\n};\n",
    "a.ts": "export function f<T>(x: T): T[] {\n  return [x];\n}\n",
    "a.tsx": "export const A = (p: P) => {\n  return <div id={p.id}>x</div>;\n};\n",
    "a.go": "package a\n\nfunc f(x int) []int {\n\treturn []int{x}\n}\n",
    "a.rs": "fn f(x: u8) -> Vec<u8> {\n    vec![x]\n}\n",
    "a.c": "int f(int x) {\n    return g(x);\n}\n",
    "a.cpp": "template <class T> int f(T x) {\n    return g(x);\n}\n",
    "a.h": "class A {\n public:\n    int f(int x);\n};\n",
    "a.java": "class A {\n    int f(int x) {\n        return g(x);\n    }\n}\n",
    "a.cs": "class A {\n    int f(int x) {\n        return g(x);\n    }\n}\n",
    "a.kt": "fun f(x: Int): Int {\n    return g(x)\n}\n",
    "a.swift": "func f(x: Int) -> Int {\n    return g(x)\n}\n",
    "a.rb": "def f(x)\n  g(x)\nend\n",
    "a.php": "<?php\nfunction f($x) {\n    return g($x);\n}\n",
    "a.lua": "function f(x)\n  return g(x)\nend\n",
    "a.sh": "if f; then\n  echo $(g)\nfi\n",
    "a.json": '{"a": [1, {"b": 2}]}\n',
    "a.yaml": "a:\n  - [1, 2]\nb: {c: 1}\n",
    "a.toml": 'a = [1, 2]\n[b]\nc = "d"\n',
    "a.html": '<div id="a"><p>x</p></div>\n',
    "a.css": "a { color: rgb(1, 2, 3); }\n",
    "a.xml": "<a><b c='d'>e</b></a>\n",
    "a.proto": 'syntax = "proto3";\nmessage A {\n  int32 a = 1;\n}\n',
    "a.vue": "<template><p>{{ a }}</p></template>\n",
    "CMakeLists.txt": "if(A)\n  set(B c)\nendif()\n",
    "Makefile": "a: b\n\techo $(C)\n",
    "run": "#!/usr/bin/env python3\nprint((1))\n",
}
BROKEN = {
    "a.py": ("return [x", "return [[x"),
    "a.pyi": ("def f(", "def f(("),
    "a.js": ("return [x", "return [[x"),
    "a.mjs": ("return x", "return (x"),
    "a.ts": ("{\n", "\n"),
    "a.tsx": ("</div>", ""),
    "a.go": ("\n}\n", "\n"),
    "a.rs": ("\n}\n", "\n"),
    "a.c": ("(x);", "(x)"),
    "a.cpp": ("\n}\n", "\n"),
    "a.h": ("};", ""),
    "a.java": ("    }\n", ""),
    "a.cs": ("    }\n", ""),
    "a.kt": ("\n}\n", "\n"),
    "a.swift": ("\n}\n", "\n"),
    "a.rb": ("end\n", ""),
    "a.php": ("g($x);", "g($x));"),
    "a.lua": ("end\n", ""),
    "a.sh": ("fi\n", ""),
    "a.json": ("2}", "2"),
    "a.yaml": ("2]", "2"),
    "a.toml": ("2]", "2"),
    "a.html": ("<p>", "<p><"),
    "a.css": (" }", ""),
    "a.xml": ("</b>", ""),
    "a.proto": ("}\n", "\n"),
    "a.vue": ("</p>", "</p><"),
    "CMakeLists.txt": ("endif()", ""),
    "Makefile": ("$(C)", "$(C"),
    "run": ("((", "("),
}


@pytest.mark.parametrize("name", RIGHT)
def test_an_edit_that_breaks_a_file_is_told(name: str) -> None:
    before = RIGHT[name]
    after = before.replace(*BROKEN[name], 1)
    assert after != before

    found = newly_broken(name, before, after)

    assert found
    assert found.words
    assert problem(name, before) is None


@pytest.mark.parametrize("name", RIGHT)
def test_an_edit_that_mends_a_file_passes(name: str) -> None:
    before = RIGHT[name].replace(*BROKEN[name], 1)

    assert newly_broken(name, before, RIGHT[name]) is None
    assert newly_broken(name, before, before + "\n") is None


@pytest.mark.parametrize("name", RIGHT)
def test_line_ends_and_a_byte_order_mark_make_no_difference(name: str) -> None:
    before = "\ufeff" + RIGHT[name].replace("\n", "\r\n")
    if name in {"run", "a.json", "a.toml"}:  # where the mark is no part of the language
        before = before.removeprefix("\ufeff")
    old, new = (part.replace("\n", "\r\n") for part in BROKEN[name])
    after = before.replace(old, new, 1)

    assert newly_broken(name, before, before.rstrip()) is None
    assert newly_broken(name, before, after)


@pytest.mark.parametrize(
    "name, before, after, place, words, excerpt",
    [
        (
            *("a.py", "x = 1\n", "x = 1\ny = (x\n", (2, 5), "'(' was never closed"),
            "2 | y = (x\n        ^",
        ),
        (
            *("a.js", "f(a);\n", "f(a, b;\n", (1, 7), "missing `)` for the `(` of line 1"),
            "1 | f(a, b;\n          ^",
        ),
        (*("a.js", "f(a);\n", "f(a));\n", (1, 5), "unexpected `)`"), "1 | f(a));\n        ^"),
        (
            *("a.ts", "a();\n", "else { b(); }\n", (1, 1), "unexpected `else`"),
            "1 | else { b(); }\n    ^",
        ),
        (
            *("a.rs", "fn f() {}\n", "fn f() {\n", (1, 8), "`{` is never closed"),
            "1 | fn f() {\n           ^",
        ),
        (
            *("a.c", "int a;\n", 'int f() { return g("é") }\n', (1, 24), "missing `;`"),
            '1 | int f() { return g("é") }\n                           ^',
        ),
        (
            *("a.json", "{}\n", '{"a" 1}\n', (1, 6)),
            *("Expecting ':' delimiter", '1 | {"a" 1}\n         ^'),
        ),
        (
            *("a.go", "package a\n", "package a\n\tfunc f( {}\n", (2, 9)),
            *("missing `)` for the `(` of line 2", "2 |  func f( {}\n            ^"),
        ),
    ],
)
def test_the_place_and_the_reason_are_told(
    name: str, before: str, after: str, place: tuple[int, int], words: str, excerpt: str
) -> None:
    found = newly_broken(name, before, after)

    assert found == Problem(*place, words, excerpt)


def test_of_a_long_line_the_part_around_the_error_is_shown() -> None:
    found = newly_broken("a.js", "f();\n", f"f({'a, ' * 500}b));\n")

    assert found
    shown, marker = found.excerpt.split("\n")
    assert len(shown) < 120
    assert shown[len(marker) - 1] == ")"


@pytest.mark.parametrize(
    "name, before, after",
    [
        ("notes.txt", "a\n", "f((\n"),
        ("README.md", "a\n", "```\nf((\n"),
        ("a.unknown", "a\n", "f((\n"),
        ("Dockerfile", "FROM a\n", "FROM a\nRUN if (\n"),
        ("a.sql", "select 1;\n", "select (1;\n"),
        ("a.scss", "a { b: c }\n", "a { b: c\n"),
        ("a.blade.php", "<?php f(); ?>", "<?php f( ?>"),
        ("a.min.js", "f()", "f("),
        ("run", "#!/usr/bin/awk -f\n", "#!/usr/bin/awk -f\n{ print (\n"),
        ("run", "text\n", "text (\n"),
    ],
)
def test_what_no_grammar_is_trusted_with_passes(name: str, before: str, after: str) -> None:
    assert newly_broken(name, before, after) is None
    assert problem(name, after) is None


def test_a_new_file_is_not_refused_but_warned_of() -> None:
    assert newly_broken("a.js", None, "f((\n") is None
    assert problem("a.js", "f((\n")


def test_a_huge_file_is_not_looked_at() -> None:
    text = "x = 1\n" * (LARGEST // 6 + 1)

    assert newly_broken("a.py", text, text + "(") is None
    assert newly_broken("a.py", text + "(", "(") is None


@pytest.mark.parametrize(
    "name, before, after",
    [
        # The headers of C++ and Objective-C have the name of C's.
        ("a.h", "#pragma once\n", "#pragma once\nclass A { public: A(); };\n"),
        ("a.h", "@interface A\n- (void)b;\n@end\n", "@interface A\n- (int)b;\n@end\n"),
        # Macros are no C.
        ("a.c", "int a;\n", "MODULE_LICENSE(GPL)\nint a;\n"),
        ("a.m", "@implementation A\n@end\n", "@implementation A\nRCT_EXPORT_MODULE()\n@end\n"),
        (
            "a.h",
            "int a;\n",
            '#ifdef __cplusplus\nextern "C" {\n#endif\nint a;\n#ifdef __cplusplus\n}\n#endif\n',
        ),
        # Templates are written in the names of what they make.
        ("a.yaml", "a: 1\n", "{{- if .Values.a }}\na: 1\n{{- end }}\n"),
        ("a.html", "<p></p>\n", '<p {% if a %}class="b{% endif %}></p>\n'),
        ("a.json", '{"a": 1}\n', '{"a": {{ a }}}\n'),
        # Programs that read JSON with comments.
        ("tsconfig.json", "{}\n", '{\n  // all\n  "a": 1\n}\n'),
        ("tsconfig.app.json", "{}\n", '{ /* all */ "a": 1 }\n'),
        ("settings.json", "{}\n", '{ "a": 1 } // end\n'),
        # Types of Flow, translations of Qt.
        ("a.js", "// @flow\nf();\n", "// @flow\nconst a = (b: string): number => 1;\n"),
        ("a.ts", "<TS></TS>\n", "<TS><context></context></TS>\n"),
        # Bytes that are no text.
        ("a.js", "f();\n", "f('\udc80');\n"),
    ],
)
def test_right_code_that_a_grammar_could_take_for_wrong_passes(
    name: str, before: str, after: str
) -> None:
    assert newly_broken(name, before, after) is None
    assert problem(name, after) is None


@pytest.mark.parametrize(
    "name, before, after",
    [
        ("package.json", "{}\n", '{\n  // all\n  "a": 1\n}\n'),
        ("tsconfig.json", "{}\n", '{\n  // all\n  "a" 1\n}\n'),
        ("tsconfig.json", "{ // a\n}\n", '{ // a\n  "a": [1\n}\n'),
        ("a.c", "int f(void);\n", "int f(void) {\n    EXPECT_EQ(a, b;\n}\n"),
        ("a.yaml", "a: {{ b }}\n", "a: {{ b }}\nc: [1, 2\nd: 3\n"),
        ("a.js", "// @flow\nf();\n", "// @flow\nconst a = (b: string: number => 1;\n"),
    ],
)
def test_wrong_code_of_those_kinds_is_told(name: str, before: str, after: str) -> None:
    assert newly_broken(name, before, after)


BAD_ABOVE = "function a() {\n  x = = 1;\n}\n\n" + "function b() { return 1; }\n" * 20


def test_in_a_broken_file_a_new_error_is_told() -> None:
    after = BAD_ABOVE + "function c() { return (1; }\n"

    found = newly_broken("a.js", BAD_ABOVE, after)

    assert found
    assert (found.line, found.words) == (25, "missing `)` for the `(` of line 25")


def test_in_a_broken_file_an_edit_of_the_broken_part_passes() -> None:
    assert newly_broken("a.js", BAD_ABOVE, BAD_ABOVE.replace("= =", "= = =")) is None
    assert newly_broken("a.js", BAD_ABOVE, BAD_ABOVE.replace("1; }", "2; }", 1)) is None


def test_in_a_broken_file_of_a_language_with_dialects_all_passes() -> None:
    before = "DECLARE(a b c) {{\nint f(int x) { return x; }\n"

    assert newly_broken("a.c", before, before + "int g( { return (x; }\n") is None


NEWER = {
    (3, 12): [
        "type A = int\n",
        "def f[T](x: T) -> T: ...\n",
        "class C[T]: ...\n",
        "x = f'{a['b']}'\n",
        "x = f'{\"\\n\".join(a)}'\n",
    ],
    (3, 13): ["def f[T = int](x: T) -> T: ...\n", "class C[T = int]: ...\n"],
    (3, 14): ["x = t'{a}'\n", "try:\n    a()\nexcept B, C:\n    d()\n"],
    (3, 15): ["lazy import a\n", "lazy from a import b\n", "x = [*a for a in b]\n"],
}


@pytest.mark.parametrize("code", [code for codes in NEWER.values() for code in codes])
def test_code_for_a_newer_python_passes(code: str) -> None:
    assert newly_broken("a.py", "x = 1\n", "x = 1\n" + code) is None


@pytest.mark.parametrize(
    "code",
    [
        "print 1\n",
        "exec 'a'\n",
        "f(a=1, 2)\n",
        "x = f'{a'\n",
        "try:\n    a()\nexcept B, C as d:\n    pass\n",
        "def f(a, a): ...\n",
        "if a:\nb()\n",
        "    a = 1\n",
        "x = t'{a}\n",
        "type A = (int\n",
        "lazy a\n",
        "def f[T](x: T -> T: ...\n",
        "\0",
    ],
)
def test_what_never_was_python_is_told(code: str) -> None:
    assert newly_broken("a.py", "x = 1\n", "x = 1\n" + code)


def test_python_2_may_stay_so() -> None:
    before = "print 'a'\n\ndef f():\n    return 1\n"

    assert newly_broken("a.py", before, before.replace("return 1", "print 2")) is None
    assert newly_broken("a.py", before, before.replace("return 1", "return (1"))


def large(middle: str) -> str:
    """More Python than is read whole, with something in it."""
    block = "def f(x):\n    if x:\n        return [x]\n\n\n# Next.\n"
    return block * 400 + middle + block * 400


@pytest.mark.parametrize(
    "before, after",
    [
        ("x = 1\n", "x = (1\n"),
        ("x = 1\n", "print 1\n"),
        ("x = 1\n", "  x = 1\n"),
        ("x = 1\n", "f(a=1, 2)\n"),
        ("if x:\n    y\n", "if x:\ny\n"),
        ("if x:\n    y\n", "if x:\n"),
        ("if x:\n    y\n    z\n", "if x:\n        y\n    z\n"),
        ("if x:\n    y\n    # a\n\n    z\n", "if x:\ny\n    # a\n\n    z\n"),
        ("if x:\n    y\n# a\n\nelse:\n    z\n", "y\n# a\n\nelse:\n    z\n"),
        ("x = 1\n", 'x = """\n'),
        ("x = 1\n", "def g(a, a): ...\n"),
    ],
)
def test_in_a_large_file_python_is_judged_as_well(before: str, after: str) -> None:
    found = newly_broken("a.py", large(before), large(after))
    alone = newly_broken("a.py", before, after)

    assert found
    assert alone
    assert newly_broken("a.py", large(after), large(before)) is None


def test_in_a_large_file_that_is_broken_elsewhere_edits_pass() -> None:
    before = "print 1\n" + large("x = 1\n")

    assert newly_broken("a.py", before, "print 1\n" + large("x = 2\n")) is None
    assert newly_broken("a.py", before, "print 1\n" + large("x = (2\n"))


@pytest.mark.parametrize("code", [code for codes in NEWER.values() for code in codes])
def test_in_a_large_file_code_for_a_newer_python_passes(code: str) -> None:
    assert newly_broken("a.py", large("x = 1\n"), large(code)) is None


def test_the_ends_of_a_large_file_may_change() -> None:
    text = large("")

    for after in (text + "x = 1\n", "x = 1\n" + text, text.rstrip(), text[:-200], "", "\n"):
        newly_broken("a.py", text, after)
    assert newly_broken("a.py", text, text + "x = (\n")
    assert newly_broken("a.py", text, "x = )\n" + text)
    assert newly_broken("a.py", text, text[7:])


def test_nothing_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys\n"
        "from qcode.syntax import newly_broken\n"
        "assert newly_broken('a.py', 'a', 'b') is None\n"
        "assert newly_broken('a.json', '1', '2') is None\n"
        "assert not [name for name in sys.modules if name.startswith('tree_sitter')]\n"
        "assert newly_broken('a.js', 'a', 'b') is None\n"
        "grammars = [name for name in sys.modules if 'bindings.' in name]\n"
        "assert grammars == ['tree_sitter_language_pack.bindings.javascript'], grammars\n"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("name", ["a.py", "a.js", "a.c", "a.go", "a.rs", "a.java", "a.json"])
def test_an_edit_in_5000_lines_is_judged_at_once(name: str) -> None:
    block = RIGHT[name].removeprefix("package a\n\n")
    if name == "a.json":
        text = "[\n" + '{"a": [1, {"b": 2}]},\n' * 5000 + "0]\n"
    else:
        text = ("package a\n\n" if name == "a.go" else "") + block * (5000 // block.count("\n"))
    middle = text.index("\n", len(text) // 2)
    times = []
    for round in range(8):
        after = text[:middle] + " " * (round + 1) + text[middle:]
        start = time.thread_time()
        assert newly_broken(name, text, after) is None
        times.append(time.thread_time() - start)
        text = after

    assert min(times) < 4 * unit_s()


@pytest.mark.parametrize("name", ["a.bicep", "a.astro", "a.cpp", "a.js", "a.py", "a.yaml"])
def test_what_a_grammar_chokes_on_is_given_up(name: str) -> None:
    for text in ("([{<" * 20_000, "a b: c = 'd' and \n" * 5000):
        start = time.thread_time()

        newly_broken(name, "a\n", text)

        assert time.thread_time() - start < 400 * unit_s()


@pytest.mark.parametrize("depth", [150, 400])
def test_deeply_nested_yaml_ends_nothing(depth: int) -> None:
    blocks = "".join("\n" + " " * level + "a:" for level in range(depth))
    for text in (blocks, "- " * depth + "a\n", "? " * depth + "a\n", "[" * depth, "{a: " * depth):
        code = f"from qcode.syntax import problem; problem('a.yaml', {text!r})"
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


NAMES = st.sampled_from(sorted(RIGHT))
PIECES = st.sampled_from(
    ["(", ")", "{", "}", "[", "]", '"', "'", "`", "\n", ";", "<", "/*", "#", "é", "\0", "\ud800"]
)


@given(NAMES, st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5), PIECES), max_size=6))
def test_edits_one_behind_another_are_judged_as_each_alone(
    name: str, edits: list[tuple[float, int, str]]
) -> None:
    text = RIGHT[name]
    for place, gone, new in edits:
        at = int(place * len(text))
        after = text[:at] + new + text[at + gone :]

        found = newly_broken(name, text, after)

        if found:
            assert problem(name, after)
            lines = after.split("\n")
            assert 1 <= found.line <= len(lines) + 1
            assert found.column >= 1
        text = after
