from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from trying import task

from qcode.evals.harness.judging import MOST_PRINTED, Verdict, judge, open_up
from qcode.evals.harness.placing import Placed, place
from qcode.evals.harness.task import Check, Task


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return tmp_path / "top"


def placed(made: Task, top: Path) -> Placed:
    return asyncio.run(place(made, top, os.environ))


def judged(
    made: Task, where: Placed, *, answer: str = "", requests: str = "", confines: bool = True
) -> Verdict:
    said, sent = where.top.parent / "answer", where.top.parent / "requests"
    said.write_text(answer)
    sent.write_text(requests)
    return asyncio.run(
        judge(made, where, os.environ, answer=said, requests=sent, confines=confines)
    )


def by(cmd: str, top: Path, **more: Any) -> Verdict:
    made = task(cmd=cmd)
    return judged(made, placed(made, top), **more)


@pytest.mark.parametrize(
    "cmd, passed, reason, detail",
    [
        ("true", True, "pass", ""),
        ("echo why not; exit 3", False, "still_failing", "why not"),
        ("exit 3", False, "still_failing", "exit 3"),
        ("""echo '{"ok": true}'""", True, "pass", ""),
        ("""echo '{"ok": true}'; exit 1""", False, "still_failing", '{"ok": true}'),
        (r"""printf %s '{"ok": false, "reason": "leaked", "detail": "a\nb"}'""",
         False, "leaked", "a b"),
        ("""echo '{"ok": false, "reason": "pass"}'""", False, "still_failing",
         '{"ok": false, "reason": "pass"}'),
        ("""echo '{"ok": "yes"}'""", False, "still_failing", '{"ok": "yes"}'),
        ("echo '{torn'", True, "pass", ""),
    ],
)  # fmt: skip
def test_the_check_decides(cmd: str, passed: bool, reason: str, detail: str, top: Path) -> None:
    verdict = by(cmd, top)

    assert (verdict.passed, verdict.reason, verdict.detail) == (passed, reason, detail)


def test_a_changed_protected_file_is_told_before_any_check(top: Path) -> None:
    made = task(cmd="true", protect=("a.*",), only_change=())
    where = placed(made, top)
    (where.repo / "a.txt").write_text("b\n")
    (where.repo / "a.new").write_text("new ones are not protected\n")

    verdict = judged(made, where)

    assert (verdict.reason, verdict.detail) == ("tampered", "protected files changed: a.txt")
    assert verdict.changed == ("a.new", "a.txt")


def test_a_change_elsewhere_is_collateral(top: Path) -> None:
    made = task(cmd="true", only_change=("src/*",))
    where = placed(made, top)
    (where.repo / "src").mkdir()
    (where.repo / "src/x").write_text("x")
    before = judged(made, where)
    (where.repo / "other").write_text("x")

    assert before.passed
    assert judged(made, where).detail == "files outside the task changed: other"


def test_the_check_sees_what_it_is_promised(top: Path) -> None:
    cmd = (
        'cmp "$EVAL_REPO/a.txt" "$EVAL_ORIG/a.txt" && test -f "$EVAL_CHECK/judge.txt" && '
        'grep -q \'"a.txt"\' "$EVAL_STATE" && test "$(cat "$EVAL_OUTPUT")" = words && '
        'test "$(cat "$EVAL_REQUESTS")" = sent && test "$PWD" = "$EVAL_REPO" && '
        'test "$(git -C "$EVAL_ORIG" rev-parse HEAD)" = "$EVAL_HEAD" && '
        "test -f hidden.txt && ! test -e a.old && python -c 'import pytest'"
    )
    check = Check(cmd, 20.0, {"hidden.txt": "x", "a.old": None}, {"judge.txt": "y"})
    made = task(check=check, files={"a.txt": "a\n", "a.old": "old\n"})

    assert judged(made, placed(made, top), answer="words", requests="sent") == Verdict(True, "pass")


def test_without_an_answer_or_requests_there_is_nothing_to_read(top: Path) -> None:
    made = task(cmd='test -z "$(cat "$EVAL_OUTPUT" "$EVAL_REQUESTS")"')

    verdict = asyncio.run(judge(made, placed(made, top), os.environ, answer=top / "none"))

    assert verdict.passed


def test_the_check_changes_nothing_but_its_copy(top: Path) -> None:
    made = task(cmd='echo x > a.txt; echo x > "$EVAL_ORIG/a.txt"; rm -rf "$EVAL_ORIG"; true')
    where = placed(made, top)

    assert judged(made, where).passed
    assert (where.repo / "a.txt").read_text() == "a\n"
    assert not (where.top / "check").exists()


def test_the_check_reaches_no_network_and_not_the_persons_home(top: Path) -> None:
    home = Path(os.environ["HOME"])
    (home / ".ssh").mkdir()
    (home / ".ssh/id_rsa").write_text("private\n")
    code = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    cmd = (
        f'python -c "{code}" 2>&1 | grep -q Error && ! grep -q private {home}/.ssh/id_rsa '
        f'&& ! echo x > {home}/x && test "$HOME" != {home}'
    )

    verdict = by(cmd, top)

    assert verdict.passed, verdict.output
    assert not (home / "x").exists()


def test_keys_are_not_in_the_checks_environment(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-12345678")

    assert by('test -z "$SOME_API_KEY"', top, confines=False).passed


@pytest.mark.parametrize("confines", [True, False])
def test_a_check_without_an_end_is_ended_with_all_it_started(confines: bool, top: Path) -> None:
    made = task(check=Check("sleep 300 & sleep 300", 1.0))
    where = placed(made, top)
    begun = time.monotonic()

    verdict = judged(made, where, confines=confines)

    assert (verdict.reason, verdict.detail) == ("timeout", "the check did not end within 1 s")
    assert time.monotonic() - begun < 30


def test_links_put_in_the_place_of_hidden_tests_lead_nowhere(top: Path) -> None:
    outside = top.parent / "outside"
    outside.mkdir()
    made = task(check=Check("true", 20.0, {"tests/test_a.py": "x", "b.txt": "y"}))
    where = placed(made, top)
    (where.repo / "tests").symlink_to(outside)
    (where.repo / "b.txt").symlink_to(outside / "b.txt")

    assert judged(made, where).passed
    assert list(outside.iterdir()) == []


def test_a_pipe_is_not_copied(top: Path) -> None:
    made = task(cmd="! test -e pipe")
    where = placed(made, top)
    os.mkfifo(where.repo / "pipe")

    assert judged(made, where).passed


PATCH = """\
diff --git a/test_f.py b/test_f.py
--- a/test_f.py
+++ b/test_f.py
@@ -1,3 +1,7 @@
 from f import f
 def test_old():
     assert f(1) == 1
+
+
+def test_new():
+    assert f(2) == 4
"""


def swe(**check: Any) -> Task:
    more = {"patch": PATCH, "parser": "pytest", "fail_to_pass": ["test_f.py::test_new"],
            "pass_to_pass": ["test_f.py::test_old"], **check}  # fmt: skip
    files = {
        "f.py": "def f(x):\n    return x\n",
        "test_f.py": "from f import f\ndef test_old():\n    assert f(1) == 1\n",
    }
    cmd = "python -m pytest -q -rA -p no:cacheprovider test_f.py"
    return task(check=Check(cmd, 60.0, more=more), files=files)


@pytest.mark.parametrize(
    "code, reason",
    [
        ("def f(x):\n    return x * x\n", "pass"),
        ("def f(x):\n    return x\n", "still_failing"),
        ("def f(x):\n    return 4\n", "broke_tests"),
        ("def f(x:\n", "still_failing"),
    ],
)
def test_an_issue_is_judged_by_its_own_tests(code: str, reason: str, top: Path) -> None:
    made = swe()
    where = placed(made, top)
    (where.repo / "f.py").write_text(code)
    # What the agent makes of the tests' own file does not count.
    (where.repo / "test_f.py").write_text("def test_new():\n    pass\n")

    verdict = judged(made, where)

    assert verdict.reason == reason, verdict.output
    assert (where.repo / "test_f.py").read_text() == "def test_new():\n    pass\n"


def test_tests_that_do_not_apply_are_the_set_ups_fault(top: Path) -> None:
    made = swe(patch=PATCH.replace("from f import f", "from g import g"))

    verdict = judged(made, placed(made, top))

    assert (verdict.passed, verdict.reason) == (False, "error")
    assert "does not apply" in verdict.detail


def test_the_last_of_a_flood_is_what_counts(top: Path) -> None:
    flood = "head -c 9000000 /dev/zero | tr '\\0' A; echo; "

    verdict = by(flood + """echo '{"ok": false, "reason": "tampered"}'""", top)

    assert (verdict.passed, verdict.reason) == (False, "tampered")
    assert len(verdict.output) <= MOST_PRINTED


def test_what_an_agent_forbids_to_read_is_read(top: Path) -> None:
    made = task(cmd="grep -q secret closed/f.txt && grep -q a a.txt")
    where = placed(made, top)
    (where.repo / "closed").mkdir()
    (where.repo / "closed/f.txt").write_text("secret\n")
    for path in (where.repo / "closed/f.txt", where.repo / "closed", where.repo / "a.txt"):
        path.chmod(0)

    open_up(where.repo)

    modes = [(where.repo / name).stat().st_mode for name in ("closed", "closed/f.txt", "a.txt")]
    assert [mode & 0o700 for mode in modes] == [0o700, 0o400, 0o400]
    (where.repo / "a.txt").chmod(0)
    assert judged(made, where).passed


def test_only_a_check_that_may_says_that_it_is_an_error(top: Path) -> None:
    """What is tested prints as well, and would be in no rate."""
    line = """printf '{"ok": false, "reason": "err%s"}' or; exit 1"""

    assert by(line, top).reason == "still_failing"
    said = by("""echo '{"ok": false, "reason": "error"}'; exit 1""", top.with_name("other"))
    assert said.reason == "error"
