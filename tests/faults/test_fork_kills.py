"""A copy of a session, killed at each of its effects: there is a whole one or none."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from effects import Moment, watch

from qcode.fork import fork
from qcode.journal.listing import entries
from qcode.journal.loading import load
from qcode.journal.writing import Journal
from qcode.messages import AssistantMessage, Message, UserMessage, to_json
from qcode.secrets import Masker

SAID: list[Message] = [UserMessage("one"), AssistantMessage("x" * 300), UserMessage("two")]


def held(folder: Path) -> Path:
    journal = Journal.create(folder, {"id": "s1", "cwd": "/w", "model": "m"})
    for message in SAID:
        journal.write({"type": "message", **to_json(message)})
    journal.write({"type": "title", "title": "Named"})
    journal.close()
    return journal.path


def copied(folder: Path, kill_at: int) -> bool:
    """Copy a session in another process that is killed at a moment; return whether it was."""
    source = held(folder)
    child = os.fork()
    if child == 0:
        count = 0

        def listen(_moment: Moment) -> None:
            nonlocal count
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        watch(listen)
        fork(source, folder, Masker())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def test_a_copy_is_whole_or_not_there(tmp_path: Path) -> None:
    seen = set()
    for moment in range(1, 200):
        folder = tmp_path / str(moment)
        was_killed = copied(folder, moment)
        listed = [entry for entry in entries(folder) if entry.id != "s1"]
        seen.add(len(listed))
        for entry in listed:
            loaded = load(entry.path)
            assert loaded.messages == SAID, moment
            assert (loaded.title, loaded.parent) == ("Named (fork)", "s1")
        assert load(folder / "s1.jsonl").messages == SAID
        if not was_killed:
            break
    assert seen == {0, 1}
    assert moment > 20
