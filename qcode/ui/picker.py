"""Choosing a session: a list that narrows as one types, and the end of the one pointed at.

It takes a part of the screen, leaves what stands above it alone, and is gone when it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from prompt_toolkit.application import Application, get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import BufferControl, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from qcode.errors import QcodeError
from qcode.finding import search
from qcode.journal.listing import Entry
from qcode.messages import Message
from qcode.tail import last_said
from qcode.ui.picker_lines import footer, header, line_of, preview_of, rows_of
from qcode.ui.picking import Picking

_BATCH = 200
"""Sessions taken in at once while they are read."""
_ESCAPE_S = 0.05
"""For so long an Esc may be the begin of another key."""
_COLOURS = {"at": "ansicyan bold", "dim": "ansibrightblack", "ask": "ansired"}


async def pick(
    entries: Iterable[Entry],
    cwd: Path,
    *,
    remove: Callable[[Entry], str] | None = None,
    colour: bool = True,
) -> Entry | None:
    """Return the session that a person chooses; None if they leave.

    `entries` are read in a thread while the list is there already. `remove` removes a session
    for good and returns what is to be told; without it none can be removed.

    Raises:
        EOFError: the terminal was closed.
    """
    return await _Picker(entries, cwd, remove, colour=colour).run()


class _Picker:
    def __init__(
        self,
        entries: Iterable[Entry],
        cwd: Path,
        remove: Callable[[Entry], str] | None,
        *,
        colour: bool,
    ) -> None:
        self._source = entries
        self._remove = remove
        self._picking = Picking(cwd)
        self._ended = threading.Event()
        self._search: threading.Event | None = None
        """Set to end the search under way."""
        self._previews: dict[str, list[Message] | None] = {}
        """By id; None: being read."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._query = Buffer(multiline=False, on_text_changed=self._typed)
        self._app: Application[Entry | None] = Application(
            layout=Layout(self._windows()),
            key_bindings=self._keys(),
            style=Style.from_dict(_COLOURS if colour else {}),
            color_depth=None if colour else ColorDepth.DEPTH_1_BIT,
            erase_when_done=True,
            mouse_support=False,
        )
        self._app.ttimeoutlen = _ESCAPE_S

    async def run(self) -> Entry | None:
        self._start(self._read_entries())
        try:
            return await self._app.run_async(handle_sigint=False, set_exception_handler=False)
        finally:
            self._ended.set()
            self._end_search()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- what is done beside the keys

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read_entries(self) -> None:
        source = iter(self._source)
        while not self._ended.is_set():
            batch = await asyncio.to_thread(lambda: [*itertools.islice(source, _BATCH)])
            if not batch:
                break
            self._picking.add(batch)
            self._app.invalidate()
        self._picking.complete()
        self._app.invalidate()

    async def _look_into(self, entries: list[Entry], query: str, ended: threading.Event) -> None:
        hits = search(iter(entries), query)

        def some() -> list[tuple[Entry, str | None]]:
            out = []
            for _entry, hit in zip(range(50), hits, strict=False):
                out.append(hit)
                if ended.is_set() or hit[1] is not None:
                    break
            return out

        while not ended.is_set():
            looked = await asyncio.to_thread(some)
            if ended.is_set():
                return
            for entry, words in looked:
                if words is not None:
                    self._picking.find(entry, words)
            if not looked:
                break
            self._app.invalidate()
        self._search = None
        self._app.invalidate()

    def _end_search(self) -> None:
        if self._search is not None:
            self._search.set()
            self._search = None

    async def _read_preview(self, entry: Entry) -> None:
        self._previews[entry.id] = await asyncio.to_thread(last_said, entry.path)
        self._app.invalidate()

    def _typed(self, _buffer: Buffer) -> None:
        self._end_search()
        self._picking.type(self._query.text)

    # -- what is shown

    def _windows(self) -> HSplit:
        def window(text: Callable[[], StyleAndTextTuples], rows: Callable[[], int]) -> Window:
            return Window(
                FormattedTextControl(text), height=rows, wrap_lines=False, always_hide_cursor=True
            )

        query = Window(
            BufferControl(self._query, input_processors=[BeforeInput("search: ")]), height=1
        )
        return HSplit(
            [
                window(lambda: [("", header(self._picking, self._columns))], lambda: 1),
                query,
                window(self._list, lambda: self._rows[0]),
                window(self._preview, lambda: self._rows[1]),
                window(self._footer, lambda: 1),
            ]
        )

    @property
    def _columns(self) -> int:
        # The last column stays free: some terminals wrap as soon as it is filled.
        return max(10, get_app().output.get_size().columns - 1)

    @property
    def _rows(self) -> tuple[int, int]:
        return rows_of(get_app().output.get_size().rows, len(self._picking.shown()))

    def _list(self) -> StyleAndTextTuples:
        shown = self._picking.shown()
        rows = self._rows[0]
        if not shown:
            words = "no session fits" if self._picking.is_complete else "reading …"
            return [("class:dim", f"  {words}")]
        first = max(0, min(self._picking.at - rows // 2, len(shown) - rows))
        out: StyleAndTextTuples = []
        for place, entry in enumerate(shown[first : first + rows], start=first):
            is_at = place == self._picking.at
            line = line_of(entry, self._picking, self._columns - 2)
            out.append(("class:at" if is_at else "", f"{'>' if is_at else ' '} {line}\n"))
        return out

    def _preview(self) -> StyleAndTextTuples:
        entry = self._picking.chosen
        rows = self._rows[1]
        if entry is None or rows < 2:
            return []
        if entry.id not in self._previews:
            self._previews[entry.id] = None
            self._start(self._read_preview(entry))
        messages = self._previews[entry.id]
        found = (self._picking.found or {}).get(entry.id, "")
        lines = preview_of(messages, found, self._columns, rows - 1)
        return [("class:dim", "─" * self._columns + "\n"), ("", "\n".join(lines))]

    def _footer(self) -> StyleAndTextTuples:
        is_asking = self._picking.is_removing or bool(self._picking.note)
        text = footer(
            self._picking,
            self._columns,
            is_searching=self._search is not None,
            can_remove=self._remove is not None,
        )
        return [("class:ask" if is_asking else "class:dim", text)]

    # -- keys

    def _keys(self) -> KeyBindings:
        bindings = KeyBindings()
        picking = self._picking
        asking = Condition(lambda: picking.is_removing)

        def on(*keys: str, do: Callable[[], None]) -> None:
            def handle(_event: KeyPressEvent) -> None:
                picking.note = ""
                do()

            for key in keys:
                bindings.add(key, filter=~asking)(handle)

        on("up", "c-p", do=lambda: picking.move(-1))
        on("down", "c-n", do=lambda: picking.move(1))
        on("pageup", do=lambda: picking.move(-self._rows[0]))
        on("pagedown", do=lambda: picking.move(self._rows[0]))
        on("tab", "c-a", do=picking.turn)
        on("c-f", do=self._begin_search)
        on("c-d", do=self._ask_to_remove)
        on("enter", do=self._choose)
        on("escape", "c-c", do=lambda: self._app.exit(result=None))

        @bindings.add(Keys.Any, filter=asking, eager=True)
        @bindings.add("enter", filter=asking, eager=True)
        @bindings.add("escape", filter=asking, eager=True)
        @bindings.add("c-c", filter=asking, eager=True)
        def _answer(event: KeyPressEvent) -> None:
            picking.is_removing = False
            if event.data in ("y", "Y"):
                self._start(self._remove_chosen())

        return bindings

    def _choose(self) -> None:
        if (entry := self._picking.chosen) is not None:
            self._app.exit(result=entry)

    def _begin_search(self) -> None:
        query = self._query.text.strip()
        if not query:
            self._picking.note = "type the words to look for first"
            return
        self._end_search()
        self._search = threading.Event()
        self._start(self._look_into(self._picking.look_for(), query, self._search))

    def _ask_to_remove(self) -> None:
        self._picking.is_removing = self._remove is not None and self._picking.chosen is not None

    async def _remove_chosen(self) -> None:
        entry = self._picking.chosen
        if entry is None or self._remove is None:
            return
        try:
            self._picking.note = await asyncio.to_thread(self._remove, entry)
            self._picking.forget(entry)
        except (QcodeError, OSError) as error:
            self._picking.note = str(error)
        with contextlib.suppress(Exception):
            self._app.invalidate()
