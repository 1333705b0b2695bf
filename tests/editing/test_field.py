from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from qcode.evals.bench_edits import WRONG, main, make, measure, table, vector
from qcode.evals.edits_material import Region, added, kept, removed, sources
from qcode.evals.edits_noise import FORMS, KINDS, Case
from qcode.evals.edits_writing import Written, is_right, run, write

FILES = Path(__file__).with_name("field")
"""Files in several languages that never change, so that the sample is always the same."""
TEXT = (
    "def area(w, h):\n    size = w * h\n    return size\n\n\ndef volume(w, h, d):\n    return w\n"
)
ROWS = (kept("    size = w * h"), removed("    return size"), added("    return size + 1"))
EDITED = TEXT.replace("return size", "return size + 1")


def case(**changes: object) -> Case:
    fields: dict[str, object] = {"path": "a.py", "text": TEXT, "regions": (Region(1, ROWS),)}
    return Case(**{**fields, **changes})  # type: ignore[arg-type]


def test_no_edit_of_a_sample_is_wrong() -> None:
    count = measure([FILES], 1, range(1500))

    assert [vector(made) for made in count.wrong] == []
    assert count.slowest < 1
    verdicts = {key[3] for key in count.verdicts}
    assert verdicts == {"right", "refused"}
    assert {key[0] for key in count.verdicts} >= set(KINDS)


def test_edits_without_noise_are_all_made() -> None:
    files = sources([FILES], Random(1))
    made = [each for n in range(400) if (each := make(files, f"plain {n}")) and not each.kinds]

    assert {each.form for each in made} == set(FORMS)
    assert {each.verdict for each in made} == {"right"}


@pytest.mark.parametrize("form", FORMS)
def test_each_format_writes_the_edit_that_is_meant(form: str) -> None:
    written = write(case(), form, Random(1))

    assert written is not None
    assert run(case(), written) == EDITED


@pytest.mark.parametrize("form", FORMS)
def test_another_result_than_the_meant_one_is_wrong(form: str) -> None:
    written = write(case(), form, Random(1))

    assert written is not None
    assert is_right(case(), written, EDITED)
    assert not is_right(case(), written, TEXT)
    assert not is_right(case(), written, EDITED.replace("\n", "\r\n"))
    assert not is_right(case(), written, EDITED.removesuffix("\n"))
    assert not is_right(case(), written, "\ufeff" + EDITED)


def test_every_vector_from_the_field_passes() -> None:
    vectors = Path(__file__).with_name("vectors-field.jsonl")
    done = subprocess.run(
        [sys.executable, Path(__file__).parents[1] / "vectors.py", "edits", vectors],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout.splitlines()[-1].endswith("passed, 0 failed"), done.stdout


def test_nothing_is_right_where_an_edit_must_be_refused() -> None:
    assert not is_right(case(), Written("*** a patch", must_refuse=True), EDITED)


def test_text_that_stands_there_is_meant_although_a_model_thought_of_another_place() -> None:
    false = case(regions=(Region(1, ROWS, is_false=True),))
    pairs = (("    return w\n", "    return w * h * d\n"),)

    assert is_right(
        false, Written("", pairs=pairs), TEXT.replace("return w\n", "return w * h * d\n")
    )
    assert not is_right(false, Written("", pairs=(("return h", "return d"),)), EDITED)


def test_the_table_counts_verdicts_by_noise_and_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--n", "60", "--jobs", "1", "--from", str(FILES)]) == 0

    printed = capsys.readouterr().out
    assert printed.splitlines()[0].split() == ["noise", *FORMS]
    assert "60 cases: 0 wrong" in printed


def test_a_wrong_edit_shows_in_the_table() -> None:
    count = measure([FILES], 1, range(1))
    count.verdicts["total", "search", True, WRONG] += 1

    assert "/ 1" in table(count.verdicts)
