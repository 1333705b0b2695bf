"""What the keys do in the interactive session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.enums import DEFAULT_BUFFER, EditingMode
from prompt_toolkit.filters import Condition, has_completions, has_focus
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.keys import Keys

from qcode.ui.pasted import dragged

if TYPE_CHECKING:
    from qcode.ui.screen import Screen


def bindings(screen: Screen) -> KeyBindings:
    """Return what the keys do on a screen, besides what they do in any line editor."""
    made = KeyBindings()
    writing = has_focus(DEFAULT_BUFFER)  # and not searching the history
    answering = has_focus("answer")
    emacs = Condition(lambda: screen.app.editing_mode == EditingMode.EMACS)
    busy = Condition(lambda: screen.busy_since is not None)

    @made.add("enter", filter=writing)
    def _send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        state = buffer.complete_state
        if state is not None and state.current_completion is not None:
            buffer.complete_state = None
            if not buffer.text.startswith("/"):
                return  # what was completed is a part of a message
        screen.submit()

    @made.add("tab", filter=writing & busy & Condition(screen.is_to_be_sent))
    def _later(_event: KeyPressEvent) -> None:
        screen.send_later()

    @made.add("escape", "enter", filter=writing)
    @made.add("c-j", filter=writing)
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @made.add("c-c", filter=~answering)
    def _cut(_event: KeyPressEvent) -> None:
        screen.cut()

    @made.add("c-d", filter=writing & Condition(lambda: not screen.buffer.text))
    def _leave(_event: KeyPressEvent) -> None:
        screen.leave()

    @made.add("escape", filter=writing & emacs & busy & ~has_completions)
    def _interrupt(_event: KeyPressEvent) -> None:
        screen.interrupt()

    @made.add("escape", filter=writing & emacs & has_completions)
    def _close_menu(event: KeyPressEvent) -> None:
        event.current_buffer.cancel_completion()

    @made.add("escape", "escape", filter=writing & emacs & ~busy)
    def _earlier(_event: KeyPressEvent) -> None:
        screen.earlier()

    @made.add("s-tab")
    def _cycle(_event: KeyPressEvent) -> None:
        screen.cycle()

    @made.add("c-g", filter=writing)
    def _editor(event: KeyPressEvent) -> None:
        event.current_buffer.text = screen.pasted.unfold(event.current_buffer.text)
        event.current_buffer.open_in_editor()

    @made.add("c-v", filter=writing & emacs)
    def _picture(_event: KeyPressEvent) -> None:
        screen.paste_picture()

    @made.add("c-o", filter=writing)
    def _expand(_event: KeyPressEvent) -> None:
        screen.expand()

    @made.add("c-z")
    def _sleep(event: KeyPressEvent) -> None:
        event.app.suspend_to_background()

    @made.add(Keys.BracketedPaste, filter=writing)
    def _paste(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text(dragged(event.data) or screen.pasted.fold(event.data))

    @made.add(Keys.CPRResponse)
    def _seen(_event: KeyPressEvent) -> None:
        screen.seen()

    # -- an answer

    @made.add("enter", filter=answering)
    def _answer(_event: KeyPressEvent) -> None:
        screen.answer()

    @made.add("c-c", filter=answering)
    @made.add("escape", filter=answering & emacs)
    def _refuse(_event: KeyPressEvent) -> None:
        screen.refuse(KeyboardInterrupt)

    @made.add("c-d", filter=answering)
    def _refuse_and_leave(_event: KeyPressEvent) -> None:
        screen.refuse(EOFError)

    return made
