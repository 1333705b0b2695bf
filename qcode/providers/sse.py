"""An incremental parser of server-sent events.

Format: WHATWG HTML, "Interpreting an event stream". One leniency: what stands
unfinished at the end of the body still counts as an event, because servers
exist that leave out the last blank line.
"""

from __future__ import annotations

from qcode.errors import ProviderError, ProviderFault
from qcode.record import Record

MAX_EVENT_BYTES = 16 << 20
"""No model writes that much at once; a server that does is broken or hostile."""

_BOM = b"\xef\xbb\xbf"


class SseEvent(Record):
    """One event; `name` is empty unless the stream gave one."""

    name: str
    data: str


class SseParser:
    """Turns bytes, cut anywhere, into events, in time linear in their number."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._name = b""
        self._size = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, data: bytes) -> list[SseEvent]:
        """Take the next bytes; return the events they complete.

        Raises:
            ProviderError: one event is larger than allowed.
        """
        if not data:
            return []
        if self._after_cr and data[:1] == b"\n":
            data = data[1:]
        # A lone CR at the end already ends the line; an LF to come belongs to it.
        self._after_cr = data[-1:] == b"\r" if data else False
        events: list[SseEvent] = []
        # bytes.splitlines breaks at CR, LF and CRLF alone, never inside UTF-8.
        for line in data.splitlines(keepends=True):
            self._size += len(line)
            if self._size > self._max:
                raise ProviderError(
                    f"the server sent one event of more than {self._max >> 20} MiB",
                    fault=ProviderFault.NOT_AN_API,
                    hint="check the base URL",
                )
            if line[-1] not in b"\r\n":
                self._line.append(line)
                continue
            if self._line:
                line = b"".join([*self._line, line])
                self._line.clear()
            event = self._take(line.rstrip(b"\r\n"))
            if event is not None:
                events.append(event)
        return events

    def finish(self) -> list[SseEvent]:
        """Return the event that the end of the body completes, if there is one."""
        last = b"".join(self._line)
        self._line.clear()
        found = [self._take(last) if last else None, self._take(b"")]
        return [event for event in found if event is not None]

    def _take(self, line: bytes) -> SseEvent | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value
        elif not field and not self._data:
            # Comments keep a connection alive, for hours if need be.
            self._size = 0
        return None

    def _dispatch(self) -> SseEvent | None:
        data, name = self._data, self._name
        self._data, self._name, self._size = [], b"", 0
        if not data:
            return None
        return SseEvent(name.decode(errors="replace"), b"\n".join(data).decode(errors="replace"))
