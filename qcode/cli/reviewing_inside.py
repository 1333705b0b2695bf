"""`/diff --editor`: the change in the editor that is connected, or in one that has the terminal."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from qcode.cli import reviewing
from qcode.cli.backstage import kept_of
from qcode.cli.editor import editor, run
from qcode.prompts import load

if TYPE_CHECKING:
    import argparse

    from qcode.cli.conversation import Conversation

_NAMED = 10


async def review(talk: Conversation, args: argparse.Namespace) -> None:
    """Show it, and tell the model which files the person edited meanwhile.

    Raises:
        QcodeError: there is no editor, or it cannot be started.
    """
    session, say = talk.session, talk.terminal.say
    kept = kept_of(session)
    compared = await kept.use(lambda its: reviewing.compare(its, args))
    if not compared.patch:
        say("nothing differs")
        return
    configured = os.environ.get("QCODE_DIFF_EDITOR", "") or talk.settings.diff_editor
    if not configured and compared.is_now and _in_connected(talk, compared):
        return
    words = reviewing.diff_editor(os.environ, talk.settings.diff_editor)
    talk.in_editor = True
    try:
        async with talk.prompt.aside():
            if words:
                changed = await reviewing.review(compared, words, kept.use, run, print)
            else:
                await reviewing.show_patch(compared, editor(), run)
                changed = []
    finally:
        talk.in_editor = False
    if changed:
        say(f"you edited {', '.join(changed)}; `/undo` takes it back")
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        session.history.aside(load("reviewed", paths=", ".join(changed[:_NAMED]) + more))


def _in_connected(talk: Conversation, compared: reviewing.Compared) -> bool:
    """Show it in a connected editor beside the real files, if one can; return whether one does."""
    editors = talk.editors
    if editors is None or not editors.bridge.hears("diff"):
        return False
    folder = Path(editors.keep(tempfile.TemporaryDirectory(prefix="qcode-")))
    files = []
    for number, pair in enumerate(compared.pairs[: reviewing.MOST]):
        if pair.after is None:
            continue
        before = folder / str(number) / Path(pair.path).name
        before.parent.mkdir()
        before.write_bytes(pair.before)
        before.chmod(0o400)
        after = str(compared.root / pair.path)
        files.append({"path": pair.path, "before": str(before), "after": after})
    editors.bridge.tell("diff", title="before qcode", files=files)
    gone = sum(pair.after is None for pair in compared.pairs)
    also = f"; {gone} deleted ones are not shown" if gone else ""
    count = f"{len(files)} files are" if len(files) != 1 else "1 file is"
    talk.terminal.say(f"{count} compared in {editors.bridge.handed.client}{also}")
    return True
