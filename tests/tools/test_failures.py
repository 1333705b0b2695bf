from __future__ import annotations

import pytest
from tool_bench import Bench

from qcode.errors import ToolError

LONG = "".join(f"line {number}\n" for number in range(1, 501))
WRONG = {"old_string": "line 250\nline 252\n", "new_string": "x\n"}


def failures(bench: Bench, path: str, count: int, **arguments: str) -> list[ToolError]:
    """Return the errors of an edit sent again and again."""
    errors = []
    for _ in range(count):
        with pytest.raises(ToolError) as caught:
            bench.call("edit", file_path=path, **arguments)
        errors.append(caught.value)
    return errors


def test_the_same_message_never_comes_twice(bench: Bench) -> None:
    bench.write("a", LONG)

    errors = failures(bench, "a", 6, **WRONG)

    assert len({str(error) for error in errors}) == 6
    assert {error.essence for error in errors} == {str(errors[0])}


def test_the_second_failure_shows_the_place_as_it_is(bench: Bench) -> None:
    bench.write("a", LONG)

    _, second = failures(bench, "a", 2, **WRONG)

    assert "This is failure 2 in a row with a." in str(second)
    rows = [row for row in str(second).split("\n") if row.startswith("2")]
    assert "250| line 250" in rows
    assert "260| line 260" in rows
    assert "write_file" not in str(second)


@pytest.mark.parametrize(
    "count, advice", [(300, "its whole new content with write_file"), (301, "Make a smaller edit")]
)
def test_the_third_failure_offers_another_way(bench: Bench, count: int, advice: str) -> None:
    bench.write("a", "".join(f"line {number}\n" for number in range(count)))

    *_, third = failures(bench, "a", 3, old_string="line 7\nline 9\n", new_string="x\n")

    assert advice in str(third)


def test_other_failures_of_a_file_count_too_and_other_files_do_not(bench: Bench) -> None:
    bench.write("a.py", "x = 1\ny = 1\n")
    bench.write("b", "x\n")

    failures(bench, "a.py", 1, old_string="nothing like it", new_string="x")
    failures(bench, "a.py", 1, old_string="x = 1", new_string="x = (1")
    (other,) = failures(bench, "b", 1, old_string="nothing like it", new_string="x")
    (third,) = failures(bench, "a.py", 1, old_string="= 1", new_string="= 2")

    assert "failure" not in str(other)
    assert "This is failure 3 in a row with a.py." in str(third)


def test_an_edit_that_works_begins_the_count_anew(bench: Bench) -> None:
    bench.write("a", LONG)
    failures(bench, "a", 2, **WRONG)

    bench.call("edit", file_path="a", old_string="line 17\n", new_string="x\n")
    (error,) = failures(bench, "a", 1, **WRONG)

    assert "failure" not in str(error)


def test_a_place_that_is_nowhere_is_said_to_be(bench: Bench) -> None:
    bench.write("a", "one\n" * 50)

    _, second = failures(bench, "a", 2, old_string="§§§ %%%", new_string="x")

    assert "Nothing in it is like that text" in str(second)


def test_long_lines_do_not_fill_the_window(bench: Bench) -> None:
    bench.write("a", "x" * 100_000 + "\nmark\n" + "y" * 100_000 + "\n")

    *_, third = failures(bench, "a", 3, old_string="mark\nmark\n", new_string="x\n")

    assert len(str(third)) < 3000
