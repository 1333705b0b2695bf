"""The three reports of a results folder."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from eval_results import AIDER, LARGE, QCODE, SMALL, effort, results, trial, write_results
from jsonschema import Draft202012Validator

from qcode.errors import UsageError
from qcode.evals.harness.trial import Trial
from qcode.evals.reports import write
from qcode.evals.reports.html import page
from qcode.evals.reports.machine import report_json, rounded, schema
from qcode.evals.reports.markdown import markdown
from qcode.evals.reports.style import SCRIPT
from qcode.evals.reports.summary import summarise
from qcode.evals.reports.taxonomy import KINDS

HOSTILE = "\x1b[31m<script>alert(1)</script>|`![x](javascript:1)\"'\u202e"
VOID = {"meta", "input"}


def many() -> list[Trial]:
    return [
        trial(
            task,
            "pass" if (len(agent) + len(model) + number + ord(task)) % 3 else "still_failing",
            agent=agent,
            model=model,
            number=number,
            suite=suite,
            artefacts=f"trials/{agent}/{task}/{number}",
            effort=effort(cost_usd=0.001 * (number + 1), wall_s=10.0 + ord(task) % 7),
        )
        for task, suite in (("a", "small"), ("b", "small"), ("c", "trap"))
        for agent in (QCODE, AIDER)
        for model in (SMALL, LARGE)
        for number in range(2)
    ]


class Elements(HTMLParser):
    """Every element and attribute; whether all that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


def elements(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser.found


def faults(name: str, value: object) -> list[str]:
    validator = Draft202012Validator(schema(name))
    validator.check_schema(schema(name))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def test_a_folder_gets_its_three_reports(tmp_path: Path) -> None:
    folder = write_results(tmp_path, many(), suites=("small", "trap"))

    paths = write(folder)

    assert [path.name for path in paths] == ["report.json", "report.md", "report.html"]
    report = json.loads(paths[0].read_text())
    assert faults("report", report) == []
    assert len(report["trials"]) == len(many())
    assert [row["suite"] for row in report["rows"][:3]] == ["all", "small", "trap"]
    assert "| `a` | " in paths[1].read_text()
    assert "✓" in paths[2].read_text()


def test_the_same_results_give_the_same_reports(tmp_path: Path) -> None:
    texts = []
    for name, trials in (("a", many()), ("b", many()[::-1])):
        paths = write(write_results(tmp_path / name, trials))
        texts.append([path.read_text() for path in paths])

    assert texts[0] == texts[1]


def test_reports_are_replaced_while_an_evaluation_goes_on(tmp_path: Path) -> None:
    write(write_results(tmp_path, []))
    assert "No trial has ended yet." in (tmp_path / "report.md").read_text()

    write(write_results(tmp_path, many()))

    assert "No trial has ended yet." not in (tmp_path / "report.html").read_text()


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"results\.jsonl"):
        write(tmp_path)


def test_every_figure_may_be_unknown() -> None:
    bare = Trial("t", "s", "other", "m", 0, 0, False, "timeout")
    summary = summarise(results([bare, trial("e", "error", agent="broken")]))

    assert faults("report", json.loads(json.dumps(rounded(report_json(summary))))) == []
    assert "–" in markdown(summary)
    assert "cost of a trial: not known" in page(summary)


def test_settings_that_were_left_open_are_left_out() -> None:
    settings = {"temperature": None, "base_url": "", "endpoints": [{"model": "m", "seed": None}]}

    text = markdown(summarise(results([trial()], settings=settings)))

    assert '| settings | `endpoints [{"model": "m"}]` |' in text


def test_the_schema_knows_every_class() -> None:
    assert tuple(schema("report")["$defs"]["class"]["enum"]) == KINDS


def test_a_report_with_another_field_missing_does_not_fit() -> None:
    report = report_json(summarise(results(many())))
    del report["rows"][0]["interval"]

    assert len(faults("report", report)) == 1


def test_the_page_is_whole_and_loads_nothing() -> None:
    found = elements(page(summarise(results(many()))))

    tags = {tag for tag, _ in found}
    assert {"svg", "table", "details", "script"} <= tags
    assert tags.isdisjoint({"link", "img", "iframe", "object", "embed", "base", "form", "use"})
    addresses = {
        value
        for _, attributes in found
        for name, value in attributes.items()
        if name in ("href", "src", "srcset", "xlink:href", "action")
    }
    assert addresses
    assert all(address and address.startswith("./trials/") for address in addresses)
    assert not any(name.startswith("on") for _, attributes in found for name in attributes)


def test_the_page_may_run_its_own_script_alone() -> None:
    text = page(summarise(results(many())))

    policies = [
        attributes["content"] or ""
        for tag, attributes in elements(text)
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]

    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert len(policies) == 1
    assert f"script-src 'sha256-{digest}'" in policies[0]
    assert policies[0].startswith("default-src 'none'")
    assert text.count("<script>") == 1
    assert f"<script>{SCRIPT}</script>" in text


def test_names_of_others_are_text_in_all_reports() -> None:
    trials = [
        trial(HOSTILE, "still_failing", agent=HOSTILE, detail=HOSTILE, category=HOSTILE),
        trial("b", model=HOSTILE, suite=HOSTILE),
    ]
    summary = summarise(results(trials, machine=HOSTILE, settings={HOSTILE: HOSTILE}))

    text, table = page(summary), markdown(summary)

    assert text.count("<script>") == 1
    assert len([tag for tag, _ in elements(text) if tag == "script"]) == 1
    assert "<script>" not in table
    assert "](javascript" not in table
    for shown in (text, table, json.dumps(report_json(summary))):
        assert "\x1b" not in shown
        assert "\u202e" not in shown


@pytest.mark.parametrize("place", ["../x", "/etc", "a/../../b", ""])
def test_the_page_does_not_lead_out_of_its_folder(place: str) -> None:
    text = page(summarise(results([trial(artefacts=place)])))

    assert "href" not in {name for _, attributes in elements(text) for name in attributes}


@pytest.mark.parametrize("place", ["javascript:alert(1)", "https://x/y", "a b/ü?#"])
def test_a_folders_name_is_no_address(place: str) -> None:
    (link,) = [
        attributes["href"]
        for tag, attributes in elements(page(summarise(results([trial(artefacts=place)]))))
        if tag == "a"
    ]

    assert link is not None
    assert re.fullmatch(r"\./[A-Za-z0-9%/._~-]+/", link)


def test_tables_of_markdown_have_as_many_cells_in_each_row() -> None:
    lines = markdown(summarise(results(many()))).splitlines()

    widths: list[set[int]] = [set()]
    for line in lines:
        if line.startswith("|"):
            widths[-1].add(line.count("|"))
        elif widths[-1]:
            widths.append(set())
    assert len(widths) > 5
    assert all(len(width) <= 1 for width in widths)


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no browser to look at the page with")
def test_a_browser_runs_the_script_that_sorts(tmp_path: Path) -> None:
    write(write_results(tmp_path, many()))

    done = subprocess.run(
        [
            *(str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu"),
            *(f"--user-data-dir={tmp_path}/profile", "--dump-dom"),
            (tmp_path / "report.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout.count("<button") > 20
