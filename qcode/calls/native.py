"""Assembling an answer's tool calls from the pieces the wire delivers.

Servers differ in what they say: no index, index 0 for all calls, an id only
once or anew in every piece, the name repeated, the arguments repeated whole.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TypeAlias

from qcode.calls.cursor import Cursor, Ending
from qcode.calls.formats.glm import read_body
from qcode.calls.found import Found
from qcode.calls.offered import Offered
from qcode.providers import CallPart
from qcode.record import Record


class CallBegun(Record):
    """A call whose name is known; `index` is its position among the answer's calls."""

    index: int
    name: str


class CallGrew(Record):
    """`text` follows at the end of the arguments of the call at `index`."""

    index: int
    text: str


CallProgress: TypeAlias = CallBegun | CallGrew


class _Slot:
    """One call being assembled; `index` is what the wire calls it, if anything."""

    def __init__(self, position: int, index: int | None) -> None:
        self.position = position
        self.index = index
        self.id = ""
        self.name = ""
        self.begun = False
        self.length = 0
        self._pieces: list[str] = []

    def text(self) -> str:
        # Joined only when somebody looks: thousands of pieces stay linear.
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def append(self, text: str) -> None:
        self._pieces.append(text)
        self.length += len(text)

    def is_whole(self) -> bool:
        """Whether the call could end here: it has a name and a complete object."""
        if not self.name or not self._pieces or not self._pieces[-1].rstrip().endswith("}"):
            return False
        return _object(self.text()) is not None


class Assembler:
    """Puts the pieces of one answer's calls together.

    With the names of the tools, a name that comes in fragments is put together.
    """

    def __init__(self, offered: Offered) -> None:
        self._tools = offered
        self._offered: Collection[str] = frozenset(offered.names)
        self._slots: list[_Slot] = []

    def feed(self, part: CallPart) -> tuple[CallProgress, ...]:
        """Take the next piece; return what is known by it."""
        slot = self._slot(part)
        if part.id and not slot.id:
            slot.id = part.id
        if part.name:
            self._take_name(slot, part.name)
        added = _added(slot, part.arguments or "")
        if added:
            slot.append(added)
        if slot.begun:
            return (CallGrew(slot.position, added),) if added else ()
        if not slot.name:
            return ()
        if self._is_fragment(slot.name) and not slot.length:
            return ()
        slot.begun = True
        begun = CallBegun(slot.position, slot.name)
        return (begun, CallGrew(slot.position, slot.text())) if slot.length else (begun,)

    def found(self) -> tuple[Found, ...]:
        """Return the calls in the order in which they first appeared.

        Arguments are text as it came; none at all read as an empty object.
        """
        return tuple(self._found(slot) for slot in self._slots if slot.name or slot.text().strip())

    def _found(self, slot: _Slot) -> Found:
        text = slot.text().strip()
        name = slot.name
        if text in ("", "null", "{}") and "<arg_key>" in name:
            # The server took GLM's whole markup for the name.
            tool, _, rest = name.partition("<arg_key>")
            cursor = Cursor(f"<arg_key>{rest}", 0, Ending.NATURAL)
            region = read_body(cursor, self._tools, tool.strip())
            if region is not None:
                call = region.calls[0]
                return Found(
                    call.name,
                    call.arguments,
                    as_text=True,
                    id=slot.id,
                    fault=call.fault,
                    detail=call.detail,
                )
        half = len(name) // 2
        if (
            name not in self._offered
            and name[:half] == name[half:]
            and name[:half] in self._offered
        ):
            name = name[:half]
        nothing = text in ("", "null")
        return Found(name, "" if nothing else slot.text(), id=slot.id, unclosed=nothing)

    def _slot(self, part: CallPart) -> _Slot:
        found = self._known(part)
        if found is None or self._opens_another(found, part):
            found = _Slot(len(self._slots), part.index)
            self._slots.append(found)
        return found

    def _known(self, part: CallPart) -> _Slot | None:
        if part.index is not None:
            same = [s for s in self._slots if s.index == part.index]
            # Of several calls under one index the last is the one being
            # written, unless the piece names another by its id.
            named = [s for s in same if part.id and s.id == part.id]
            candidates = named or same
            return candidates[-1] if candidates else None
        if part.id:
            named = [s for s in self._slots if s.id == part.id]
            if named:
                return named[-1]
            if part.name:
                return None
        return self._slots[-1] if self._slots else None

    def _opens_another(self, slot: _Slot, part: CallPart) -> bool:
        if not part.name:
            return False
        if part.id and slot.id:
            return part.id != slot.id
        if part.name != slot.name and not self._continues(slot.name, part.name):
            # A name may come late; it does not change.
            return bool(slot.name)
        if not part.arguments or not slot.is_whole():
            return False
        return not _repeats(slot.text(), part.arguments)

    def _take_name(self, slot: _Slot, name: str) -> None:
        if not slot.name:
            slot.name = name
        elif name != slot.name and not slot.begun and self._continues(slot.name, name):
            slot.name += name

    def _continues(self, begun: str, piece: str) -> bool:
        return begun not in self._offered and self._is_fragment(begun + piece, whole_too=True)

    def _is_fragment(self, name: str, *, whole_too: bool = False) -> bool:
        if name in self._offered:
            return whole_too
        return any(offered.startswith(name) for offered in self._offered)


def _added(slot: _Slot, text: str) -> str:
    """Return what `text` adds to the arguments so far.

    Some servers send a snapshot of the whole each time, or once more at the
    end. No piece of valid JSON begins with all that stands before it once that
    holds an opening brace, a quote and one more character.
    """
    if slot.length < 3 or len(text) < slot.length or not text.lstrip().startswith("{"):
        return text if slot.length or text.strip() else ""
    present = slot.text()
    if present.lstrip().startswith("{") and text.startswith(present):
        return text[len(present) :]
    return "" if _repeats(present, text) else text


def _repeats(present: str, text: str) -> bool:
    if text == present:
        return True
    before = _object(present)
    return before is not None and before == _object(text)


def _object(text: str) -> dict[str, object] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
