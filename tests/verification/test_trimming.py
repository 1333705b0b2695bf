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
========================= 1 failed, 299 passed in 0.12s =========================
"""


def test_failures_stay_and_success_goes() -> None:
    shown = trimmed(PYTEST, 3000)

    assert "E       assert 5 == 4" in shown
    assert "FAILED test_a.py::test_b - assert 5 == 4" in shown
    assert "1 failed, 299 passed" in shown
    for noise in ("platform linux", "collected", "PASSED", "......"):
        assert noise not in shown


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
