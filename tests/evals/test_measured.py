from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import eval_results as made

from qcode.evals import measured
from qcode.evals.harness.trial import Trial
from qcode.evals.reports.results import Results, read

OTHER = "mini-swe-agent@2.4.6"


def results(*trials: Trial) -> Results:
    return made.results(trials, agents=(made.QCODE, made.AIDER, OTHER))


def lines(page: str, start: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith(f"| {start}")]


def test_qcode_stands_beside_each_other_on_the_tasks_of_both() -> None:
    page = measured.told(
        [
            results(
                made.trial("a", effort=made.effort(read_tokens=100, cached_tokens=100)),
                made.trial("b", effort=made.effort(read_tokens=100, cached_tokens=100)),
                made.trial("c", "still_failing"),
                made.trial("a", agent=made.AIDER, effort=made.effort(read_tokens=800)),
                made.trial("b", "still_failing", agent=made.AIDER,
                           effort=made.effort(read_tokens=800)),
                made.trial("a", "error", agent=OTHER),
            )
        ]
    )  # fmt: skip

    [beside] = [line for line in lines(page, "aider") if "×" in line]
    assert beside == "| aider@0.86.1 | 2 | 100.0 % and 50.0 % | 2.00 × | 0.03 × |"
    assert not [line for line in lines(page, "mini") if "×" in line]  # nothing that was judged
    assert lines(page, "mini")[0].startswith("| mini-swe-agent@2.4.6 | 0 of 0 (1 not judged) |")
    assert lines(page, "a |") == ["| a | ✓ | ! | ✓ |"] or lines(page, "a |") == [
        "| a | ✓ | ✓ | ! |"
    ]
    assert "passed" in page.splitlines()[6] or "| agent | passed |" in page


def test_agents_that_were_measured_apart_stand_in_one_table() -> None:
    again = results(made.trial("a", "still_failing"), made.trial("b"))
    page = measured.told(
        [results(made.trial("a")), results(made.trial("a", agent=made.AIDER)), again]
    )

    assert page.count("## ") == 1
    assert "| qcode@0.1.0 | 2 of 3 |" in page
    assert lines(page, "a |")[0] in ("| a | ✓ | ✓✗ |", "| a | ✓ | 1 of 2 |"), lines(page, "a |")
    [beside] = [line for line in lines(page, "aider") if "×" in line]
    assert beside.startswith("| aider@0.86.1 | 1 |")
    assert [line[:14] for line in page.splitlines() if line.startswith("- ")] == [
        "- qcode@0.1.0:", "- aider@0.86.1", "- qcode@0.1.0:"
    ]  # fmt: skip


def test_a_limit_of_steps_parts_those_alone_who_took_as_many() -> None:
    def took(steps: int, agent: str, **limits: float) -> Results:
        trials = [made.trial("a", agent=agent, effort=made.effort(steps=steps))]
        return made.results(trials, agents=(agent,), limits={"time_factor": 3.0, **limits})

    few, many = took(5, made.QCODE), took(20, made.AIDER)
    capped = took(20, OTHER, max_steps=20.0)

    assert measured.told([few, capped]).count("## ") == 1
    page = measured.told([few, many, capped])
    assert page.count("## ") == 2
    assert page.count(", at most 20 steps") == 1
    assert "seed 7, time_factor 3." in page


def test_the_table_is_made_of_the_raw_results_alone(tmp_path: Path) -> None:
    copy = tmp_path / "evals"
    (copy / "results").mkdir(parents=True)
    (copy / "measured.py").write_bytes(Path(measured.__file__).read_bytes())
    made.write_results(copy / "results", [made.trial("a"), made.trial("a", agent=made.AIDER)])
    (copy / "results" / "results.jsonl").rename(copy / "results" / "1.5b-small.jsonl")

    done = subprocess.run(
        [sys.executable, copy / "measured.py", "--table"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert "| qcode@0.1.0 | 1 of 1 | 100.0 % |" in (copy / "RESULTS.md").read_text()


def test_raw_results_name_no_folder_of_whoever_made_them() -> None:
    here, home = measured.HERE.parent, Path.home()
    told = measured.without_places(f"{here}/.venv/bin/python {home}/x a.py")

    assert told == "./.venv/bin/python ~/x a.py"


def test_what_is_kept_is_what_the_page_tells() -> None:
    kept = sorted(measured.RAW.glob("*.jsonl"))
    if not kept:
        return
    page = measured.TABLE.read_text()
    for path in kept:
        header = json.loads(path.read_text().partition("\n")[0])
        assert header["models"][0] in page
    assert page == measured.told([read(path) for path in kept])
