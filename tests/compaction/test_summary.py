"""A model's summary where room is made: an addition that may fail, over a real socket."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted

from qcode import events
from qcode.approvals import Nobody
from qcode.cli.chosen import Chosen
from qcode.cli.start import open_session
from qcode.config import Settings
from qcode.errors import BudgetError, QcodeError
from qcode.events import Event, TurnEnd
from qcode.journal import listing, loading
from qcode.messages import Usage, UserMessage
from qcode.permissions import Mode
from qcode.prompts import load
from qcode.providers.registry import Target
from qcode.record import replace
from qcode.sandbox.policy import Level
from qcode.session import Session

REQUEST = "Count what is in every file. Never touch setup.cfg."
SUMMARY = "The counting showed that part3.py is empty; the cause is not known."
STEPS = 14
WINDOW = 8192
ASKED = load("summary/question", words="100", wish="")[:40]
TOLD = load("summary/told", summary="").split("\n", 1)[0]
LEDGER = load("compacted", ledger="").split("\n", 1)[0]


class Model:
    """Reads file by file, and answers the question for a summary by a script of its own."""

    def __init__(self, *summaries: scripted.Reply, steps: int = STEPS) -> None:
        self.summaries = list(summaries)
        self.steps = steps
        self.step = 0
        self.seen: list[scripted.Seen] = []
        self.questions: list[int] = []
        """Which of the requests asked for a summary."""

    def __call__(self, seen: scripted.Seen) -> scripted.Reply:
        self.seen.append(seen)
        messages = seen.json["messages"]
        tokens = len(json.dumps(messages) + json.dumps(seen.json["tools"])) // 3
        usage = {"prompt_tokens": tokens, "completion_tokens": 20}
        if ASKED in str(messages[-1]["content"]):
            self.questions.append(len(self.seen) - 1)
            return self.summaries.pop(0) if len(self.summaries) > 1 else self.summaries[0]
        if self.step >= self.steps:
            return scripted.text("All counted.", usage=usage)
        self.step += 1
        return scripted.calls(("read_file", {"file_path": f"part{self.step}.py"}), usage=usage)

    def messages(self, number: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.seen[number].json["messages"]
        return found


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    for number in range(60):
        text = "".join(f"value_{number}_{line} = {line}\n" for line in range(150))
        (folder / f"part{number}.py").write_text(text)
    return folder


def opened(
    work: Path, base_url: str, entry: listing.Entry | None = None, *, usual: bool = True
) -> Session:
    settings = Settings(
        sandbox=Level.OFF,
        checkpoints=False,
        approval_mode=Mode.YOLO,
        tool_protocol="native",
        compaction_summary=usual,
    )
    target = Target(model="one", base_url=base_url, api_key=None, kind="chat")
    chosen = Chosen(target, WINDOW)
    return open_session(
        settings, chosen, Nobody(), cwd=work, added=(), note=lambda _: None, entry=entry
    )


async def said(session: Session, text: str) -> list[Event]:
    async with aclosing(session.send(text)) as turn:
        return [event async for event in turn]


def lived(work: Path, model: Model, *, timeout_s: float = 60.0) -> tuple[Session, list[Event]]:
    """Hold a session of one turn; return it, closed, and what happened."""

    async def live() -> tuple[Session, list[Event]]:
        session = opened(work, server.base_url)
        compactor = session.agent.compactor
        assert compactor is not None
        compactor.summing = replace(compactor.summing, timeout_s=timeout_s)
        try:
            return session, await said(session, REQUEST)
        finally:
            await session.close()

    with scripted.ScriptedServer(model) as server:
        return asyncio.run(live())


def notes(seen: list[Event]) -> list[str]:
    return [event.note for event in seen if isinstance(event, events.Compacted)]


def test_it_stands_below_the_ledger_and_is_asked_behind_the_same_bytes(work: Path) -> None:
    usage = {
        "prompt_tokens": 6000,
        "completion_tokens": 25,
        "prompt_tokens_details": {"cached_tokens": 5900},
    }
    model = Model(scripted.text(SUMMARY, usage=usage, reasoning="Let me think."))

    session, seen = lived(work, model)

    question = model.questions[0]
    before, asked = (model.seen[at].raw for at in (question - 1, question))
    said = before.rpartition(b"]")[0]
    assert asked.startswith(said)  # system, tools, max_tokens and all messages
    added = model.messages(question)[len(model.messages(question - 1)) :]
    assert [message["role"] for message in added] == ["assistant", "tool", "user"]
    opening = model.messages(question + 1)[1]["content"]
    assert opening.index(LEDGER) < opening.index("- part1.py ") < opening.index(TOLD)
    assert opening.index(TOLD) < opening.index(SUMMARY) < opening.index(REQUEST)
    later = [model.seen[at].raw for at in range(len(model.seen)) if at not in model.questions]
    assert ASKED.encode() not in b"".join(later)
    assert notes(seen)[0].startswith("with a summary of ")
    summaries = [each for each in session.history.asked if each.purpose]
    assert [(each.purpose, each.usage) for each in summaries] == [
        ("summary", Usage(6000, 25, 5900, 0.0)) for _ in model.questions
    ]
    end = seen[-1]
    assert isinstance(end, events.TurnFinished)
    assert end.end is TurnEnd.ANSWERED
    steps = [each.usage for each in session.history.asked if not each.purpose]
    whole = sum((each.usage for each in session.history.asked), Usage())
    assert session.budget.usage == session.history.usage == end.usage == whole
    assert whole.output_tokens == 20 * len(steps) + 25 * len(model.questions)
    assert end.steps == session.budget.steps == len(steps)


FAILURES: list[tuple[scripted.Reply, str]] = [
    (scripted.fault(500, "overloaded"), "overloaded"),
    (scripted.fault(400, "the request exceeds the context size (9 tokens)"), "context"),
    (scripted.empty(), "empty"),
    (scripted.text(" \n"), ""),
    (scripted.text("", reasoning="Only thoughts."), ""),
    (scripted.call("read_file", file_path="part9.py"), "called a tool"),
    (scripted.calls(("read_file", {"file_path": "x"}), content=SUMMARY), "called a tool"),
    (
        scripted.text('<tool_call>\n{"name": "read_file", "arguments": {"file_path": "a"}}\n'
                      "</tool_call>"),
        "called a tool",
    ),
    (scripted.text("and so on, " * 3000, chunks=300), "wrote too much"),
    (scripted.text("and so on, " * 100), "wrote too much"),
    (scripted.text(SUMMARY, finish="length"), "cut"),
    (scripted.cut(scripted.text(SUMMARY, chunks=20)), ""),
    (scripted.stall(scripted.text(SUMMARY), 3), "more than 0.5 s"),
]  # fmt: skip


@pytest.mark.parametrize("reply, why", FAILURES)
def test_an_answer_of_no_use_leaves_the_ledger_alone(
    work: Path, reply: scripted.Reply, why: str
) -> None:
    model = Model(reply, steps=6)

    session, seen = lived(work, model, timeout_s=0.5 if "0.5" in why else 20)

    assert model.questions
    assert all(note.startswith("no summary: ") and why in note for note in notes(seen))
    assert notes(seen)
    opening = model.messages(max(model.questions) + 1)[1]["content"]
    assert LEDGER in opening
    assert REQUEST in opening
    assert TOLD not in opening
    assert session.history.summary == ""
    assert isinstance(seen[-1], events.TurnFinished)
    assert seen[-1].end is TurnEnd.ANSWERED
    assert loading.load(session.history.journal.path).messages == session.history.messages


def test_what_an_answer_cost_counts_also_if_it_is_of_no_use(work: Path) -> None:
    usage = {"prompt_tokens": 6000, "completion_tokens": 400}
    session, _ = lived(work, Model(scripted.text("x " * 700, usage=usage), steps=6))

    costs = [each.usage for each in session.history.asked if each.purpose == "summary"]
    assert costs
    assert set(costs) == {Usage(6000, 400, 0, 0.0)}


def test_a_later_failure_keeps_the_summary_that_there_is(work: Path) -> None:
    other = "Later it was found."
    model = Model(scripted.text(SUMMARY), scripted.empty(), scripted.empty(), scripted.text(other))

    _, seen = lived(work, Model(scripted.text(SUMMARY), scripted.text(other), steps=30))
    assert len(notes(seen)) >= 2
    session, seen = lived(work, model)

    first, second = model.questions[:2]
    assert SUMMARY in model.messages(first + 1)[1]["content"]
    assert notes(seen)[1].startswith("no summary")
    after = [at for at in range(second, len(model.seen)) if at not in model.questions]
    assert SUMMARY in model.messages(after[0])[1]["content"]
    assert session.history.summary in (SUMMARY, other)


def test_a_later_summary_takes_the_place_of_the_earlier(work: Path) -> None:
    model = Model(scripted.text(SUMMARY), scripted.text("Later it was found."), steps=30)

    session, _ = lived(work, model)

    opening = session.history.messages[0]
    assert isinstance(opening, UserMessage)
    assert len(model.questions) >= 2
    assert SUMMARY not in opening.told
    assert opening.told.count(TOLD) == 1
    assert session.history.summary == "Later it was found."


def test_a_reopened_session_sends_the_same_bytes(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "hunter2hunter2")
    model = Model(scripted.text(f"{SUMMARY} The token is hunter2hunter2."))
    session, _ = lived(work, model)
    entry = listing.find(session.history.journal.path.parent, session.id)

    async def go_on() -> Session:
        again = opened(work, server.base_url, entry)
        try:
            assert again.history.messages == session.history.messages
            assert again.history.summary == session.history.summary
            assert again.history.asked == session.history.asked
            await said(again, "and now?")
            return again
        finally:
            await again.close()

    with scripted.ScriptedServer(model) as server:
        asyncio.run(go_on())

    before, now = (model.seen[at].raw for at in (-2, -1))
    assert now.startswith(before.rpartition(b"]")[0])
    assert b"hunter2hunter2" not in now + session.history.journal.path.read_bytes()
    assert SUMMARY in session.history.summary


def test_a_person_may_ask_for_one_and_say_what_to_keep(work: Path) -> None:
    wish = "the odd numbers"
    model = Model(scripted.text(SUMMARY), scripted.empty(), steps=2)

    async def live() -> Session:
        session = opened(work, server.base_url, usual=False)
        try:
            await said(session, REQUEST)
            made = await session.make_room(wish, lambda _event: None)
            assert made is not None
            assert made.note.startswith("with a summary of ")
            model.steps = 5
            await said(session, "more")
            # Nobody asks for one: what there is stays.
            made = await session.make_room("", lambda _event: None)
            assert made is not None
            assert made.note == ""
            await said(session, "go on")
            return session
        finally:
            await session.close()

    with scripted.ScriptedServer(model) as server:
        session = asyncio.run(live())

    assert len(model.questions) == 1
    asked = model.messages(model.questions[0])[-1]["content"]
    assert f"the person wants kept: {wish}" in asked
    kept = f"The person wanted kept: {wish}\n\n{SUMMARY}"
    assert session.history.summary == kept
    assert kept in model.messages(-1)[1]["content"]
    assert loading.load(session.history.journal.path).messages == session.history.messages


def test_nothing_is_asked_where_the_budget_is_used_up(work: Path) -> None:
    model = Model(scripted.text(SUMMARY), steps=2)

    async def live() -> Session:
        session = opened(work, server.base_url, usual=False)
        try:
            await said(session, REQUEST)
            session.budget.max_tokens = 100
            with pytest.raises(BudgetError):
                await session.make_room("all", lambda _event: None)
            assert await session.make_room("", lambda _event: None) is not None
            return session
        finally:
            await session.close()

    with scripted.ScriptedServer(model) as server:
        session = asyncio.run(live())

    assert model.questions == []
    assert session.budget.steps == 3


def test_an_interrupted_question_leaves_all_as_it_was(work: Path) -> None:
    model = Model(scripted.stall(scripted.text(SUMMARY), 2), steps=2)

    async def live() -> Session:
        session = opened(work, server.base_url, usual=False)
        try:
            await said(session, REQUEST)
            before = list(session.history.messages)
            size = session.history.journal.path.stat().st_size
            making = asyncio.ensure_future(session.make_room("all", lambda _event: None))
            await asyncio.to_thread(server.wait_for, 4)
            assert session.interrupt()
            with pytest.raises(QcodeError, match="nothing was put aside"):
                await making
            assert session.history.messages == before
            assert session.history.journal.path.stat().st_size == size
            await said(session, "go on")
            return session
        finally:
            await session.close()

    with scripted.ScriptedServer(model) as server:
        asyncio.run(live())

    said_before = model.seen[2].raw.rpartition(b"]")[0]
    assert model.seen[-1].raw.startswith(said_before)


def test_none_is_asked_for_where_the_history_may_not_fit(work: Path) -> None:
    huge = work / "part1.py"
    huge.write_text("".join(f"{line:06} " + "x y " * 20 + "\n" for line in range(400)))

    class Counting(Model):
        def __call__(self, seen: scripted.Seen) -> scripted.Reply:
            self.seen.append(seen)
            self.step += 1
            if self.step > 1:
                return scripted.text("Done.", usage={"prompt_tokens": 900, "completion_tokens": 5})
            usage = {"prompt_tokens": WINDOW - 1100, "completion_tokens": 20}
            return scripted.calls(("read_file", {"file_path": "part1.py"}), usage=usage)

    model = Counting(scripted.text(SUMMARY))
    _, seen = lived(work, model)

    assert notes(seen) == ["no summary: there was no room left to ask for one"]
    assert len(model.seen) == 2


@pytest.mark.parametrize("seed", range(4))
def test_each_request_begins_with_the_one_before_or_is_compacted(work: Path, seed: int) -> None:
    chance = random.Random(seed)
    useful = scripted.text(SUMMARY)
    replies = [useful if chance.random() < 0.5 else chance.choice(FAILURES[:11])[0]
               for _ in range(20)]  # fmt: skip
    model = Model(*replies, steps=chance.randint(12, 25))

    session, seen = lived(work, model, timeout_s=20)

    asked = set(model.questions)
    anew = 0
    last = b""
    for at, request in enumerate(model.seen):
        text = request.raw.rpartition(b"]")[0]
        if at in asked:
            assert text.startswith(last)  # what was said is not read anew for the question
            continue
        anew += bool(last) and not text.startswith(last)
        last = text
    assert anew == len(notes(seen)) >= 1
    assert loading.load(session.history.journal.path).messages == session.history.messages
    tops = [request.raw.partition(b'"messages":')[0] for request in model.seen]
    assert sum(a != b for a, b in pairwise(tops)) == 1  # `recall` is told of
