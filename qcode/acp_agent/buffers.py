"""What the editor has of files and did not save: read as it is there, saved before an edit.

An edit of a file with unsaved text has the editor save that first, so that nothing which the
person typed is lost, the checkpoint before the edit has it, and all is done on one text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from acp import RequestError

from qcode.errors import ToolError
from qcode.tools.base import Context
from qcode.tools.clip import clip
from qcode.tools.files import WHOLE_LIMIT, decode


class EditorBuffers:
    """Asks the editor by `fs/read_text_file` and `fs/write_text_file`."""

    def __init__(
        self, client: Callable[[], Any], session_id: str, context: Context, *, may_write: bool
    ) -> None:
        """`may_write`: whether the editor offers to save."""
        self._client = client
        self._session_id = session_id
        self._context = context
        self._may_write = may_write

    async def look(self, paths: Sequence[str]) -> None:
        """Find out what is unsaved of these files."""
        for path in paths:
            real = self._context.workspace.resolve(path)
            self._context.buffers.pop(real, None)
            known = _read(real)
            if known is None or self._context.is_hidden(real):
                continue
            try:
                answer = await self._client().read_text_file(self._session_id, str(real))
            except RequestError:
                continue  # the editor does not know the file: what counts is on the disk
            text, coding = decode(known)
            if _lines(answer.content) == _lines(text):
                continue
            try:
                data = coding.encode(answer.content)
            except ToolError:
                data = answer.content.encode()
            self._context.buffers[real] = data

    async def save(self, paths: Sequence[str]) -> None:
        """Have what is unsaved of these files saved.

        Raises:
            ToolError: the editor does not.
        """
        for path in paths:
            real = self._context.workspace.resolve(path)
            unsaved = self._context.buffers.get(real)
            if unsaved is None:
                continue
            refusal = (
                f"{clip(path)} has changes in the editor that are not saved, and would be lost; "
                "nothing was changed. Ask the person to save the file."
            )
            if not self._may_write:
                raise ToolError(refusal)
            text, _ = decode(unsaved)
            try:
                await self._client().write_text_file(self._session_id, str(real), text)
            except RequestError as error:
                raise ToolError(refusal) from error
            now = _read(real)
            if now is None or _lines(decode(now)[0]) != _lines(text):
                raise ToolError(refusal)
            del self._context.buffers[real]


def _read(real: Path) -> bytes | None:
    """Return a small file; None: there is none."""
    from qcode.files_safe import read_small

    try:
        return read_small(real, WHOLE_LIMIT)
    except OSError:
        return None


def _lines(text: str) -> str:
    """Return a text with the line ends of editors, which may be others on the disk."""
    return text.replace("\r\n", "\n").removesuffix("\n")
