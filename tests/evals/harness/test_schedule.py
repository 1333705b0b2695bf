from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import trying
from trying import Shell, begun, evaluation, task, tried

from qcode.errors import QcodeError
from qcode.evals.agents import Endpoint, Outcome, Work
from qcode.evals.harness import processes
from qcode.evals.harness.schedule import Bounds, plan
from qcode.evals.harness.store import Store, read, work_for
from qcode.evals.harness.task import Check
from qcode.evals.harness.trial import Trial


def test_all_models_are_at_the_same_task_and_all_tasks_are_tried_before_any_again() -> None:
    endpoints = [Endpoint("a", ""), Endpoint("b", "")]

    planned = plan([task("x"), task("y")], {"s@1": Shell()}, endpoints, trials=2, seed=7)

    assert [(each.key, each.endpoint.seed) for each in planned] == [
        (("x", "s@1", "a", 0), 7), (("x", "s@1", "b", 0), 7),
        (("y", "s@1", "a", 0), 7), (("y", "s@1", "b", 0), 7),
        (("x", "s@1", "a", 1), 8), (("x", "s@1", "b", 1), 8),
        (("y", "s@1", "a", 1), 8), (("y", "s@1", "b", 1), 8),
    ]  # fmt: skip


def test_a_trial_keeps_what_was_said_done_and_judged_and_no_folder(tmp_path: Path) -> None:
    agent = Shell("echo said; echo done > done.txt")

    (trial,) = tried(tmp_path, [task(cmd="echo fine; test -f done.txt")], agent)

    assert (trial.passed, trial.reason, trial.changed) == (True, "pass", ("done.txt",))
    kept = tmp_path / trial.artefacts
    assert trial.artefacts == "trials/shell@1+some-model/one/0"
    assert {path.name: path.read_text() for path in kept.iterdir()} == {
        "prompt.txt": "do it",
        "answer.txt": "said\n",
        "agent.txt": "said\n",
        "check.txt": "fine\n",
        "changes.diff": (
            "diff --git a/done.txt b/done.txt\nnew file mode 100644\nindex 0000000..19f86f4\n"
            "--- /dev/null\n+++ b/done.txt\n@@ -0,0 +1 @@\n+done\n"
        ),
    }
    assert not (tmp_path / "work").exists()


def test_what_an_agent_is_given_has_whole_paths_where_results_go_to_a_relative_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    agent = Shell()

    (trial,) = tried(Path("results"), [task()], agent)

    assert trial.passed
    assert agent.works[0].artefacts == tmp_path / "results" / trial.artefacts


def test_folders_are_kept_where_that_is_asked(tmp_path: Path) -> None:
    tried(tmp_path, [task()], Shell(), keeps=True)

    (folder,) = (tmp_path / "work").iterdir()
    assert (folder / "repo/done.txt").read_text() == "done\n"


def test_each_trial_has_a_folder_and_an_empty_home_of_its_own(tmp_path: Path) -> None:
    line = "ls -A $HOME; touch $HOME/left; ls -A; echo done > done.txt; pwd"

    trials = tried(tmp_path, [task("x"), task("y")], Shell(line))

    said = [(tmp_path / each.artefacts / "answer.txt").read_text().split() for each in trials]
    assert [words[:-1] for words in said] == [[".git", "a.txt"]] * 2
    assert said[0][-1] != said[1][-1]


def test_an_agent_that_does_not_end_is_ended_and_judged_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_S", 1.0)
    tasks = [task("done", time_limit_s=1.0), task("not", "test -f no", time_limit_s=1.0)]

    trials = tried(tmp_path, tasks, Shell("echo done > done.txt; trap '' TERM; sleep 300"))

    assert [(each.exit_code, each.passed, each.reason) for each in trials] == [
        (None, True, "pass"), (None, False, "timeout"),
    ]  # fmt: skip


def test_time_limits_are_stretched(tmp_path: Path) -> None:
    agent = Shell()
    with begun(tmp_path, [task()]) as store:
        asyncio.run(evaluation(store, [task()], agent, Bounds(time_factor=2.5, steps=4)).run())

    (work,) = agent.works
    assert (work.limits.time_s, work.limits.steps) == (50.0, 4)


def test_no_trial_begins_once_the_cost_is_used_up(tmp_path: Path) -> None:
    with begun(tmp_path, trying.TASKS) as store:
        agent = Shell()
        run = evaluation(store, trying.TASKS, agent, Bounds(cost_usd=0.6))
        ended = asyncio.run(run.run())

    # A quarter each: the third begins, as something is left for it.
    assert (ended, len(store.trials), run.left) == ("cost", 3, 2)
    assert [work.limits.cost_usd for work in agent.works] == [0.6, 0.35, pytest.approx(0.1)]


def test_at_the_end_of_the_time_what_is_under_way_is_ended_and_not_counted(
    tmp_path: Path,
) -> None:
    with begun(tmp_path, trying.TASKS) as store:
        agent = Shell("sleep 300")
        run = evaluation(store, trying.TASKS, agent, Bounds(at_once=2, time_s=2.0))
        ended = asyncio.run(run.run())

        assert (ended, store.trials, run.left) == ("time", [], len(trying.TASKS))
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("line", ["sleep 300", "exec >/dev/null 2>&1; sleep 300"])
def test_at_the_end_of_the_time_nobody_waits_for_a_check(line: str, tmp_path: Path) -> None:
    made = [task(check=Check(line, 200.0))]
    begin = time.monotonic()
    with begun(tmp_path, made) as store:
        ended = asyncio.run(evaluation(store, made, Shell(), Bounds(time_s=2.0)).run())

        assert (ended, store.trials) == ("time", [])
    assert time.monotonic() - begin < 20
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    "more, told", [({}, "1\n2\n3\n4"), ({"retry_lines": 2}, "1\n2")], ids=["end", "first lines"]
)
def test_a_second_try_is_told_as_much_as_the_task_says(
    more: dict[str, int], told: str, tmp_path: Path
) -> None:
    made = task(check=Check("seq 4; false", 20.0, more=more), retry_prompt="<{output}> again")

    (trial,) = tried(tmp_path, [made], Shell())

    said = (tmp_path / trial.artefacts / "prompt-2.txt").read_text().replace("\n>", ">")
    assert (trial.tries, said) == (2, f"<{told}> again")


@pytest.mark.parametrize(
    "bounds, left",
    [
        (Bounds(), [(None, None)] * 2),
        (Bounds(steps=3, cost_usd=0.6), [(3, 0.6), (2, pytest.approx(0.35))]),
        (Bounds(steps=1), [(1, None)]),
        (Bounds(cost_usd=0.25), [(None, 0.25)]),
    ],
)
def test_limits_are_of_a_trial_and_not_of_each_try(
    bounds: Bounds, left: list[tuple[int | None, float | None]], tmp_path: Path
) -> None:
    made = [task(cmd="false", retry_prompt="again")]
    agent = Shell()
    with begun(tmp_path, made) as store:
        asyncio.run(evaluation(store, made, agent, bounds).run())

    assert [(work.limits.steps, work.limits.cost_usd) for work in agent.works] == left


def test_an_agent_that_removes_its_folder_has_failed(tmp_path: Path) -> None:
    (trial,) = tried(tmp_path, [task()], Shell('rm -rf "$PWD"'))

    assert (trial.passed, trial.reason, trial.detail) == (
        False, "lost_work", "the folder itself is gone",
    )  # fmt: skip


class Stumbling(Shell):
    """Fails at one task in a way that nobody foresaw, and at another in one that it tells."""

    async def work(self, work: Work, environ: Mapping[str, str]) -> Outcome:
        if work.task.id == "two":
            raise KeyError("usage")
        if work.task.id == "three":
            raise QcodeError("its log cannot be read")
        return await super().work(work, environ)


def test_an_agents_adapter_that_stumbles_at_one_task_does_not_stop_the_others(
    tmp_path: Path,
) -> None:
    one, two, three, four = tried(
        tmp_path, [task(name) for name in ("one", "two", "three", "four")], Stumbling()
    )

    assert (one.passed, four.passed) == (True, True)
    assert (two.reason, three.reason) == ("error", "error")
    assert two.detail == "the evaluation itself failed: KeyError: 'usage' (crash.txt has more)"
    assert 'raise KeyError("usage")' in (tmp_path / two.artefacts / "crash.txt").read_text()
    assert three.detail == "its log cannot be read"


def test_trials_go_on_side_by_side(tmp_path: Path) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    line = (
        f"touch {meeting}/$$; until test $(ls {meeting} | wc -l) -ge 2; do sleep 0.05; done; "
        "echo done > done.txt"
    )
    with begun(tmp_path / "results", trying.TASKS[:2]) as store:
        run = evaluation(store, trying.TASKS[:2], Shell(line), Bounds(at_once=2))
        asyncio.run(run.run())

        assert [each.passed for each in store.trials] == [True, True]


class Fails(Shell):
    async def work(self, work: Work, environ: object) -> Outcome:
        return Outcome(3, "", error="the provider failed: it is down")


def test_what_is_not_the_agents_fault_is_an_error_and_goes_on(tmp_path: Path) -> None:
    broken = task("broken", setup="raise SystemExit(1)")
    with begun(tmp_path, [broken, task()]) as store:
        asyncio.run(evaluation(store, [broken, task()], Fails()).run())

        assert [(each.reason, each.detail) for each in store.trials] == [
            ("error", "`setup` of broken failed (exit 1): it said nothing"),
            ("error", "the provider failed: it is down"),
        ]


def test_a_second_try_is_told_what_failed_and_adds_up(tmp_path: Path) -> None:
    made = task(cmd="echo it lacks done; test -f done.txt", retry_prompt="Again: {output}")
    agent = Shell("if test -f begun; then echo done > done.txt; fi; touch begun")

    (trial,) = tried(tmp_path, [made], agent)

    assert (trial.passed, trial.tries, trial.effort.steps) == (True, 2, 2)
    assert [(work.prompt, work.is_retry) for work in agent.works] == [
        ("do it", False), ("Again: it lacks done\n", True),
    ]  # fmt: skip
    assert agent.works[0].home == agent.works[1].home


def test_whoever_watches_is_told_of_each(tmp_path: Path) -> None:
    heard: list[str] = []

    class Watching:
        def begin(self, key: tuple[str, str, str, int]) -> None:
            heard.append(f"begin {key[0]}")

        def end(self, trial: Trial) -> None:
            heard.append(f"end {trial.task}")

    tried(tmp_path, [task("x"), task("y")], Shell(), watching=Watching())

    assert heard == ["begin x", "end x", "begin y", "end y"]


def test_trials_work_outside_of_a_project_that_lies_around_the_results(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '--nope'\n")
    made = task(cmd="python -m pytest -q -p no:cacheprovider",
                files={"test_a.py": "def test_a():\n    pass\n"})  # fmt: skip
    folder = tmp_path / "results"

    with begun(folder, [made]) as store:
        asyncio.run(evaluation(store, [made], Shell("python -m pytest -q"),
                               environ=os.environ).run())  # fmt: skip
        (trial,) = store.trials

    assert not work_for(folder).is_relative_to(tmp_path)
    assert work_for(folder) == work_for(Path(os.path.relpath(folder)))
    assert trial.passed, trial
    assert (trial.exit_code, trial.changed) == (0, ())
    assert not work_for(folder).exists()


def test_a_folder_that_cannot_be_removed_easily_is_removed(tmp_path: Path) -> None:
    tried(tmp_path, [task()], Shell("mkdir -p x/y; touch x/y/z; chmod 0 x/y x"))

    assert not (tmp_path / "work").exists()


def test_reading_does_not_touch_a_folder_that_is_written_to(tmp_path: Path) -> None:
    store = begun(tmp_path, trying.TASKS)
    try:
        assert read(tmp_path).trials == ()
    finally:
        store.close()
    assert Store.reopen(tmp_path).header.id == "some-id"


DEEP = (
    'python3 -c \'import os\nfor _ in range(1500):\n os.mkdir("d" * 20); os.chdir("d" * 20)\''
    " && echo done > done.txt"
)


def test_folders_deeper_than_python_goes_end_no_evaluation(tmp_path: Path) -> None:
    deep, plain = task("deep"), task("plain")

    class Digs(Shell):
        async def work(self, work: Work, environ: Mapping[str, str]) -> Outcome:
            self.line = DEEP if work.task is deep else "echo done > done.txt"
            return await super().work(work, environ)

    trials = tried(tmp_path / "r", [deep, plain], Digs())

    assert [(each.task, each.passed, each.reason) for each in trials] == [
        ("deep", False, "lost_work"), ("plain", True, "pass"),
    ]  # fmt: skip
    assert not (tmp_path / "r/work").exists()


def test_what_is_kept_of_each_task_has_a_folder_of_its_own(tmp_path: Path) -> None:
    names = ["a/b", "a-b", "a b", "ü", "ö", "x" * 200, "x" * 199 + "y"]

    trials = tried(tmp_path / "r", [task(name) for name in names], Shell())

    assert len({each.artefacts for each in trials}) == len(names)
    assert all((tmp_path / "r" / each.artefacts / "prompt.txt").exists() for each in trials)
    with Store.reopen(tmp_path / "r"):
        pass
    assert all((tmp_path / "r" / each.artefacts / "prompt.txt").exists() for each in trials)


def test_a_trial_that_the_budget_ends_is_begun_anew_and_none_takes_what_others_may(
    tmp_path: Path,
) -> None:
    tasks = [task(f"t{number}", "exit 1") for number in range(4)]
    given: list[float | None] = []

    class Pays(Shell):
        async def work(self, work: Work, environ: Mapping[str, str]) -> Outcome:
            given.append(work.limits.cost_usd)
            return await super().work(work, environ)

    with begun(tmp_path / "r", tasks) as store:
        small = evaluation(store, tasks, Pays(), Bounds(at_once=2, cost_usd=0.4))
        assert asyncio.run(small.run()) == "cost"
        assert given == pytest.approx([0.2, 0.2])
        assert (store.trials, small.left) == ([], 4)
        enough = evaluation(store, tasks, Pays(), Bounds(at_once=2, cost_usd=9.0))
        assert asyncio.run(enough.run()) == "done"
        assert [each.reason for each in store.trials] == ["still_failing"] * 4


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looked for in /proc")
def test_what_a_set_up_leaves_running_is_ended(tmp_path: Path) -> None:
    code = (
        "import os, subprocess\n"
        "child = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        "open(os.path.join(os.environ['HOME'], 'pid'), 'w').write(str(child.pid))\n"
    )
    pids: list[int] = []

    class Looks(Shell):
        async def work(self, work: Work, environ: Mapping[str, str]) -> Outcome:
            pids.append(int((work.home / "pid").read_text()))
            os.kill(pids[0], 0)
            return await super().work(work, environ)

    tried(tmp_path / "r", [task(setup=code)], Looks())

    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            stat = Path(f"/proc/{pids[0]}/stat").read_text()
        except OSError:
            break
        if stat.rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("it runs on")


def test_what_the_judge_keeps_beside_the_folder_is_no_agents_to_write(tmp_path: Path) -> None:
    line = "echo done > done.txt; echo '{\"files\": {}}' > ../state.json"

    (trial,) = tried(tmp_path / "r", [task(protect=("a.txt",))], Shell(line))

    assert (trial.passed, trial.reason) == (False, "escaped")
