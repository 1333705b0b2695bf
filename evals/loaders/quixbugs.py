"""QuixBugs: classic algorithms with a bug on one line, in Python and Java; all tests hidden.

From a checkout of github.com/jkoppel/QuixBugs (MIT). The corrected versions never leave it.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from qcode.errors import UsageError
from qcode.evals.harness.task import Check, Content, Task
from qcode.evals.loaders.base import Loading, content

_HELPERS = ("node", "__init__")
_GRAPH = re.compile(r"^from node import|^from \.node import|\bNode\b", re.MULTILINE)
_LICENCE = "MIT (QuixBugs)"
_SOURCE = "QuixBugs"

CASE_S = 10
"""For one case; the bug of some is that they never end."""

_CASES = '''"""The cases of cases.json, one test each."""

import json
import pathlib
import signal
import types

import pytest

from python_programs import NAME as module

CASES = json.loads(pathlib.Path(__file__).with_name("cases.json").read_text())


def plain(value, depth=0):
    """Lists for all that can be gone through, as JSON has them."""
    if isinstance(value, (list, tuple, types.GeneratorType, map, filter, zip, range)):
        return [plain(each, depth + 1) for each in value]
    return value


def too_slow(*_):
    raise TimeoutError("the case takes too long")


@pytest.mark.parametrize("arguments, expected", CASES)
def test_case(arguments, expected):
    signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(SECONDS)
    try:
        result = plain(module.NAME(*arguments))
    finally:
        signal.alarm(0)
    if isinstance(expected, float):
        near = arguments[-1] if "NAME" == "sqrt" else 1e-9
        assert abs(result - expected) <= near
    else:
        assert result == plain(expected)
'''

_CONFTEST = '''"""What the tests of QuixBugs ask of pytest, and an end to each of them."""

import signal

import pytest

pytest.use_correct = False
pytest.run_slow = False


@pytest.fixture(autouse=True)
def ends():
    def too_slow(*_):
        raise TimeoutError("the test takes too long")

    signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
'''


def load(path: Path, loading: Loading) -> list[Task]:
    """Return its programs in both languages; Java's are left out where JUnit or a JDK is missing.

    Raises:
        UsageError: the folder is no checkout of it, or a file in it is not as it should be.
    """
    programs = path / "python_programs"
    if not programs.is_dir():
        raise UsageError(f"{path} is no checkout of QuixBugs", hint="it has python_programs/")
    tasks = []
    for program in sorted(programs.glob("*.py")):
        name = program.stem
        if name in _HELPERS or name.endswith("_test"):
            continue
        task = _python(path, program)
        if task is None:
            loading.leave_out(f"quixbugs-python-{name}", "there are no cases for it")
        else:
            tasks.append(task)
    return [*tasks, *_all_java(path, loading)]


def _python(path: Path, program: Path) -> Task | None:
    name = program.stem
    shown: dict[str, Content] = {f"python_programs/{name}.py": content(program)}
    helper = path / "python_programs/node.py"
    cases = path / "json_testcases" / f"{name}.json"
    theirs = path / "python_testcases" / f"test_{name}.py"
    hidden: dict[str, Content]
    if cases.is_file():
        written = _CASES.replace("NAME", name).replace("SECONDS", str(CASE_S))
        hidden = {
            f"hidden_{name}/test_{name}.py": written,
            f"hidden_{name}/cases.json": json.dumps(
                [case for case in read_cases(cases) if not _never_ends(name, case)]
            ),
        }
        run = f"hidden_{name}/test_{name}.py"
    elif theirs.is_file():
        run = f"python_testcases/test_{name}.py"
        hidden = {
            run: content(theirs),
            "conftest.py": _CONFTEST.replace("SECONDS", str(CASE_S)),
        }
        for each in ("node.py", "load_testdata.py"):
            if (path / "python_testcases" / each).is_file():
                hidden[f"python_testcases/{each}"] = content(path / "python_testcases" / each)
        if helper.is_file() and "python_testcases/node.py" not in hidden:
            hidden["python_testcases/node.py"] = content(helper)
    else:
        return None
    text = shown[f"python_programs/{name}.py"]
    if helper.is_file() and (theirs.is_file() or _GRAPH.search(str(text))):
        shown["python_programs/node.py"] = content(helper)
    command = f"python -m pytest -q -p no:cacheprovider {shlex.quote(run)}"
    return _task(f"quixbugs-python-{name}", "python", f"python_programs/{name}.py", shown, Check(
        command, 120.0, hidden
    ))  # fmt: skip


def _never_ends(name: str, case: Sequence[object]) -> bool:
    """Whether even the right program takes minutes: it is exponential, or the case is huge.

    QuixBugs' own tests leave such cases out, too.
    """
    arguments = case[0]
    if not isinstance(arguments, list) or len(arguments) < 2:
        return False
    first, second = arguments[:2]
    if name == "levenshtein" and isinstance(first, str) and isinstance(second, str):
        return len(first) * len(second) > 400
    return name == "knapsack" and isinstance(first, int) and first > 1_000_000


def read_cases(file: Path) -> list[list[object]]:
    """Return the cases of a file of QuixBugs: one `[arguments, result]` a line.

    Raises:
        UsageError: a line is none.
    """
    found: list[list[object]] = []
    for number, line in enumerate(content_text(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            case = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{file}:{number}: this line is no JSON: {error}") from error
        if not isinstance(case, list) or len(case) != 2:
            raise UsageError(f"{file}:{number}: a case is [arguments, result]")
        arguments, result = case
        found.append([arguments if isinstance(arguments, list) else [arguments], result])
    return found


def content_text(file: Path) -> str:
    """Return a file's text.

    Raises:
        UsageError: it is none.
    """
    held = content(file)
    if not isinstance(held, str):
        raise UsageError(f"{file} is no UTF-8 text")
    return held


def _task(name: str, language: str, file: str, shown: dict[str, Content], check: Check) -> Task:
    return Task(
        id=name,
        suite="quixbugs",
        prompt=(
            f"There is a bug on one line of {file}: the program does not do what its comment "
            "says, or what its name promises. Find it and fix it. Change nothing else; tests that "
            "you cannot see will tell whether it is right."
        ),
        check=check,
        files=shown,
        category=language,
        time_limit_s=300.0,
        only_change=(file,),
        source=_SOURCE,
        licence=_LICENCE,
    )


# ------------------------------------------------------------------ Java


def _all_java(path: Path, loading: Loading) -> list[Task]:
    folder = path / "java_programs"
    if not folder.is_dir():
        return []
    reason = ""
    lacking = [
        name
        for name in ("javac", "java")
        if shutil.which(name, path=loading.environ.get("PATH", "")) is None
    ]
    jars = junit(path, loading)
    if lacking:
        reason = f"{' and '.join(lacking)} not installed"
    elif not jars:
        reason = "its tests need junit-4*.jar, hamcrest*.jar and gson*.jar: put them into its lib/"
    tasks = []
    for program in sorted(folder.glob("*.java")):
        name = program.stem
        test = path / "java_testcases/junit" / f"{name}_TEST.java"
        if name.endswith("_TEST") or not name.isupper():
            continue
        if reason or not test.is_file():
            why = reason or "there is no JUnit test for it"
            loading.leave_out(f"quixbugs-java-{name.lower()}", why)
            continue
        tasks.append(_java(path, program, test, jars))
    return tasks


def junit(path: Path, loading: Loading) -> tuple[Path, ...]:
    """Return the jars that the tests need and that are here; none: one of them is missing."""
    places = (
        path / "lib",
        Path("/usr/share/java"),
        loading.home / ".m2/repository/junit",
        loading.home / ".m2/repository/org/hamcrest",
        loading.home / ".m2/repository/com/google/code/gson",
        loading.home / ".gradle/caches",
    )
    found: list[Path] = []
    for form in ("junit-4*.jar", "hamcrest*.jar", "gson*.jar"):
        jars = (jar for place in places if place.is_dir() for jar in sorted(place.rglob(form)))
        one = next((jar for jar in jars if "sources" not in jar.name), None)
        if one is None:
            return ()
        found.append(one)
    return tuple(found)


def _java(path: Path, program: Path, test: Path, jars: tuple[Path, ...]) -> Task:
    name = program.stem
    shown: dict[str, Content] = {f"java_programs/{program.name}": content(program)}
    for helper in ("Node.java", "WeightedEdge.java"):
        if (path / "java_programs" / helper).is_file():
            shown[f"java_programs/{helper}"] = content(path / "java_programs" / helper)
    hidden: dict[str, Content] = {f"java_testcases/junit/{test.name}": content(test)}
    oracle = test.with_name("QuixFixOracleHelper.java")
    if oracle.is_file():
        hidden[f"java_testcases/junit/{oracle.name}"] = content(oracle)
    files = " ".join(map(shlex.quote, sorted({*shown, *hidden})))
    jar_path = ":".join(map(str, jars))
    command = (
        f'out=$(mktemp -d) && javac -nowarn -encoding UTF-8 -cp {shlex.quote(jar_path)} -d "$out" '
        f'{files} && java -cp "$out":{shlex.quote(jar_path)} org.junit.runner.JUnitCore '
        f"java_testcases.junit.{name}_TEST"
    )
    return _task(
        f"quixbugs-java-{name.lower()}", "java", f"java_programs/{program.name}", shown,
        Check(command, 120.0, hidden, more={"reads": [str(jar) for jar in jars]}),
    )  # fmt: skip
