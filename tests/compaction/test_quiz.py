"""What was planted in a long session is still known after three compactions."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest

from qcode.compaction.archive import Archive
from qcode.compaction.compactor import Compactor
from qcode.compaction.ledger import Touched
from qcode.conversation import Conversation
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage

STEPS = 200
WORDS = [
    "alpha",
    "bravo",
    "delta",
    "echo",
    "lima",
    "mike",
    "oscar",
    "papa",
    "romeo",
    "sierra",
    "tango",
    "victor",
    "yankee",
    "zulu",
]


class Fact:
    """Something that has to be known; looked for by its words where it is not in sight."""

    def __init__(self, kind: str, text: str, query: str = "") -> None:
        self.kind = kind
        self.text = text
        self.query = query


def touching(call: ToolCall) -> Touched:
    arguments = json.loads(call.arguments)
    paths = (arguments["file_path"],) if "file_path" in arguments else ()
    return Touched(paths, call.name in ("edit", "write_file"), arguments.get("command", ""))


class Session:
    """A scripted session: 200 steps in ten turns, with facts in all that is said and done."""

    def __init__(self, filling: int) -> None:
        self._random = random.Random(7)
        self._filling = filling
        self.facts: list[Fact] = []

    def noise(self, characters: int) -> str:
        lines = []
        while characters > 0:
            row = " ".join(self._random.choices(WORDS, k=8)) + f" {self._random.random():.6f}"
            lines.append(row)
            characters -= len(row) + 1
        return "\n".join(lines)

    def messages(self) -> Iterator[list[Message]]:
        for number in range(STEPS):
            if number % 20 == 0:
                yield [UserMessage(self._request(number // 20))]
            yield self._step(number)

    def _request(self, turn: int) -> str:
        rule = f"never rename handler_{turn} and keep port {7000 + turn}"
        self.facts.append(Fact("request", rule))
        return f"Go on with stage {turn} of the migration; {rule}."

    def _step(self, number: int) -> list[Message]:
        said, is_error = "", False
        body = self.noise(self._filling)
        name, arguments = "read_file", {"file_path": f"src/read_{number}.py"}
        match number % 10:
            case 1:
                said = f"Decision: store_{number} uses format v{number} because it streams."
                self.facts.append(Fact("decision", f"store_{number} uses format v{number}"))
            case 3:
                name, arguments = "edit", {"file_path": f"src/changed_{number}.py"}
                self.facts.append(Fact("file", f"src/changed_{number}.py"))
                body = "Replaced 1 text."
            case 5:
                name, arguments = "run_shell_command", {"command": f"make target_{number}"}
                body += f"\nbuilt artefact_{number}"
                self.facts.append(Fact("command", f"make target_{number}"))
            case 7 if number > 150:
                name, arguments = "run_shell_command", {"command": f"pytest tests/t_{number}.py"}
                body += f"\nFAILED tests/t_{number}.py::test_it - boom\n[exit 1]"
                is_error = True
                self.facts.append(Fact("failing", f"tests/t_{number}.py::test_it"))
            case 9:
                at = len(body) // 2
                detail = f"\nretry_limit_{number} = {number * 37}\n"
                body = body[:at] + detail + body[at:]
                self.facts.append(Fact("detail", detail.strip(), f"retry_limit_{number}"))
        if number == STEPS - 20:
            todos = [{"content": f"port stage {at}", "status": "pending"} for at in range(5)]
            name, arguments = "todo_write", {"todos": todos}  # type: ignore[dict-item]
            self.facts += [Fact("plan", todo["content"]) for todo in todos]
        call = ToolCall(f"c{number}", name, json.dumps(arguments))
        answer = AssistantMessage(said, tool_calls=(call,))
        return [answer, ToolMessage(call.id, name, body, is_error)]


@pytest.mark.parametrize("window", [8192, 32_768, 131_072])
def test_planted_facts_are_known_after_three_compactions(window: int) -> None:
    # So that it takes four windows and room is made at least three times.
    session = Session(filling=int(window * 3.2 * 4 / STEPS))
    compactor = Compactor(window, 1024, touching=touching, digest=lambda _path: "c0ffee11")
    conversation = Conversation()
    compactions = 0
    for messages in session.messages():
        for message in messages:
            conversation.add(message)
        if compactor.is_due(3000, conversation.items):
            found = compactor.compact(conversation.everything(), conversation.items, 3000)
            assert found is not None
            conversation.compact(found.opening, found.kept, found.shortened)
            compactions += 1
            assert compactor.tokens(3000, conversation.items) < window * 0.8
    in_sight = "\n".join(map(shown, conversation.items))
    # With SQLite's full-text index, and without.
    archives = (Archive(), Archive("a_module_that_no_sqlite_has"))

    def is_found(fact: Fact) -> bool:
        return all(
            any(fact.text in hit.text for hit in archive.search(conversation.archived, words, 6))
            for archive in archives
            for words in [fact.query or fact.text]
        )

    ledger = [fact for fact in session.facts if fact.kind != "detail"]
    details = [fact for fact in session.facts if fact.kind == "detail"]
    seen = [fact for fact in ledger if fact.text in in_sight]
    found_again = [fact for fact in details if fact.text in in_sight or is_found(fact)]

    assert compactions >= 3
    assert len(seen) >= 0.95 * len(ledger)
    assert len(found_again) >= 0.95 * len(details)


def shown(message: Message) -> str:
    if isinstance(message, UserMessage):
        return message.told
    calls = message.tool_calls if isinstance(message, AssistantMessage) else ()
    return "\n".join([message.text, *(call.arguments for call in calls)])
