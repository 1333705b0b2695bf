from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qcode.verification.trimming import trimmed

PYTEST = """\
============================= test session starts ==============================
platform linux -- Python 3.12.1, pytest-8.0.0, pluggy-1.4.0
rootdir: /work
collected 300 items

test_a.py ........................................................F       [ 19%]
=================================== FAILURES ===================================
______________________________________ test_b ______________________________________
    def test_b():
>       assert double(2) == 4
E       assert 5 == 4
E        +  where 5 = double(2)

test_a.py:3: AssertionError
=========================== short test summary info ============================
PASSED test_a.py::test_a
FAILED test_a.py::test_b - assert 5 == 4
 +  where 5 = double(2)
========================= 1 failed, 299 passed in 0.12s =========================
"""

COLLECTING = """\
==================================== ERRORS ====================================
__________________________ ERROR collecting test_b.py __________________________
ImportError while importing test module '/tmp/x/test_b.py'.
Hint: make sure your test modules/packages have valid Python names.
Traceback:
/usr/lib/python3.11/importlib/__init__.py:126: in import_module
    return _bootstrap._gcd_import(name[level:], package, level)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
test_b.py:1: in <module>
    import nothing
E   ModuleNotFoundError: No module named 'nothing'
=========================== short test summary info ============================
ERROR test_b.py
!!!!!!!!!!!!!!!!!!!! Interrupted: 1 error during collection !!!!!!!!!!!!!!!!!!!!
=============================== 1 error in 0.15s ===============================
"""


def test_failures_stay_and_success_goes() -> None:
    shown = trimmed(PYTEST, 3000)

    assert "E       assert 5 == 4" in shown
    assert shown.startswith("test_b:\n")
    assert shown.endswith("test_a.py:3: AssertionError\n1 failed, 299 passed")
    for noise in ("platform linux", "collected", "PASSED", "......"):
        assert noise not in shown


def test_pytests_list_of_failures_stays_where_it_tells_what_nothing_else_does() -> None:
    other = PYTEST.replace("PASSED test_a.py::test_a", "FAILED test_a.py::test_a - killed")
    shown = trimmed(other, 3000)

    assert "FAILED test_a.py::test_a - killed" in shown
    assert "FAILED test_a.py::test_b" not in shown

    much = PYTEST.replace("5 = double(2)", "\n".join(f"E   {n} = x" for n in range(1000)), 1)
    assert "FAILED test_a.py::test_b - assert 5 == 4" in trimmed(much, 1000)


def test_other_programs_headings_stay() -> None:
    text = "=== Results ===\nERROR: 3 differ\n=== FAILURES ===\n=== 3 errors ==="

    assert trimmed(text, 3000) == "=== Results ===\nERROR: 3 differ\n=== 3 errors ==="


def test_of_an_import_that_fails_the_project_s_lines_stay() -> None:
    shown = trimmed(COLLECTING, 3000)

    assert shown == (
        "ERROR collecting test_b.py:\nTraceback:\ntest_b.py:1: in <module>\n    import nothing\n"
        "E   ModuleNotFoundError: No module named 'nothing'\nERROR test_b.py\n1 error"
    )


def test_a_flood_is_cut_to_the_first_failures_and_the_end() -> None:
    flood = [f"line {number} of the log" for number in range(5000)]
    flood[100] = "E       ValueError: the first"
    flood[-1] = "FAILED (errors=1)"
    shown = trimmed("\n".join(flood), 2000)

    assert len(shown) <= 2100
    assert "ValueError: the first" in shown
    assert shown.endswith("FAILED (errors=1)")
    assert "…" in shown


def test_libraries_frames_and_repeats_are_left_out() -> None:
    text = (
        'Traceback\n  File "/x/site-packages/lib/a.py", line 5, in f\n    g()\n'
        '  File "mine.py", line 3, in h\n    f()\nValueError: so\n' + "again\n" * 50
    )
    shown = trimmed(text, 3000)

    assert "site-packages" not in shown
    assert 'File "mine.py", line 3' in shown
    assert "ValueError: so" in shown
    assert shown.count("again") == 1
    assert "(the line above 50 times)" in shown


@given(st.text(), st.integers(50, 2000))
def test_it_keeps_to_its_room_whatever_it_is(output: str, limit: int) -> None:
    assert len(trimmed(output, limit)) <= 1.2 * limit + 40
