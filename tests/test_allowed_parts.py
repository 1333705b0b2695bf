"""Edits of which a person allows only some changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import scripted_server as scripted
from played import make_session, play

from qcode import events
from qcode.approvals import ApprovalRequest, Decision
from qcode.editing.effects import pieces
from qcode.permissions import Mode
from qcode.session import Session
from qcode.tools.multi_edit import MultiEdit

LINES = [f"line {n}" for n in range(1, 41)]
BEFORE = "\n".join(LINES) + "\n"
REWRITTEN = BEFORE.replace("line 3\n", "3\n").replace("line 38\n", "38")
EDITS = [
    {"file_path": "a.py", "old_string": "line 3\n", "new_string": "three = 3\n"},
    {"file_path": "a.py", "old_string": "line 20\n", "new_string": ""},
    {"file_path": "a.py", "old_string": "line 38\n", "new_string": "line 38\n(\n"},
    {"file_path": "new.txt", "old_string": "", "new_string": "n\n"},
]


class Choosing:
    """A person who leaves some changes out, and what happens while they think."""

    def __init__(self, *left_out: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.left_out, self.meanwhile = frozenset(left_out), meanwhile
        self.shown: tuple[str, ...] = ()

    async def decide(self, request: ApprovalRequest) -> Decision:
        self.shown = tuple(piece.diff for piece in pieces(request.files))
        self.meanwhile()
        return Decision(allowed=True, left_out=self.left_out)


def made(
    tmp_path: Path, person: Choosing, before: str = BEFORE, name: str = "multi_edit"
) -> tuple[str, str, Session]:
    """Return the file, what the model was told, and the session."""
    arguments = {"edits": EDITS, "insist": True} if name == "multi_edit" else {
        "file_path": "a.py", "content": REWRITTEN,
    }  # fmt: skip
    script = [
        scripted.call("read_file", file_path="a.py"),
        scripted.call(name, **arguments),
        scripted.text("Done."),
    ]
    with scripted.ScriptedServer(script) as server:
        session = make_session(tmp_path, server, MultiEdit(), mode=Mode.DEFAULT, approver=person)
        (tmp_path / "work" / "a.py").write_text(before)
        seen = play(session, "go")
    finished = [e for e in seen if isinstance(e, events.ToolFinished)]
    return (tmp_path / "work" / "a.py").read_text(), finished[-1].result.text, session


def test_only_what_was_allowed_is_written_and_the_model_is_told(tmp_path: Path) -> None:
    person = Choosing(1, 3)

    after, told, session = made(tmp_path, person)

    assert len(person.shown) == 4
    expected = BEFORE.replace("line 3\n", "three = 3\n").replace("line 38\n", "line 38\n(\n")
    assert after == expected
    assert not (tmp_path / "work" / "new.txt").exists()
    head, _, rest = told.partition("\n")
    assert head == "Edited a.py at 2 places, lines 3, 39 (+2 −1)."
    refused, _, written = rest.partition("What was made:\n")
    assert refused.startswith(
        "The person refused 2 of the 4 changes, which were not made:\n--- a.py"
    )
    assert "-line 20\n" in refused
    assert "+n\n" in refused
    assert "three" not in refused
    assert "+three = 3\n" in written
    assert "@@ -36,5 +36,6 @@" in written
    assert "-line 20" not in written
    # It is known to the model as it is, so it can be edited further.
    assert session.agent.context.seen


def test_a_whole_file_is_taken_in_part_too(tmp_path: Path) -> None:
    after, told, _ = made(tmp_path, Choosing(0), name="write_file")

    assert after == BEFORE.replace("line 38\n", "38")
    assert "Edited a.py at line 38" in told


def test_all_one_by_one_is_all(tmp_path: Path) -> None:
    after, told, _ = made(tmp_path, Choosing())

    assert "(" in after
    assert (tmp_path / "work" / "new.txt").read_text() == "n\n"
    assert "refused" not in told


def test_nothing_is_written_that_was_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "work" / "a.py"
    person = Choosing(1, meanwhile=lambda: file.write_text(f"new first line\n{BEFORE}"))

    after, told, _ = made(tmp_path, person)

    assert after == f"new first line\n{BEFORE}"
    assert told.startswith("a.py changed after the person was shown the edit")
    assert not (tmp_path / "work" / "new.txt").exists()


def test_a_plain_yes_goes_by_the_checks_of_the_tool(tmp_path: Path) -> None:
    file = tmp_path / "work" / "a.py"

    class Yes(Choosing):
        async def decide(self, request: ApprovalRequest) -> Decision:
            await super().decide(request)
            return Decision(allowed=True)

    after, told, _ = made(
        tmp_path, Yes(meanwhile=lambda: file.write_text(BEFORE)), name="write_file"
    )
    assert after.endswith("38line 39\nline 40\n")
    after, told, _ = made(
        tmp_path, Yes(meanwhile=lambda: file.write_text("other\n")), name="write_file"
    )
    assert after == "other\n"
    assert "has changed since you read it" in told


@pytest.mark.parametrize("left", [{0, 1, 2, 3}, {0, 1, 2, 3, 9}])
def test_of_nothing_nothing_is_made(tmp_path: Path, left: set[int]) -> None:
    after, told, _ = made(tmp_path, Choosing(*left))

    assert after == BEFORE
    assert "allowed none" in told
