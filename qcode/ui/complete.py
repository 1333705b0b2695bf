"""What is completed in the line being written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from qcode.mentions.complete import typed


class Completing(Completer):
    """Completes mentions behind `@` and commands behind `/`."""

    def __init__(self) -> None:
        self.candidates: Callable[[str], Sequence[str]] = lambda _fragment: ()
        """What a fragment of a mention may become."""
        self.commands: dict[str, str] = {}
        """Name to what it does."""

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterator[Completion]:
        before = document.text_before_cursor
        if before.startswith("/") and not any(map(str.isspace, before)):
            for name, help_text in self.commands.items():
                if name.startswith(before[1:].lower()):
                    yield Completion(f"/{name}", -len(before), display_meta=help_text)
            return
        fragment = typed(before)
        if fragment is not None:
            for text in self.candidates(fragment):
                yield Completion(text, start_position=-len(fragment))
