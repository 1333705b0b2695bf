"""What the embedded model's server has read is saved once, and given to it when it is fresh."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import scripted_server as scripted

from qcode.cli.warm import Kept
from qcode.local.slots import Slots
from qcode.providers.llamacpp import LlamaServer


class Llama:
    """A server with one slot, whose states are files with the number of its tokens."""

    def __init__(
        self, folder: Path, tokens: int = 0, *, busy: bool = False, task: int = -1
    ) -> None:
        self.folder = folder
        self.tokens = tokens
        self.busy = busy
        self.task = task
        self.moved: list[str] = []
        self.routes = {"/slots": self.slots, "/slots/0": self.move}

    def slots(self, _seen: scripted.Seen) -> scripted.Reply:
        slot = {"id": 0, "is_processing": self.busy, "n_prompt_tokens": self.tokens}
        slot["id_task"] = self.task
        return scripted.Whole(json.dumps([slot]).encode())

    def move(self, seen: scripted.Seen) -> scripted.Reply:
        action, file = seen.query.removeprefix("action="), self.folder / seen.json["filename"]
        self.moved.append(action)
        if action == "save":
            file.write_text(str(self.tokens))
            return scripted.Whole(json.dumps({"n_saved": self.tokens}).encode())
        try:
            self.tokens = int(file.read_text())
        except ValueError:
            return scripted.fault(400, "Unable to restore slot")
        return scripted.Whole(json.dumps({"n_restored": self.tokens}).encode())


def run(llama: Llama, slots: Slots, *actions: str, saves: bool = True) -> None:
    async def act() -> None:
        server = LlamaServer(base_url)
        kept = Kept(server, slots, saves=saves)
        for action in actions:
            await getattr(kept, action)()
        await server.close()

    with scripted.ScriptedServer(routes=llama.routes) as scripted_server:
        base_url = scripted_server.base_url
        asyncio.run(act())


def test_what_was_saved_is_restored_to_a_fresh_server(tmp_path: Path) -> None:
    slots = Slots(tmp_path, "a", "1")
    run(Llama(tmp_path, 800), slots, "save", "save")
    fresh = Llama(tmp_path)
    run(fresh, slots, "restore", "save")

    assert (fresh.tokens, fresh.moved) == (800, ["restore"])
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600]


@pytest.mark.parametrize("tokens, busy, task", [(5_000, False, 7), (0, True, 0), (0, False, 0)])
def test_a_conversation_in_the_slot_is_left_there(
    tokens: int, busy: bool, task: int, tmp_path: Path
) -> None:
    slots = Slots(tmp_path, "a", "1")
    run(Llama(tmp_path, 800), slots, "save")
    used = Llama(tmp_path, tokens, busy=busy, task=task)
    run(used, slots, "restore")

    assert (used.tokens, used.moved) == (tokens, [])


def test_a_file_that_the_server_refuses_is_removed_and_saved_anew(tmp_path: Path) -> None:
    slots = Slots(tmp_path, "a", "1")
    run(Llama(tmp_path, 800), slots, "save")
    (file,) = tmp_path.iterdir()
    file.write_text("bad")
    fresh = Llama(tmp_path)
    run(fresh, slots, "restore")
    assert list(tmp_path.iterdir()) == []
    fresh.tokens = 810  # as many letters, so the same name
    run(fresh, slots, "save")

    assert (fresh.moved, file.read_text()) == (["restore", "save"], "810")


def test_a_reopened_conversation_is_not_saved(tmp_path: Path) -> None:
    llama = Llama(tmp_path, 5_000)
    run(llama, Slots(tmp_path, "a", "1"), "save", saves=False)

    assert (llama.moved, list(tmp_path.iterdir())) == ([], [])


def test_a_server_that_cannot_is_let_be(tmp_path: Path) -> None:
    slots = Slots(tmp_path, "a", "1")
    run(Llama(tmp_path, 800), slots, "save")

    async def act() -> None:
        server = LlamaServer(base_url)
        await Kept(server, slots, saves=True).restore()
        await Kept(server, Slots(tmp_path, "b", "1"), saves=True).save()
        await server.close()

    with scripted.ScriptedServer() as bare:
        base_url = bare.base_url
        asyncio.run(act())

    assert slots.is_kept  # nothing was refused: it was not even tried
    assert len(list(tmp_path.iterdir())) == 1
