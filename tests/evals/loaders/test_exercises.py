"""Exercism, the polyglot benchmark and QuixBugs: tests hidden, answers nowhere, checks that judge.

All data is made up for these tests.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from eval_places import checked, laid_out, write

from qcode.errors import UsageError
from qcode.evals.harness.judging import Verdict, judge
from qcode.evals.harness.placing import place
from qcode.evals.harness.task import Task
from qcode.evals.loaders import exercism, polyglot, quixbugs
from qcode.evals.loaders.base import Loading


def exercise(
    folder: Path, files: dict[str, list[str]], held: dict[str, str], *, append: bool = False
) -> None:
    write(folder, {".meta/config.json": json.dumps({"files": files})})
    write(folder, {".docs/instructions.md": f"# Instructions\n\nDo {folder.name}.\n"})
    if append:
        write(folder, {".docs/instructions.append.md": "Raise ValueError.\n"})
    write(folder, dict(held))


def python_track(top: Path, where: str = "exercises/practice/twice") -> Path:
    exercise(
        top / where,
        {"solution": ["twice.py"], "test": ["twice_test.py"], "example": [".meta/example.py"]},
        {
            "twice.py": "def twice(n):\n    pass\n",
            "twice_test.py": "from twice import twice\n\n\ndef test():\n    assert twice(2) == 4\n",
            ".meta/example.py": "def twice(n):\n    return 2 * n  # the answer\n",
            ".approaches/x/content.md": "return 2 * n",
        },
        append=True,
    )
    return top


def loading(tmp_path: Path, path: str | None = None) -> Loading:
    return Loading(
        tmp_path / "cache",
        environ={"PATH": os.environ["PATH"] if path is None else path, "HOME": str(tmp_path)},
    )


def everything(task: Task) -> str:
    return json.dumps([dict(task.files), task.prompt, task.setup])


def test_an_exercise_has_its_stub_and_words_and_hides_its_tests(tmp_path: Path) -> None:
    told = loading(tmp_path)
    python_track(tmp_path / "track")
    write(tmp_path / "track", {"config.json": json.dumps({"slug": "python"})})

    (task,) = exercism.load(tmp_path / "track", told)

    assert task.id == "exercism-python-twice"
    assert sorted(task.files) == ["twice.py"]
    assert sorted(task.check.overlay) == ["twice_test.py"]
    assert "2 * n" not in everything(task)
    assert "Do twice." in task.prompt
    assert "Raise ValueError." in task.prompt
    assert "Do this in twice.py" in task.prompt
    assert "{output}" in task.retry_prompt
    assert task.check.more == {"retry_lines": 50, "strict": True, "reads": []}


@pytest.mark.slow
def test_the_check_fails_at_first_and_passes_with_an_answer(tmp_path: Path) -> None:
    python_track(tmp_path / "track")
    (task,) = exercism.load(tmp_path / "track/exercises/practice/twice", loading(tmp_path))
    folder = laid_out(task, tmp_path / "work")

    before = checked(task, folder, tmp_path / "aside")
    (folder / "twice.py").write_text("def twice(n):\n    return n + n\n")
    after = checked(task, folder, tmp_path / "aside")

    assert (before.returncode, after.returncode) == (1, 0)


def test_retired_exercises_and_unknown_languages_are_left_out_with_a_reason(
    tmp_path: Path,
) -> None:
    told = loading(tmp_path)
    python_track(tmp_path / "track")
    about: dict[str, Any] = {
        "slug": "python",
        "exercises": {"practice": [{"slug": "twice", "status": "deprecated"}]},
    }
    write(tmp_path / "track", {"config.json": json.dumps(about)})
    exercise(
        tmp_path / "lisp/exercises/practice/x",
        {"solution": ["x.lisp"], "test": ["t.lisp"]},
        {"x.lisp": "", "t.lisp": ""},
    )

    assert exercism.load(tmp_path / "track", told) == []
    assert exercism.load(tmp_path / "lisp", told) == []
    assert [(each.id, each.reason) for each in told.left_out] == [
        ("exercism-python-twice", "retired by its track"),
        ("exercism-other-x", "no test command is known for its language"),
    ]


def test_a_folder_without_exercises_and_a_damaged_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no exercises; give a track's checkout"):
        exercism.load(tmp_path, loading(tmp_path))
    with pytest.raises(UsageError, match="is no checkout of the polyglot benchmark"):
        polyglot.load(tmp_path, loading(tmp_path))
    write(tmp_path / "t/exercises/practice/x", {".meta/config.json": "{"})
    with pytest.raises(UsageError, match="config.json is no JSON"):
        exercism.load(tmp_path / "t", loading(tmp_path))


def languages(top: Path) -> Path:
    """Return a polyglot checkout with one exercise in each of its six languages."""
    python_track(top / "python")
    exercise(
        top / "cpp/exercises/practice/add-up",
        {"solution": ["add_up.cpp", "add_up.h", "CMakeLists.txt"], "test": ["add_up_test.cpp"]},
        {
            "add_up.cpp": '#include "add_up.h"\nint add_up(int, int) { return 0; }\n',
            "add_up.h": "int add_up(int, int);\n",
            "add_up_test.cpp": '#include "add_up.h"\n#include <cstdio>\n'
            "int main() {\n#ifdef EXERCISM_RUN_ALL_TESTS\n"
            "if (add_up(2, 3) != 5) return 1;\n"
            'std::puts("All tests passed (1 assertion in 1 test case)");\n'
            "#endif\nreturn 0; }\n",
            "CMakeLists.txt": "cmake_minimum_required(VERSION 3.5)\n"
            "get_filename_component(name ${CMAKE_CURRENT_SOURCE_DIR} NAME)\n"
            'project(${name} CXX)\nstring(REPLACE "-" "_" file ${name})\n'
            "add_executable(${name} ${file}.cpp ${file}_test.cpp)\n"
            "if(EXERCISM_RUN_ALL_TESTS)\n"
            "target_compile_definitions(${name} PRIVATE EXERCISM_RUN_ALL_TESTS)\nendif()\n"
            "add_custom_target(test_${name} ALL DEPENDS ${name} COMMAND ${name})\n",
        },
    )
    exercise(
        top / "rust/exercises/practice/half",
        {"solution": ["src/lib.rs", "Cargo.toml"], "test": ["tests/half.rs"]},
        {
            "Cargo.toml": '[package]\nname = "half"\nversion = "1.0.0"\nedition = "2021"\n',
            "src/lib.rs": "pub fn half(_: i32) -> i32 { todo!() }\n",
            "tests/half.rs": "#[test]\n#[ignore]\nfn t() { assert_eq!(half::half(4), 2); }\n",
        },
    )
    exercise(
        top / "go/exercises/practice/up",
        {"solution": ["up.go"], "test": ["up_test.go"]},
        {"go.mod": "module up\n", "up.go": "package up\n", "up_test.go": "package up\n"},
    )
    exercise(
        top / "javascript/exercises/practice/hi",
        {"solution": ["hi.js"], "test": ["hi.spec.js"]},
        {
            "hi.js": "export const hi = () => '';\n",
            "hi.spec.js": "import { hi } from './hi.js';\nconst test = (n, f) => f();\n"
            "const xtest = () => {};\n"
            "xtest('says hi', () => { if (hi() !== 'hi') throw new Error('no'); "
            "console.log('Tests:       1 passed, 1 total'); });\n",
            "package.json": '{"type": "module", "scripts": {"test": "node hi.spec.js"}}',
        },
    )
    exercise(
        top / "java/exercises/practice/leap",
        {"solution": ["src/main/java/Leap.java"], "test": ["src/test/java/LeapTest.java"]},
        {
            "src/main/java/Leap.java": "class Leap {}\n",
            "src/test/java/LeapTest.java": "class LeapTest {\n"
            '    @Disabled("Remove to run test")\n    @Test\n    void t() {}\n}\n',
            "gradlew": "#!/bin/sh\n",
        },
    )
    return top


def test_a_language_without_its_tools_is_left_out_and_said(tmp_path: Path) -> None:
    told = loading(tmp_path, path="/nowhere")
    tasks = polyglot.load(languages(tmp_path / "poly"), told)

    assert [task.id for task in tasks] == ["polyglot-python-twice"]
    assert {each.id: each.reason for each in told.left_out} == {
        "polyglot-cpp-add-up": "cmake and make and c++ not installed",
        "polyglot-go-up": "go not installed",
        "polyglot-java-leap": "javac and java not installed",
        "polyglot-javascript-hi": "node and npm not installed",
        "polyglot-rust-half": "cargo not installed",
    }


def solved(tmp_path: Path, task_id: str, files: dict[str, str]) -> tuple[int, int]:
    tasks = {task.id: task for task in polyglot.load(languages(tmp_path / "p"), Loading(tmp_path))}
    task = tasks[task_id]
    folder = laid_out(task, tmp_path / "work")
    before = checked(task, folder, tmp_path / "aside").returncode
    write(folder, dict(files))
    return before, checked(task, folder, tmp_path / "aside").returncode


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("cmake") or not shutil.which("c++"), reason="no C++ here")
def test_cpp_is_judged_by_all_tests_under_the_exercises_name(tmp_path: Path) -> None:
    answer = '#include "add_up.h"\nint add_up(int a, int b) { return a + b; }\n'

    before, after = solved(tmp_path, "polyglot-cpp-add-up", {"add_up.cpp": answer})

    assert (before != 0, after) == (True, 0)


CHEATS = {
    "skips": ("python-twice", {"conftest.py": "import pytest\n\n\ndef pytest_collection_modifyitems"
              "(items):\n    for each in items:\n        each.add_marker(pytest.mark.skip)\n"}),
    "collects": ("python-twice", {"pytest.ini": "[pytest]\naddopts = --collect-only\n"}),
    "shadows": ("python-twice", {"pytest.py": "import sys\nsys.exit(0)\n"}),
    "leaves": ("python-twice", {"twice.py": "import os\nos._exit(0)\n"}),
    "claims": ("python-twice", {"twice.py": "import os\nprint('{\"ok\": false, \"reason\": '\n"
               "      '\"error\"}', flush=True)\nos._exit(1)\n"}),
    "builds": ("cpp-add-up", {"CMakeLists.txt": ""}),
    "leaves out": ("rust-half", {"Cargo.toml": "[package]\nname = 'half'\nversion = '1.0.0'\n"
                   "edition = '2021'\nautotests = false\n", "src/lib.rs": ""}),
    "replaces": ("javascript-hi", {"package.json": '{"scripts": {"test": "true"}}'}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("cheat", CHEATS)
def test_the_tests_are_run_whatever_an_agent_puts_beside_them(
    cheat: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, files = CHEATS[cheat]
    home = Path(os.path.expanduser("~root")) if os.geteuid() == 0 else Path.home()
    monkeypatch.setenv("RUSTUP_HOME", str(home / ".rustup"))
    top = languages(tmp_path / "p")
    (top / "javascript/node_modules").mkdir()
    tasks = {task.id: task for task in polyglot.load(top, Loading(tmp_path))}
    if f"polyglot-{name}" not in tasks:
        pytest.skip("no toolchain here")
    task = tasks[f"polyglot-{name}"]

    async def judged() -> Verdict:
        placed = await place(task, tmp_path / "top", os.environ)
        write(placed.repo, files)
        return await judge(task, placed, os.environ, answer=tmp_path / "none")

    verdict = asyncio.run(judged())

    assert (verdict.passed, verdict.reason) == (False, "still_failing"), verdict


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("npm"), reason="no Node here")
def test_packages_are_found_wherever_the_checkout_lies(tmp_path: Path) -> None:
    """As below /tmp, which the check's sandbox has a folder of its own for."""
    top = languages(tmp_path / "p")
    write(top, {"javascript/node_modules/said/index.js": "module.exports = 'hi';\n"})
    (task,) = (t for t in polyglot.load(top, Loading(tmp_path)) if t.category == "javascript")

    async def judged() -> Verdict:
        placed = await place(task, tmp_path / "top", os.environ)
        answer = "import said from 'said';\nexport const hi = () => said;\n"
        write(placed.repo, {"hi.js": answer})
        return await judge(task, placed, os.environ, answer=tmp_path / "none")

    assert asyncio.run(judged()).passed


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("cargo"), reason="no Rust here")
def test_rust_is_judged_by_ignored_tests_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The toolchain lies in the home of whoever runs the tests.
    home = Path(os.path.expanduser("~root")) if os.geteuid() == 0 else Path.home()
    monkeypatch.setenv("RUSTUP_HOME", str(home / ".rustup"))
    answer = "pub fn half(n: i32) -> i32 { n / 2 }\n"

    before, after = solved(tmp_path, "polyglot-rust-half", {"src/lib.rs": answer})

    assert (before != 0, after) == (True, 0)


@pytest.mark.skipif(not shutil.which("npm"), reason="no Node here")
def test_javascript_needs_its_packages_once_and_runs_skipped_tests(tmp_path: Path) -> None:
    told = Loading(tmp_path)
    polyglot.load(languages(tmp_path / "p"), told)
    reasons = {each.id: each.reason for each in told.left_out}
    where = tmp_path / "p/javascript"
    assert f"run `npm install --prefix {where} jest" in reasons["polyglot-javascript-hi"]
    (tmp_path / "p/javascript/node_modules").mkdir()

    answer = "export const hi = () => 'hi';\n"
    before, after = solved(tmp_path, "polyglot-javascript-hi", {"hi.js": answer})

    assert (before != 0, after) == (True, 0)


def test_javas_disabled_tests_are_run(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    for name in ("java", "javac", "gradle"):
        write(folder, {name: "#!/bin/sh\n"})
        (folder / name).chmod(0o755)
    tasks = polyglot.load(languages(tmp_path / "p"), loading(tmp_path, str(folder)))

    (task,) = (task for task in tasks if task.category == "java")

    assert "( gradle test --offline --console=plain ) >" in task.check.cmd
    assert "@Disabled" not in str(task.check.overlay["src/test/java/LeapTest.java"])
    assert "@Test" in str(task.check.overlay["src/test/java/LeapTest.java"])


# ------------------------------------------------------------------ QuixBugs


def bugs(top: Path) -> Path:
    return write(
        top,
        {
            "python_programs/total.py": "def total(a, b):\n    return a - b\n",
            "python_programs/spin.py": "def spin(n):\n    while n:\n        pass\n    return n\n",
            "python_programs/walk.py": "def walk(node):\n    return [node.value, node.value]\n",
            "python_programs/pairs.py": "def pairs(n):\n    yield (n, n)\n",
            "python_programs/node.py": "class Node:\n    def __init__(self, value):\n"
            "        self.value = value\n",
            "python_programs/walk_test.py": "not this",
            "python_programs/lonely.py": "def lonely():\n    pass\n",
            "correct_python_programs/total.py": "def total(a, b):\n    return a + b\n",
            "json_testcases/total.json": "[[1, 2], 3]\n[[0, 0], 0]\n\n",
            "json_testcases/spin.json": "[3, 3]\n",
            "json_testcases/pairs.json": "[[1], [[1, 1]]]\n[[2], [[2, 4]]]\n",
            "python_testcases/test_walk.py": "import pytest\nfrom node import Node\n"
            "if pytest.use_correct:\n    from correct_python_programs.walk import walk\n"
            "else:\n    from python_programs.walk import walk\n\n\n"
            "def test_walk():\n    assert walk(Node(1)) == [1]\n",
            "java_programs/TOTAL.java": "package java_programs;\npublic class TOTAL {\n"
            "    public static int total(int a, int b) { return a - b; }\n}\n",
            "java_programs/Node.java": "package java_programs;\npublic class Node {}\n",
            "java_testcases/junit/TOTAL_TEST.java": "package java_testcases.junit;\n"
            "public class TOTAL_TEST {\n    @org.junit.Test\n    public void adds() {\n"
            "        if (java_programs.TOTAL.total(1, 2) != 3) throw new AssertionError();\n"
            "    }\n}\n",
        },
    )


def by_id(tmp_path: Path, told: Loading) -> dict[str, Task]:
    return {task.id: task for task in quixbugs.load(bugs(tmp_path / "bugs"), told)}


def test_the_corrected_version_is_laid_out_nowhere(tmp_path: Path) -> None:
    tasks = by_id(tmp_path, loading(tmp_path, path="/nowhere"))

    assert sorted(tasks) == [
        f"quixbugs-python-{name}" for name in ("pairs", "spin", "total", "walk")
    ]
    assert sorted(tasks["quixbugs-python-total"].files) == ["python_programs/total.py"]
    assert sorted(tasks["quixbugs-python-walk"].files) == [
        "python_programs/node.py",
        "python_programs/walk.py",
    ]
    for task in tasks.values():
        assert "a + b" not in everything(task) + json.dumps(dict(task.check.overlay))
        assert task.only_change == (next(n for n in task.files if not n.endswith("node.py")),)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, answer",
    [
        ("total", "def total(a, b):\n    return a + b\n"),
        ("pairs", "def pairs(n):\n    yield (n, n * n)\n"),
        ("walk", "def walk(node):\n    return [node.value]\n"),
    ],
)
def test_a_bug_fails_and_its_fix_passes(name: str, answer: str, tmp_path: Path) -> None:
    task = by_id(tmp_path, loading(tmp_path, path="/nowhere"))[f"quixbugs-python-{name}"]
    folder = laid_out(task, tmp_path / "work")

    before = checked(task, folder, tmp_path / "aside")
    write(folder, {f"python_programs/{name}.py": answer})
    after = checked(task, folder, tmp_path / "aside")

    assert (before.returncode, after.returncode) == (1, 0), after.stdout


@pytest.mark.slow
def test_a_program_that_never_ends_fails_in_time(tmp_path: Path) -> None:
    task = by_id(tmp_path, loading(tmp_path, path="/nowhere"))["quixbugs-python-spin"]
    folder = laid_out(task, tmp_path / "work")

    done = checked(task, folder, tmp_path / "aside")

    assert done.returncode == 1
    assert "the case takes too long" in done.stdout


def test_java_without_junit_is_left_out_and_said(tmp_path: Path) -> None:
    told = loading(tmp_path)
    told.environ = {"PATH": "/nowhere", "HOME": str(tmp_path)}
    quixbugs.load(bugs(tmp_path / "bugs"), told)

    assert [(each.id, each.reason) for each in told.left_out] == [
        ("quixbugs-python-lonely", "there are no cases for it"),
        ("quixbugs-java-total", "javac and java not installed"),
    ]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("javac"), reason="no JDK here")
def test_java_is_compiled_and_judged_by_junit(tmp_path: Path) -> None:
    """With a runner in JUnit's place that does the little which this test needs of it."""
    stub = write(
        tmp_path / "stub",
        {
            "org/junit/Test.java": "package org.junit;\nimport java.lang.annotation.*;\n"
            "@Retention(RetentionPolicy.RUNTIME) public @interface Test {}\n",
            "org/junit/runner/JUnitCore.java": "package org.junit.runner;\n"
            "public class JUnitCore {\n"
            "    public static void main(String[] names) throws Exception {\n"
            "        Class<?> type = Class.forName(names[0]);\n"
            "        for (var each : type.getMethods())\n"
            "            if (each.isAnnotationPresent(org.junit.Test.class))\n"
            "                each.invoke(type.getDeclaredConstructor().newInstance());\n"
            "    }\n}\n",
        },
    )
    import subprocess

    sources = [str(each) for each in stub.rglob("*.java")]
    subprocess.run(["javac", "-d", str(tmp_path / "classes"), *sources], check=True)
    lib = bugs(tmp_path / "bugs") / "lib"
    lib.mkdir()
    for name in ("junit-4.0.jar", "hamcrest-core-1.3.jar", "gson-2.0.jar"):
        subprocess.run(
            ["jar", "--create", "--file", str(lib / name), "-C", str(tmp_path / "classes"), "."],
            check=True,
        )
    told = Loading(tmp_path)
    (task,) = (t for t in quixbugs.load(tmp_path / "bugs", told) if t.category == "java")
    folder = laid_out(task, tmp_path / "work")

    before = checked(task, folder, tmp_path / "aside")
    fixed = (folder / "java_programs/TOTAL.java").read_text().replace("a - b", "a + b")
    write(folder, {"java_programs/TOTAL.java": fixed})
    after = checked(task, folder, tmp_path / "aside")

    assert (before.returncode, after.returncode) == (1, 0), after.stderr


def test_cases_that_the_right_program_does_not_end_on_are_left_out(tmp_path: Path) -> None:
    top = bugs(tmp_path / "q")
    long = ["amanaplanacanalpanama", "docnoteidissentafastneverpreventsafatness"]
    write(
        top,
        {
            "python_programs/levenshtein.py": "def levenshtein(a, b):\n    return 0\n",
            "json_testcases/levenshtein.json": f'[["a", "b"], 1]\n{json.dumps([long, 42])}\n',
            "python_programs/knapsack.py": "def knapsack(capacity, items):\n    return 0\n",
            "json_testcases/knapsack.json": "[[10, [[1, 2]]], 2]\n[[6404180, [[1, 2]]], 2]\n",
        },
    )

    tasks = {task.id: task for task in quixbugs.load(top, loading(tmp_path))}

    for name in ("levenshtein", "knapsack"):
        overlay = tasks[f"quixbugs-python-{name}"].check.overlay
        assert len(json.loads(str(overlay[f"hidden_{name}/cases.json"]))) == 1


def test_cases_that_are_none_are_told_with_their_line(tmp_path: Path) -> None:
    write(tmp_path, {"x.json": "[[1], 2]\n[1]\n", "y.json": "[[1], 2\n"})
    with pytest.raises(UsageError, match=r"x.json:2: a case is \[arguments, result\]"):
        quixbugs.read_cases(tmp_path / "x.json")
    with pytest.raises(UsageError, match=r"y.json:1: this line is no JSON"):
        quixbugs.read_cases(tmp_path / "y.json")
    with pytest.raises(UsageError, match="is no checkout of QuixBugs"):
        quixbugs.load(tmp_path, loading(tmp_path))
