"""The lower end of the terminal: the line being written, and what is going on.

Finished text goes into the terminal's own scrollback, once. Below it a few lines are redrawn:
what is not finished yet, what the model does, messages that wait, the line being written
or a question, and the state of things. It is there from the start of a session to its end,
so nothing that is typed is ever lost or meant for something else.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prompt_toolkit.application.current import create_app_session
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completer, ThreadedCompleter
from prompt_toolkit.enums import DEFAULT_BUFFER, EditingMode
from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.layout import Layout
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.renderer import CPR_Support
from prompt_toolkit.styles import Style
from prompt_toolkit.widgets import SearchToolbar

from qcode.ui.complete import is_completable
from qcode.ui.drawing import Drawing, HeldOutput
from qcode.ui.keys import bindings
from qcode.ui.lower import PLAIN_STYLE, STYLE, lower_end
from qcode.ui.pasted import Pasted
from qcode.ui.printable import encodable, one_line
from qcode.ui.prompt import History

DRAW_EVERY_S = 0.1
"""At most so often text is printed above and the lines below are redrawn."""
PAUSE_S = 0.3
"""After what is asked about is seen, before there is a line for the answer: time to stop typing."""
UNSEEN_S = 2.0
"""How long a terminal may take to say that it has drawn it."""
HINT_S = 3.0
LEAVE_WITHIN_S = 2.0
"""Between two Ctrl-C that leave."""


@dataclass(slots=True)
class Question:
    """Something asked, and whether the person can have seen it."""

    text: str
    answer: asyncio.Future[str]
    seen: bool = False
    """Keys that were pressed before do not answer it."""


class Left(EOFError):
    """The person leaves."""


class Screen(io.TextIOBase):
    """What is drawn at the lower end; text written to it is printed above."""

    listens = True
    """Whether messages can be typed while the model works."""

    def __init__(
        self,
        history: Path,
        *,
        colour: bool = True,
        interrupt: Callable[[], bool] = lambda: False,
        cycle: Callable[[], None] = lambda: None,
        earlier: Callable[[], None] = lambda: None,
        expand: Callable[[], None] = lambda: None,
        picture: Callable[[], str | None] = lambda: None,
        status: Callable[[int], str] = lambda _columns: "",
        vi: bool = False,
        breaks_anew: bool = False,
    ) -> None:
        """Prepare it.

        `interrupt` ends what is under way, and says whether there was anything; `cycle` goes
        to the next approval mode, `earlier` back to an earlier message, `expand` shows what
        was folded; `picture` keeps the one in the clipboard and returns its path; `status`
        returns the lowest line for so many columns. `breaks_anew`: the
        terminal breaks lines anew when its width changes.
        """
        self.interrupt, self.cycle, self.earlier, self.expand = interrupt, cycle, earlier, expand
        self._picture = picture
        self.status_line = status
        self.pasted = Pasted()
        self.busy_since: float | None = None
        """When the turn under way began (monotonic); None: there is none."""
        self.question: Question | None = None
        self.waiting: list[str] = []
        """Messages typed that were not taken yet, for the person to see."""
        self.later: list[str] = []
        """Messages to be sent when the model is done, each as a turn of its own."""
        self._tail: Callable[[int], Sequence[str]] | None = None
        self._activity = ""
        self._submitted: asyncio.Queue[str | None] = asyncio.Queue()
        self._said: deque[str] = deque()
        self._rest = ""
        """Written and no whole line yet."""
        self._unprinted: list[str] = []
        self._hint = ""
        self._hinting: asyncio.TimerHandle | None = None
        self._left_at = 0.0
        self._muted = False
        self._colour = colour
        self.buffer = Buffer(
            name=DEFAULT_BUFFER,
            multiline=True,
            history=History(history),
            complete_while_typing=Condition(self._completes),
            enable_history_search=False,
        )
        self.answers = Buffer(name="answer", multiline=False)
        self.search = SearchToolbar()
        self.app = self._application(vi=vi, breaks_anew=breaks_anew)

    # -- for who writes

    def write(self, text: str) -> int:
        """Print finished lines; what has no line end yet is shown below until it has."""
        whole, line_end, rest = (self._rest + text).rpartition("\n")
        self._rest = rest
        if line_end and not self._muted:
            self._unprinted.append(whole + "\n")
        self.app.invalidate()
        return len(text)

    def flush(self) -> None:
        """Do nothing: lines are printed as soon as they may."""

    def isatty(self) -> bool:
        """Whether this is a terminal: always."""
        return True

    def activity(self, text: str) -> None:
        """Say what is going on; nothing: no longer."""
        if text != self._activity:
            self._activity = text
            self.app.invalidate()

    def show_tail(self, tail: Callable[[int], Sequence[str]] | None) -> None:
        """Show the last lines of what is being written; None: no more."""
        self._tail = tail
        self.app.invalidate()

    def busy(self, is_busy: bool) -> None:
        """Say whether the model is at work."""
        self.busy_since = time.monotonic() if is_busy else None
        if not is_busy:
            self._activity = ""
        self.app.invalidate()

    def mute(self) -> None:
        """Print nothing any more: the terminal is gone."""
        self._muted = True
        self._unprinted.clear()

    def columns(self) -> int:
        """Return how wide the terminal is."""
        return self.app.output.get_size().columns

    def complete_by(self, completer: Completer) -> None:
        """Complete what is typed by this from now on; it runs in a thread."""
        self.buffer.completer = ThreadedCompleter(completer)

    @property
    def is_vi(self) -> bool:
        """Whether the line is edited as in vi."""
        return self.app.editing_mode is EditingMode.VI

    @is_vi.setter
    def is_vi(self, value: bool) -> None:
        self.app.editing_mode = EditingMode.VI if value else EditingMode.EMACS

    def notify(self, text: str) -> None:
        """Ring: the person may have gone elsewhere."""
        if not self._muted:
            # Terminals show OSC 9 as a notice of the desktop, as iTerm2 began to; or ignore it.
            self.app.output.write_raw(f"\x1b]9;{one_line(text, 60)}\x07\x07")
            self.app.output.flush()

    def hint(self, text: str) -> None:
        """Show a word of help for a moment."""
        self._hint = text
        self.app.invalidate()
        if self._hinting is not None:
            self._hinting.cancel()
        self._hinting = asyncio.get_running_loop().call_later(HINT_S, self._forget_hint)

    # -- for who reads

    async def message(self) -> str:
        """Return the next message sent.

        Raises:
            EOFError: the person leaves.
        """
        text = await self._submitted.get()
        if text is None:
            raise Left
        return text

    async def line(self, question: str) -> str:
        """Return the line typed after a question; what was typed before it does not count.

        Before means: before the terminal had drawn what it is about, however slow the way to
        it is, and a moment more.

        Raises:
            KeyboardInterrupt, EOFError: the person pressed Ctrl-C, Esc or Ctrl-D.
        """
        if not self.app.is_running:
            raise EOFError
        asked = Question(encodable(question), asyncio.get_running_loop().create_future())
        self.question = asked
        self.answers.reset()
        self._print_now()
        self.app.draw()
        self._await_sight(asked)
        answered = None
        try:
            answered = await asked.answer
            return answered
        finally:
            if self.question is asked:
                self._put_away()
            shown = "" if answered is None else answered
            self.write(f"{question}{one_line(shown, 200)}\n")

    def suggest(self, text: str) -> None:
        """Have the line begin with a text that can be changed; what is typed stays behind it."""
        if text:
            typed = self.buffer.text
            self.buffer.text = f"{text}\n\n{typed}" if typed else text
            self.buffer.cursor_position = len(self.buffer.text)
            self.app.invalidate()

    def insert(self, text: str) -> None:
        """Put a text where the cursor is in the line."""
        self.buffer.insert_text(text)
        self.app.invalidate()

    def send(self, text: str) -> None:
        """Have a message taken as if it had been typed; what is in the line stays there."""
        self._submitted.put_nowait(text)

    def typed_ahead(self, keys: str) -> None:
        """Have keys that were pressed before there was a screen count as its first ones."""
        from prompt_toolkit.input.typeahead import store_typeahead
        from prompt_toolkit.input.vt100_parser import Vt100Parser

        pressed: list[KeyPress] = []
        parser = Vt100Parser(pressed.append)
        parser.feed_and_flush(keys)
        store_typeahead(self.app.input, pressed)

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """Leave the terminal to another application for a while."""
        from prompt_toolkit.application.run_in_terminal import in_terminal

        self._print_now()
        async with in_terminal():
            yield

    # -- for the keys

    def submit(self) -> None:
        """Send what is written."""
        text = self.buffer.text
        if not text.strip():
            return
        if self.question is not None:  # meant for neither: it is kept
            self.hint("there is a question to be answered first")
            return
        self.buffer.append_to_history()
        self.buffer.reset()
        whole = encodable(self.pasted.unfold(text))
        self.pasted.forget()
        self._submitted.put_nowait(whole)

    def paste_picture(self) -> None:
        """Point at the picture in the clipboard."""

        async def paste() -> None:
            path = await asyncio.to_thread(self._picture)
            if path is None:
                self.hint("there is no picture in the clipboard, or no wl-paste, xclip or pngpaste")
            else:
                self.buffer.insert_text(f'@"{path}" ' if " " in path else f"@{path} ")

        self.app.create_background_task(paste())

    def is_to_be_sent(self) -> bool:
        """Whether a message is written, and nothing at its end to be completed."""
        return bool(self.buffer.text.strip()) and not self._completes()

    def send_later(self) -> None:
        """Have what is written sent when the model is done."""
        if self.buffer.text.strip():
            self.buffer.append_to_history()
            self.later.append(encodable(self.pasted.unfold(self.buffer.text)))
            self.buffer.reset()
            self.pasted.forget()

    def take_later(self) -> str | None:
        """Return the next message that was to be sent later; None if there is none."""
        return self.later.pop(0) if self.later else None

    def answer(self) -> None:
        """Give what is written as the answer to the question."""
        if (asked := self._put_away()) is not None:
            asked.answer.set_result(encodable(self.answers.text))

    def refuse(self, error: type[BaseException]) -> None:
        """Leave the question without an answer."""
        if (asked := self._put_away()) is not None:
            asked.answer.set_exception(error())

    def _put_away(self) -> Question | None:
        """Take the question from the screen; keys go to the message again from the next one on."""
        asked, self.question = self.question, None
        self.app.layout.focus(self.buffer)
        return asked

    def cut(self) -> None:
        """Ctrl-C: end what is under way, or clear the line, or, twice, leave."""
        if self.busy_since is not None and self.interrupt():
            return
        if self.buffer.text:
            self.buffer.reset()
            self.pasted.forget()
            return
        now = time.monotonic()
        if now - self._left_at < LEAVE_WITHIN_S:
            self.leave()
        self._left_at = now
        self.hint("Ctrl-C again leaves")

    def leave(self) -> None:
        """End the session, unless something is under way."""
        if self.busy_since is not None:
            self.hint("the model is at work: Esc interrupts it")
        else:
            self._submitted.put_nowait(None)

    def seen(self) -> None:
        """Take the terminal's word that it has drawn all that was sent to it."""
        asked = self.question
        if asked is not None and not asked.seen:
            asyncio.get_running_loop().call_later(PAUSE_S, self._let_answer, asked)

    # -- inside

    def _forget_hint(self) -> None:
        self._hint = ""
        self.app.invalidate()

    def _completes(self) -> bool:
        return is_completable(self.buffer.document.text_before_cursor)

    def _await_sight(self, asked: Question) -> None:
        loop = asyncio.get_running_loop()
        if self.app.output.responds_to_cpr:
            # Answers come in the order of what was sent and typed: keys that arrive before
            # this one were pressed before the question stood there.
            self.app.output.ask_for_cpr()
            loop.call_later(UNSEEN_S, self._let_answer, asked)
        else:
            loop.call_later(PAUSE_S, self._let_answer, asked)

    def _let_answer(self, asked: Question) -> None:
        if self.question is asked and not asked.seen:
            asked.seen = True
            self.app.layout.focus(self.answers)
            self.app.invalidate()

    def _take(self) -> str:
        text, self._unprinted = "".join(self._unprinted), []
        return text

    def _print_now(self) -> None:
        if self.app.is_running:
            if not self.app.is_away:  # else it is printed when the editor is closed
                self.app.draw()
        elif text := self._take():
            self.app.output.write_raw(text.replace("\n", "\r\n"))
            self.app.output.flush()

    def _closed(self) -> None:
        """End what waits for keys: there are none any more."""
        self.refuse(EOFError)
        self._submitted.put_nowait(None)

    async def _tick(self) -> None:
        """Keep clocks going while there is something to wait for."""
        while True:
            await asyncio.sleep(1.0)
            if self.busy_since is not None:
                self.app.invalidate()

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Be there, from first key to last."""
        ready = asyncio.Event()
        running = asyncio.ensure_future(
            self.app.run_async(pre_run=ready.set, set_exception_handler=False, handle_sigint=False)
        )
        running.add_done_callback(lambda _running: self._closed())
        ticking = asyncio.ensure_future(self._tick())
        starting = asyncio.ensure_future(ready.wait())
        await asyncio.wait({starting, running}, return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()
        try:
            yield
        finally:
            ticking.cancel()
            if self._rest:
                self.write("\n")
            self._print_now()
            if self.app.is_running:
                self.app.exit()
            with contextlib.suppress(EOFError, OSError, asyncio.CancelledError):
                await running
            self._print_now()

    # -- what it looks like

    def unfinished(self, rows: int) -> list[str]:
        """Return the last lines of what is being written, styled."""
        lines = list(self._tail(rows)) if self._tail is not None else []
        if self._rest:
            lines.append(self._rest[-rows * self.columns() :])
        return lines[-rows:]

    @property
    def doing(self) -> str:
        """What is going on; nothing if nothing is."""
        if self.busy_since is None or self._activity:
            return self._activity
        return "working …"

    @property
    def helping(self) -> str:
        """The word of help, if there is one now."""
        return self._hint

    def _application(self, *, vi: bool, breaks_anew: bool) -> Drawing:
        app = Drawing(
            self._take,
            breaks_anew=breaks_anew,
            layout=Layout(lower_end(self), focused_element=self.buffer),
            key_bindings=bindings(self),
            style=Style.from_dict(STYLE if self._colour else PLAIN_STYLE),
            color_depth=None if self._colour else ColorDepth.MONOCHROME,
            erase_when_done=True,
            min_redraw_interval=DRAW_EVERY_S,
            editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
        )
        # Where the cursor stands is never asked for: only a question makes use of the answer.
        app.renderer.cpr_support = CPR_Support.NOT_SUPPORTED
        app.ttimeoutlen = 0.05
        app.timeoutlen = 0.25  # of Esc, before it is known to be no part of Esc Enter
        return app


@contextlib.contextmanager
def session_of() -> Iterator[None]:
    """Have prompt_toolkit draw on this process's terminal, in whole pieces."""
    term = os.environ.get("TERM")
    with create_app_session(output=HeldOutput.from_pty(sys.stdout, term=term)):
        yield
