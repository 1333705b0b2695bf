from __future__ import annotations

from pathlib import Path

from qcode.evals import demo


def test_one_test_fails_and_its_traceback_names_the_file(tmp_path: Path) -> None:
    demo.prepare(tmp_path / "wordstats")

    done = demo.run_tests(tmp_path / "wordstats")

    assert done.returncode == 1
    assert "FAILED (errors=1)" in done.stderr
    assert "wordstats/counts.py" in done.stderr


def test_the_prompt_does_not_give_the_fault_away() -> None:
    assert "count" not in " ".join(demo.ARGUMENTS)


def test_one_line_repairs_it(tmp_path: Path) -> None:
    repository = tmp_path / "wordstats"
    demo.prepare(repository)
    file = repository / "wordstats/counts.py"
    file.write_text(
        file.read_text().replace("counts[word] += 1", "counts[word] = counts.get(word, 0) + 1")
    )

    assert demo.run_tests(repository).returncode == 0
    assert demo.git(repository, "status", "--porcelain") == " M wordstats/counts.py\n"


def test_changed_tests_do_not_count_as_a_repair(tmp_path: Path) -> None:
    repository = tmp_path / "wordstats"
    demo.prepare(repository)
    assert demo.files(repository / "tests") == demo.files(demo.TEMPLATE / "tests")

    (repository / "tests/test_counts.py").write_text("")

    assert demo.files(repository / "tests") != demo.files(demo.TEMPLATE / "tests")
    assert not demo.Outcome(
        passed=True, tests_unchanged=False, exit_code=0, seconds=1.0, diff=""
    ).good
