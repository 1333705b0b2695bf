"""SWE-bench: instances read, repositories without their future, verdicts, predictions. Own data."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import trying
from eval_places import git, repository, write
from program import Program

from qcode.errors import QcodeError, UsageError
from qcode.evals.harness.judging import Verdict, judge
from qcode.evals.harness.placing import place, write_files
from qcode.evals.harness.task import Check, Task
from qcode.evals.harness.threads import in_thread
from qcode.evals.loaders import kit, official, predictions, swe_judge, swe_place, swebench
from qcode.evals.loaders.base import Loading
from qcode.evals.loaders.swe_judge import UNJUDGED
from qcode.record import replace

TESTS = """diff --git a/tests/test_calc.py b/tests/test_calc.py
--- a/tests/test_calc.py
+++ b/tests/test_calc.py
@@ -4,2 +4,6 @@
 def test_add():
     assert add(1, 2) == 3
+
+
+def test_zero():
+    assert add(0, 0) == 0
"""
CALC = "def add(a, b):\n    return a + b if a else None\n"
FIXED = "def add(a, b):\n    return a + b  # the_fix_itself\n"
TEST = "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n".replace(
    "\n\n\n", "\n\n", 1
)


def instance(commit: str, **changes: Any) -> dict[str, Any]:
    return {
        "instance_id": "own__calc-1",
        "repo": "own/calc",
        "base_commit": commit,
        "patch": "diff --git a/calc.py b/calc.py\n+the_fix_itself\n",
        "test_patch": TESTS,
        "problem_statement": "add(0, 0) is None\r\nIt should be 0.\n",
        "hints_text": "the_hint",
        "version": "1.0",
        "FAIL_TO_PASS": json.dumps(["tests/test_calc.py::test_zero"]),
        "PASS_TO_PASS": ["tests/test_calc.py::test_add"],
        "difficulty": "<15 min fix",
        **changes,
    }


def project(top: Path) -> str:
    """Make a clone with a past and a future; return the commit of the task."""
    repository(top, {"calc.py": "older_secret = 1\n", "tests/test_calc.py": TEST})
    files: dict[str, str | bytes] = {
        "calc.py": CALC,
        ".gitattributes": "docs export-ignore\n",
        "docs/a.txt": "kept\n",
        ".gitignore": "*.log\n",
    }
    base = repository(top, files)
    fix = repository(top, {"calc.py": FIXED}, "Fix it")
    git(top, "tag", "v2")
    git(top, "branch", "later", fix)
    git(top, "gc", "-q")
    return base


def tasks(folder: Path, *rows: dict[str, Any], env: dict[str, Any] | None = None) -> list[Task]:
    file = folder / "instances.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    if env is not None:
        (folder / "instances.env.json").write_text(json.dumps(env))
    return swebench.load(file, Loading(folder / "cache"))


def test_an_instance_is_a_task_without_its_answer_and_hints(tmp_path: Path) -> None:
    (task,) = tasks(tmp_path, instance("0" * 40))

    assert task.id == "swebench-own__calc-1"
    assert "add(0, 0) is None" in task.prompt
    assert "the_fix_itself" not in kit.line(task)
    assert "the_hint" not in kit.line(task)
    assert task.check.more["fail_to_pass"] == ["tests/test_calc.py::test_zero"]
    assert task.check.more["pass_to_pass"] == ["tests/test_calc.py::test_add"]
    assert task.more["base"]["git"] == {
        "url": "https://github.com/own/calc",
        "commit": "0" * 40,
    }


def test_without_an_environment_it_is_an_error_and_no_failure(tmp_path: Path) -> None:
    told = Loading(tmp_path)
    (tmp_path / "i.json").write_text(json.dumps([instance("0" * 40)]))
    (task,) = swebench.load(tmp_path / "i.json", told)
    task = replace(task, files={"calc.py": "x = 1\n"}, more={})

    async def solved() -> Verdict:
        placed = await place(task, tmp_path / "top", os.environ)
        write_files(placed.repo, {"calc.py": "x = 2\n"})
        return await judge(task, placed, os.environ, answer=tmp_path / "none")

    found = asyncio.run(solved())

    assert (found.passed, found.reason, found.changed) == (False, "error", ("calc.py",))
    assert "--official" in found.detail
    assert "1 of 1 instances have no environment" in told.notes[0]


@pytest.mark.parametrize(
    "repo, file, command",
    [
        ("django/django", "tests/a_b/test_c.py",
         ("cd tests && python ./runtests.py --verbosity 2 --settings=test_sqlite --parallel 1 "
          "a_b.test_c")),
        ("sympy/sympy", "sympy/x/tests/test_y.py",
         ("PYTHONWARNINGS=ignore::UserWarning,ignore::SyntaxWarning bin/test -C --verbose "
          "sympy/x/tests/test_y.py")),
        ("own/calc", "t/test_y.py",
         "python -m pytest -rA --tb=short -p no:cacheprovider t/test_y.py"),
    ],
)  # fmt: skip
def test_tests_are_run_as_their_repository_does(
    repo: str, file: str, command: str, tmp_path: Path
) -> None:
    patch = TESTS.replace("tests/test_calc.py", file)
    data = "diff --git a/t/x.json b/t/x.json\n--- a/t/x.json\n+++ b/t/x.json\n@@ -1 +1 @@\n-a\n+b\n"
    row = instance("0" * 40, repo=repo, test_patch=patch + data)
    (task,) = tasks(tmp_path, row, env={f"{repo}@1.0": {"python": "3.11"}})

    assert task.check.cmd == command


@pytest.mark.parametrize(
    "row, message",
    [
        ({"instance_id": "x"}, r"instances.jsonl:1: an instance of SWE-bench has `repo`"),
        (instance("abc"), "`base_commit` has 40 hexadecimal digits"),
        (instance("0" * 40, repo="../x"), "`repo` is owner/name"),
        (instance("0" * 40, FAIL_TO_PASS="["), "a list of tests is no JSON"),
    ],
)
def test_mistakes_are_told_with_their_line(
    row: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        tasks(tmp_path, row)


def test_a_table_in_parquet_is_asked_for_as_json(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a Parquet file; export it as JSON"):
        swebench.load(tmp_path / "x.parquet", Loading(tmp_path))


def everything_in(folder: Path) -> str:
    """Return all that is in a folder, each object of its repository unpacked, refs and logs."""
    objects = git(folder, "cat-file", "--batch", "--batch-all-objects", "--unordered")
    files = "".join(
        path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()
    )
    return objects + files + git(folder, "log", "--all", "--reflog", "-p")


@pytest.mark.parametrize("how", ["clone", "url"])
def test_the_fix_is_in_no_object_of_what_the_agent_gets(how: str, tmp_path: Path) -> None:
    base = project(tmp_path / "clones/own__calc")
    (task,) = tasks(tmp_path, instance(base))
    loading = Loading(tmp_path / "cache", clones=tmp_path / "clones" if how == "clone" else None)
    if how == "url":
        url = (tmp_path / "clones/own__calc").as_uri()
        more = {**task.more, "base": {"git": {"url": url, "commit": base}}}
        from qcode.record import replace

        task = replace(task, more=more)
    folder = tmp_path / "work"

    said = swe_place.lay_out(task, folder, loading)
    commit = swe_place.commit(folder)

    found = everything_in(folder)
    assert said == f"git {base}"
    assert "the_fix_itself" not in found
    assert "older_secret" not in found
    assert base not in found
    assert git(folder, "rev-list", "--all", "--count").strip() == "1"
    assert git(folder, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]
    assert git(folder, "status", "--porcelain", "--ignored") == ""
    assert git(folder, "rev-parse", "HEAD").strip() == commit
    assert (folder / "docs/a.txt").read_text() == "kept\n"
    assert (folder / "calc.py").read_text() == CALC
    # Nor in what is kept for the next time.
    if how == "url":
        kept = git(tmp_path / f"cache/commit-{base}", "cat-file", "--batch", "--batch-all-objects")
        assert "the_fix_itself" not in kept


def test_a_clone_is_left_as_it_was(tmp_path: Path) -> None:
    base = project(tmp_path / "clones/own__calc")
    clone = tmp_path / "clones/own__calc"
    (clone / "calc.py").write_text("dirty\n")
    before = git(clone, "status", "--porcelain"), git(clone, "rev-parse", "HEAD")
    (task,) = tasks(tmp_path, instance(base))

    swe_place.lay_out(task, tmp_path / "work", Loading(tmp_path, clones=tmp_path / "clones"))

    assert (git(clone, "status", "--porcelain"), git(clone, "rev-parse", "HEAD")) == before
    assert (clone / "calc.py").read_text() == "dirty\n"


def test_a_source_distribution_is_unpacked_without_what_was_built(tmp_path: Path) -> None:
    write(tmp_path / "s/calc-1", {"calc.py": CALC, "calc.egg-info/x": "x", "src/a.egg-info/x": ""})
    archive = tmp_path / "calc-1.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(tmp_path / "s/calc-1", "calc-1")
    (tmp_path / "work").mkdir()

    swe_place.unpack_sdist(archive, tmp_path / "work")

    assert sorted(path.name for path in (tmp_path / "work").rglob("*")) == ["calc.py", "src"]


def test_a_source_distribution_that_is_kept_is_not_fetched_again(tmp_path: Path) -> None:
    write(tmp_path / "s/calc-1", {"calc.py": CALC})
    archive = tmp_path / "calc-1.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(tmp_path / "s/calc-1", "calc-1")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    (tmp_path / "cache").mkdir()
    archive.rename(tmp_path / f"cache/sdist-{digest}")
    sdist = {"package": "no-such-package", "version": "1", "sha256": digest}
    row = {
        "id": "a", "suite": "s", "prompt": "p", "check": {"cmd": "true"},
        "base": {"sdist": sdist},
    }  # fmt: skip
    (tmp_path / "work").mkdir()

    said = swe_place.lay_out(kit.parse(row, "here"), tmp_path / "work", Loading(tmp_path / "cache"))

    assert said == f"sdist {digest}"
    assert (tmp_path / "work/calc.py").read_text() == CALC


def plain(command: str, folder: Path, timeout_s: float) -> swe_judge.Ran:
    own = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environ = {**os.environ, **own, "PYTHONPATH": ".", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, env=environ,
        timeout=timeout_s,
    )  # fmt: skip
    return swe_judge.Ran(done.returncode, done.stdout)


@pytest.mark.slow
def test_hidden_tests_judge_and_the_agents_own_are_put_back(tmp_path: Path) -> None:
    base = project(tmp_path / "clones/own__calc")
    (task,) = tasks(tmp_path, instance(base), env={"own__calc-1": {"python": ""}})
    folder = tmp_path / "work"
    swe_place.lay_out(task, folder, Loading(tmp_path, clones=tmp_path / "clones"))
    swe_judge.keep_originals(task.check, folder, tmp_path / "originals")

    before = swe_judge.judge(task.check, folder, tmp_path / "originals", plain)
    (folder / "tests/test_calc.py").write_text("# emptied by the agent\n")
    cheated = swe_judge.judge(task.check, folder, tmp_path / "originals", plain)
    (folder / "calc.py").write_text(FIXED)
    after = swe_judge.judge(task.check, folder, tmp_path / "originals", plain)
    (folder / "calc.py").write_text("def add(a, b):\n    return 0\n")
    broken = swe_judge.judge(task.check, folder, tmp_path / "originals", plain)

    assert (before.reason, before.resolved, before.kept) == ("still_failing", (0, 1), (1, 1))
    assert (cheated.reason, after.reason) == ("still_failing", "pass")
    assert (broken.reason, broken.kept) == ("broke_tests", (0, 1))
    assert (folder / "tests/test_calc.py").read_text() == "# emptied by the agent\n"


@pytest.mark.parametrize(
    "parser, output, expected",
    [
        ("pytest", "PASSED t.py::a\nFAILED t.py::b[x y] - assert 1\nXFAIL t.py::c\nnoise::x\n",
         {"t.py::a": "PASSED", "t.py::b[x y]": "FAILED", "t.py::b[x": "FAILED",
          "t.py::c": "XFAIL"}),
        ("django", ("test_a (m.T) ... ok\ntest_b (m.T)\nWhat it says. ... FAIL\n"
         "test_c (m.T) ... skipped 'x'\nERROR: test_d (m.T)\n"),
         {"test_a (m.T)": "PASSED", "test_b (m.T)": "FAILED", "What it says.": "FAILED",
          "test_c (m.T)": "SKIPPED", "test_d (m.T)": "FAILED"}),
        ("sympy", "test_a ok\ntest_b F\ntest_c f\n___ sympy/x.py:test_d ___\n",
         {"test_a": "PASSED", "test_b": "FAILED", "test_c": "XFAIL", "test_d": "FAILED"}),
    ],
)  # fmt: skip
def test_outputs_are_read(parser: str, output: str, expected: dict[str, str]) -> None:
    assert swe_judge.read(parser, output) == expected


def test_no_output_and_no_end_are_no_pass() -> None:
    more = {"fail_to_pass": ["a::b"], "pass_to_pass": []}

    assert swe_judge.verdict(more, swe_judge.Ran(1, "nothing")).reason == "error"
    assert swe_judge.verdict(more, swe_judge.Ran(None, "PASSED x::y")).reason == "timeout"
    assert not swe_judge.verdict({"fail_to_pass": []}, swe_judge.Ran(0, "PASSED a::b")).passed


@pytest.mark.slow
def test_an_environment_has_the_packages_and_variables_of_its_task(tmp_path: Path) -> None:
    """From a wheel that is made here: no index is asked."""
    about = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
    (tmp_path / "w").mkdir()
    with zipfile.ZipFile(tmp_path / "w/tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "x = 7\n")
        wheel.writestr("tiny-1.0.dist-info/METADATA", about)
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    environ = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "w")}
    env = {"build": [], "pip": ["tiny==1.0"], "vars": {"MODE": "on"}}
    row = {"id": "a", "suite": "s", "prompt": "p", "check": {"cmd": "true"}, "base": {}, "env": env}
    task = kit.parse(row, "here")
    (tmp_path / "work").mkdir()

    swe_place.build(task, tmp_path / "work", tmp_path / "venv", environ)

    inside = swe_place.environment(task, tmp_path / "venv", environ)
    code = "import tiny, os; print(tiny.__file__, tiny.x, os.environ['MODE'])"
    done = subprocess.run(["python", "-c", code], env=inside, capture_output=True, text=True)
    where, *others = done.stdout.split()
    assert Path(where).is_relative_to(tmp_path / "venv")
    assert others == ["7", "on"]
    wrong = kit.parse({**row, "env": {"build": [], "pip": ["no-such==1"]}}, "here")
    with pytest.raises(QcodeError, match="No matching distribution found for no-such==1"):
        swe_place.build(wrong, tmp_path / "work", tmp_path / "venv2", environ)


def test_a_python_that_is_not_here_is_told(tmp_path: Path) -> None:
    with pytest.raises(QcodeError, match="there is no Python 2.1 here"):
        swe_place.find_python("2.1", {"PATH": "/nowhere", "HOME": str(tmp_path)})


def test_a_build_is_ended_when_the_evaluation_is(tmp_path: Path) -> None:
    python = tmp_path / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] && sleep 300\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    version = python.name.removeprefix("python")
    made = replace(trying.task(), more={"env": {"python": version}})
    environ = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    begun = time.monotonic()

    async def interrupted() -> None:
        async with asyncio.timeout(1.5):
            await in_thread(
                lambda stop: swe_place.build(made, tmp_path, tmp_path / "v", environ, stop=stop)
            )

    with pytest.raises(TimeoutError):
        asyncio.run(interrupted())

    assert time.monotonic() - begun < 20


def test_what_is_built_sees_no_keys(tmp_path: Path) -> None:
    made = trying.task()

    inside = swe_place.environment(made, tmp_path / "v", {"MY_API_KEY": "x", "PIP_INDEX_URL": "y"})

    assert (inside.get("MY_API_KEY"), inside["PIP_INDEX_URL"]) == (None, "y")


# ------------------------------------------------------------------ predictions


def trial(folder: Path, patch: str, **changes: Any) -> dict[str, Any]:
    write(folder, {"artefacts/1/diff.patch": patch})
    return {
        "task": "swebench-own__calc-1", "suite": "swebench", "agent": "qcode@1", "model": "m",
        "number": 0, "artefacts": "artefacts/1", **changes,
    }  # fmt: skip


def test_predictions_have_sources_alone_and_apply(tmp_path: Path) -> None:
    base = project(tmp_path / "repo")
    git(tmp_path / "repo", "checkout", "-q", base)
    work = tmp_path / "repo"
    write(
        work,
        {
            "calc.py": FIXED,
            "new/ünü.py": "x = 1\n",
            "tests/test_calc.py": "changed\n",
            "test_mine.py": "scratch\n",
            "pic.png": b"\x89PNG\x00\xff",
            "build/lib/calc.py": "x\n",
            "docs/a.txt": "no newline",
        },
    )
    git(work, "add", "-A")
    patch = git(work, "diff", "--cached", "--binary")
    git(work, "reset", "-q", "--hard")
    write(tmp_path / "out", {"results.jsonl": json.dumps(trial(tmp_path / "out", patch)) + "\n"})

    (one,) = predictions.predictions(tmp_path / "out")

    assert set(one) == {"instance_id", "model_name_or_path", "model_patch"}
    assert (one["instance_id"], one["model_name_or_path"]) == ("own__calc-1", "qcode@1+m")
    names = [part.new for part in predictions.parts(one["model_patch"])]
    assert names == ["calc.py", "docs/a.txt", "new/ünü.py"]
    assert predictions.applies(one["model_patch"], work)
    subprocess.run(["git", "apply", "-"], cwd=work, input=one["model_patch"].encode(), check=True)
    assert (work / "calc.py").read_text() == FIXED
    assert (work / "docs/a.txt").read_text() == "no newline"


@pytest.mark.parametrize(
    "path, is_kept",
    [
        ("django/test/client.py", True),
        ("astropy/tests/helper.py", True),
        ("bin/test", True),
        ("tests/basic/models.py", False),
        ("sympy/core/tests/test_basic.py", False),
        ("pkg/conftest.py", False),
    ],
)
def test_a_source_is_no_test_for_its_folder_alone(path: str, is_kept: bool) -> None:
    patch = f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n"

    assert predictions.of_sources(patch) == (patch if is_kept else "")


def test_one_prediction_an_instance_is_written_and_torn_lines_pass(tmp_path: Path) -> None:
    rows = [
        {"id": "header", "suites": []},
        trial(tmp_path, ""),
        trial(tmp_path, "", number=1),
        trial(tmp_path, "", suite="small", task="small-x"),
    ]
    text = "".join(f"{json.dumps(row)}\n" for row in rows) + '{"task": "tor'
    write(tmp_path, {"results.jsonl": text})

    assert predictions.write(tmp_path, tmp_path / "p.jsonl") == 1
    lines = (tmp_path / "p.jsonl").read_text().splitlines()
    assert [json.loads(line)["model_patch"] for line in lines] == [""]
    with pytest.raises(UsageError, match="has no trials of SWE-bench, or none number 7"):
        predictions.write(tmp_path, tmp_path / "q.jsonl", number=7)
    with pytest.raises(UsageError, match="has no results; give the folder"):
        predictions.write(tmp_path / "artefacts", tmp_path / "q.jsonl")


def test_a_patch_keeps_the_line_ends_of_its_files(tmp_path: Path) -> None:
    patch = (
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\r\n+x = '\udcff'\r\n"
    )
    (tmp_path / "one").mkdir()
    row = trial(tmp_path, "")
    (tmp_path / "artefacts/1/diff.patch").write_bytes(patch.encode("utf-8", "surrogateescape"))
    (tmp_path / "results.jsonl").write_text(json.dumps(row) + "\n")

    predictions.write(tmp_path, tmp_path / "p.jsonl")

    assert json.loads((tmp_path / "p.jsonl").read_text("ascii"))["model_patch"] == patch


def test_what_failed_around_the_agent_is_no_prediction_and_what_was_not_judged_is(
    tmp_path: Path,
) -> None:
    write(tmp_path, {"unjudged/check.txt": "{}", "kept/work/results.jsonl": "{}"})
    rows = [
        trial(tmp_path, "", reason="error", task="swebench-own__calc-1"),
        trial(tmp_path, "", reason="error", task="swebench-own__calc-2", artefacts="unjudged"),
    ]
    (tmp_path / "results.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    found = list(predictions.predictions(tmp_path))

    assert [each["instance_id"] for each in found] == ["own__calc-2"]


def test_predictions_are_written_and_judged_by_the_command_line(tmp_path: Path) -> None:
    made = trying.task("swebench-own__calc-1", check=Check(UNJUDGED, more={"fail_to_pass": []}))
    made = replace(made, suite="swebench")
    trying.tried(tmp_path / "out", [made], trying.Shell())
    no_docker = {"PATH": "/nowhere"}
    run = Program(tmp_path, model=None, environ=no_docker).run

    told = run("eval", "report", "out", "--predictions", "p.jsonl")
    in_json = run("eval", "report", "out", "--predictions", "p.jsonl", "--json")
    refused = run("eval", "report", "out", "--official", "lite")

    assert told.out.splitlines()[-1] == "p.jsonl: 1 prediction"
    assert in_json.json()["count"] == 1
    assert json.loads((tmp_path / "p.jsonl").read_text())["instance_id"] == "own__calc-1"
    assert refused.code == 2
    assert refused.error == (
        "qcode: the official harness cannot be run here: Docker is not installed; "
        "out/predictions.jsonl is complete; judge it where both are"
    )


def test_the_official_harness_is_not_called_where_it_is_not(tmp_path: Path) -> None:
    assert official.problem({"PATH": "/nowhere"}) == "Docker is not installed"
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    assert official.problem({"PATH": str(tmp_path)}) == "Docker's daemon is not running"
    with pytest.raises(UsageError, match="cannot be run here: Docker's daemon is not running"):
        official.run(tmp_path / "p.jsonl", "lite", "r", {"PATH": str(tmp_path)})


def test_the_official_harness_is_called_and_its_report_read(tmp_path: Path) -> None:
    """With a module in its place that takes its arguments and leaves its report."""
    write(
        tmp_path,
        {
            "docker": "#!/bin/sh\nexit 0\n",
            "lib/swebench/__init__.py": "",
            "lib/swebench/harness/__init__.py": "",
            "lib/swebench/harness/run_evaluation.py": "import json, sys\n"
            "open('m.run-1.json', 'w').write(json.dumps({'resolved_ids': sys.argv[1:],"
            " 'unresolved_ids': ['u']}))\n",
            "p.jsonl": '{"model_name_or_path": "one"}\n',
            "q.jsonl": '{"model_name_or_path": "one"}\n{"model_name_or_path": "other"}\n',
        },
    )
    (tmp_path / "docker").chmod(0o755)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}/lib exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}

    report = official.run(
        tmp_path / "p.jsonl", "verified", "run-1", environ, workers=3, python=str(python)
    )

    assert report.unresolved == ("u",)
    assert report.resolved == (
        *("--dataset_name", "princeton-nlp/SWE-bench_Verified"),
        *("--predictions_path", str(tmp_path / "p.jsonl"), "--max_workers", "3"),
        *("--run_id", "run-1"),
    )
    with pytest.raises(UsageError, match="one agent and model, and .* has one, other"):
        official.run(tmp_path / "q.jsonl", "lite", "r", environ, python=str(python))
