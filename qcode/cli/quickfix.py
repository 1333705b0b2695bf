"""Changes as `path:line: text`: what editors take for a list of places to go through."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from qcode.checkpoints.shown import line_counts, named

if TYPE_CHECKING:
    from qcode.checkpoints.keeper import Checkpoints
    from qcode.checkpoints.states import Entry
    from qcode.checkpoints.travel import Changes

TEXT_CHARACTERS = 200


def quickfix(kept: Checkpoints, changes: Changes, cwd: Path) -> Iterator[str]:
    """Yield a line for each changed part of the files, with paths as they are from `cwd`.

    Vim's usual `errorformat` reads them, as do Emacs' compilation mode and problem matchers.
    """
    for path, (before, after) in sorted(changes.items()):
        if after is not None and after.is_directory:
            continue
        shown = named(os.path.relpath(kept.root / path, cwd))
        for line, text in _parts(kept, before, after):
            yield f"{shown}:{line}: {text}"


def _parts(
    kept: Checkpoints, before: Entry | None, after: Entry | None
) -> Iterator[tuple[int, str]]:
    if before is None or after is None:
        yield 1, f"{'added' if before is None else 'deleted'} ({line_counts(kept, before, after)})"
        return
    old, new = kept.content(before), kept.content(after)
    for part in kept.hunks(before, after):
        if part is None or b"\0" in new[:8000]:
            yield 1, line_counts(kept, before, after)
        elif part.new_end > part.new_start:
            yield part.new_start + 1, f"+{_line(new, part.new_start)}"
        else:
            # What is gone stood above the line that is here now.
            yield (
                max(min(part.new_start + 1, new.count(b"\n")), 1),
                f"-{_line(old, part.old_start)}",
            )


def _line(data: bytes, number: int) -> str:
    text = data.split(b"\n")[number].decode("utf-8", "replace")
    return " ".join(text.split())[:TEXT_CHARACTERS]
