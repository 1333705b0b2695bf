"""What the line that is being typed may become: commands, their arguments, mentions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from qcode.mentions.complete import Candidate, typed
from qcode.ui.printable import printable

Arguments = Callable[[str, str], Iterable[tuple[str, str]]]
"""Command and what is typed of its argument to what that may become, each with a few words."""
_WIDTH = 60
"""Characters of the words beside a candidate."""
_COMMAND = re.compile(r"/([A-Za-z][\w:.-]*)?\Z")
_ARGUMENT = re.compile(r"/([A-Za-z][\w:.-]*)[ \t]+([^\n]*)\Z")


class Completing(Completer):
    """Completes a line; what may take a while is to run in a thread (`ThreadedCompleter`)."""

    def __init__(
        self,
        commands: Callable[[], Mapping[str, str]],
        arguments: Arguments,
        mentions: Callable[[str], Sequence[Candidate]],
    ) -> None:
        """`commands` returns each with its help; `mentions` gets what is typed behind an `@`."""
        self._commands = commands
        self._arguments = arguments
        self._mentions = mentions

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterator[Completion]:
        """Yield what may come instead of what is typed, the likeliest first."""
        before = document.text_before_cursor
        if (fragment := typed(before)) is not None:
            for one in self._mentions(fragment):
                about = one.about or ("" if one.kind == "file" else one.kind)
                yield _completion(one.text, fragment, about)
        elif command := _COMMAND.fullmatch(before):
            part = command[1] or ""
            commands = self._commands()
            for name in fitting(part, commands):
                yield _completion(name, part, commands[name], display=f"/{name}")
        elif call := _ARGUMENT.fullmatch(before):
            name, part = call[1].lower(), call[2]
            known = dict(self._arguments(name, part))
            for text in fitting(part, known):
                yield _completion(text, part, known[text])


def is_completable(before: str) -> bool:
    """Whether what stands before the cursor is of a kind that is completed while it is typed."""
    return typed(before) is not None or bool(
        before[:1] == "/" and (_COMMAND.fullmatch(before) or _ARGUMENT.fullmatch(before))
    )


def fitting(part: str, known: Iterable[str]) -> list[str]:
    """Return those that begin with a part, then those that have its letters in order."""
    low = part.lower()
    every = list(known)
    first = [text for text in every if text.lower().startswith(low)]
    scattered = re.compile(".*?".join(map(re.escape, low)), re.DOTALL)
    # What follows a blank is another word: there only a beginning is meant.
    rest = [text for text in every if text not in first and scattered.search(text.lower())]
    rest.sort(key=lambda text: (low not in text.lower(), len(text)))
    return first + rest


def _completion(text: str, part: str, about: str, *, display: str = "") -> Completion:
    about = printable(" ".join(about.split()))
    if len(about) > _WIDTH:
        about = f"{about[: _WIDTH - 1]}…"
    return Completion(
        text, start_position=-len(part), display=printable(display or text), display_meta=about
    )
