"""Results folders read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eval_results import AIDER, LARGE, QCODE, SMALL, header, trial, write_results

from qcode.errors import UsageError
from qcode.evals.reports.results import FILE, Arm, read


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    trials = [trial("b", "timeout"), trial("a", changed=("x", "y"), exit_code=None)]
    folder = write_results(tmp_path, trials, limits={"max_steps": 30})

    found = read(folder)

    assert found.header == header(limits={"max_steps": 30})
    assert found.trials == (trials[1], trials[0])
    assert (found.folder, found.damaged) == (tmp_path, 0)
    assert read(folder / FILE) == found


def test_a_trial_that_was_run_again_counts_once(tmp_path: Path) -> None:
    folder = write_results(tmp_path, [trial(reason="error"), trial(reason="pass")])

    assert [each.reason for each in read(folder).trials] == ["pass"]


def test_a_torn_last_line_was_never_written(tmp_path: Path) -> None:
    folder = write_results(tmp_path, [trial("a")])
    with (folder / FILE).open("a") as file:
        file.write('{"task": "b", "su')

    assert ([each.task for each in read(folder).trials], read(folder).damaged) == (["a"], 0)


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"task": "b"}', '{"task": 3}', "[" * 100_000, '{"reason": "odd"}']
)
def test_a_damaged_line_is_counted_and_the_rest_read(line: str, tmp_path: Path) -> None:
    folder = write_results(tmp_path, [trial("a")])
    with (folder / FILE).open("a") as file:
        file.write(f"{line}\n")

    assert (len(read(folder).trials), read(folder).damaged) == (1, 1)


def test_fields_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    folder = write_results(tmp_path, [trial("a")])
    path = folder / FILE
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1] |= {"mood": "fine", "effort": {"steps": 3, "patience": 1}}
    path.write_text("".join(f"{json.dumps({**line, 'type': 'x'})}\n" for line in lines))

    assert read(folder).trials[0].effort.steps == 3


@pytest.mark.parametrize("content", ["", "\n", "no json\n", '{"task": "a"}\n', '{"trials": 1}\n'])
def test_another_file_is_refused_in_one_line(content: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)

    with pytest.raises(UsageError) as caught:
        read(tmp_path)

    assert "\n" not in str(caught.value)
    assert FILE in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name the folder"):
        read(tmp_path / "none")


def test_arms_are_those_who_tried(tmp_path: Path) -> None:
    trials = [trial(agent=QCODE, model=LARGE), trial(agent=AIDER), trial(agent=QCODE)]
    found = read(write_results(tmp_path, trials))

    assert found.arms == (Arm(AIDER, SMALL), Arm(QCODE, SMALL), Arm(QCODE, LARGE))
    assert found.of(Arm(AIDER, SMALL)) == (trials[1],)
    assert found.arms[1].name == f"{QCODE} × {SMALL}"
    assert found.arms[1].scaffold == "qcode"


@pytest.mark.parametrize("place", ["..", ".", "../other", "/etc", "link", "missing", "file", ""])
def test_artefacts_outside_of_the_folder_are_not_followed(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    (tmp_path / "other").mkdir()
    write_results(folder, [trial(artefacts=place)])
    (folder / "link").symlink_to(tmp_path / "other")
    (folder / "file").touch()
    found = read(folder)

    assert found.artefacts(found.trials[0]) is None


def test_artefacts_within_are_found(tmp_path: Path) -> None:
    write_results(tmp_path, [trial(artefacts="artefacts/a")])
    (tmp_path / "artefacts/a").mkdir(parents=True)
    found = read(tmp_path)

    assert found.artefacts(found.trials[0]) == tmp_path / "artefacts/a"
