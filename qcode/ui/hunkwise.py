"""An edit gone through change by change: each shown alone, each with a yes or a no of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from qcode.editing.effects import Piece

PICK = "[y]es / [n]o / [a]ll the rest / [d] none of the rest / [q]uit and change nothing yet: "


async def left_out(
    pieces: Sequence[Piece],
    show: Callable[[str, Piece], None],
    ask: Callable[[str], Awaitable[str]],
) -> frozenset[int] | None:
    """Return the numbers of what is not to be made; None: the person wants to decide otherwise.

    No answer stands for another one: what is not understood is asked again.
    """
    left: set[int] = set()
    for number, piece in enumerate(pieces):
        show(f"change {number + 1} of {len(pieces)}", piece)
        match await _answer(ask):
            case "n":
                left.add(number)
            case "a":
                break
            case "d":
                left.update(range(number, len(pieces)))
                break
            case "q":
                return None
    return frozenset(left)


async def _answer(ask: Callable[[str], Awaitable[str]]) -> str:
    words = {"yes": "y", "no": "n", "all": "a", "none": "d", "quit": "q"}
    while True:
        typed = (await ask(PICK)).strip().lower()
        answer = words.get(typed, typed)
        if answer in words.values():
            return answer
