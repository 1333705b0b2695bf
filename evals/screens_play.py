"""What the model says and does in the pictures, and the project that it works on."""

from __future__ import annotations

from collections.abc import Sequence

from scripted_server import USAGE, Pause, Stall, Stream, call, calls, delta, stream, text

FILES = {
    "shop/basket.py": '''\
"""A basket of articles."""

from dataclasses import dataclass, field


@dataclass
class Basket:
    """Articles and how many of each."""

    prices: dict[str, int]
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, article: str, count: int = 1) -> None:
        self.counts[article] = count

    def total(self) -> int:
        """Return the sum in cents."""
        return sum(self.prices[article] for article in self.counts)
''',
    "tests/test_basket.py": """\
import unittest

from shop.basket import Basket


class Tests(unittest.TestCase):
    def test_empty(self):
        self.assertEqual(Basket({}).total(), 0)

    def test_one(self):
        basket = Basket({"tea": 450})
        basket.add("tea")
        self.assertEqual(basket.total(), 450)

    def test_several(self):
        basket = Basket({"tea": 450})
        basket.add("tea", 2)
        basket.add("tea")
        self.assertEqual(basket.total(), 1350)
""",
    "tests/__init__.py": "",
    "README.md": "# Shop\n",
}

CONFIG = "context_window = 65536\nwarm_up = false\n"
"""Settings of the person's."""

_ANSWER = """\
## Two mistakes in `shop/basket.py`

The total counts **each article once**, however many there are of it, and `add` forgets
what was there before:

1. `add()` *sets* the count instead of raising it.
2. `total()` leaves the count out of the sum.

| call | expected | returned |
|---|--:|--:|
| `add("tea", 2)` | 900 | 450 |
| `add("tea", 2)`, `add("tea")` | 1350 | 450 |

This is what it should be:

```python
def total(self) -> int:
    \"\"\"Return the sum in cents.\"\"\"
    total = 0
    for article, count in self.counts.items():
        total += self.prices"""

_THOUGHT = "The test with several articles fails. I read the module first.\n"
_USAGE = {**USAGE, "prompt_tokens": 2314, "completion_tokens": 187, "total_tokens": 2501}


def answer() -> Stream:
    """Return an answer that stops in the midst of its code."""
    pieces = [_ANSWER[at : at + 40] for at in range(0, len(_ANSWER), 40)]
    return stream(*(delta(content=piece) for piece in pieces), Pause(0), Stall())


_OLD_ADD = "        self.counts[article] = count\n"
_NEW_ADD = "        self.counts[article] = self.counts.get(article, 0) + count\n"
_OLD_SUM = "        return sum(self.prices[article] for article in self.counts)\n"
_NEW_SUM = "        return sum(self.prices[a] * n for a, n in self.counts.items())\n"


def _edit(old: str, new: str) -> tuple[str, dict[str, str]]:
    return "edit", {"file_path": "shop/basket.py", "old_string": old, "new_string": new}


def repair() -> Sequence[Stream]:
    """Return a turn that asks for an edit."""
    return (
        call("read_file", file_path="shop/basket.py"),
        calls(
            _edit(_OLD_ADD, _NEW_ADD),
            content="`add` sets the count; it has to raise it.\n",
            usage=_USAGE,
        ),
        text("Done."),
    )


def _todos(*done: str) -> tuple[str, dict[str, object]]:
    words = ("Read the module", "Mend `add` and `total`", "Run the tests")
    listed = [{"content": word, "status": status} for word, status in zip(words, done, strict=True)]
    return "todo_write", {"todos": listed}


def finished() -> Sequence[Stream]:
    """Return a turn with all of it: a plan, edits, a command and an answer."""
    return (
        calls(
            ("read_file", {"file_path": "shop/basket.py"}),
            _todos("completed", "in_progress", "pending"),
            reasoning=_THOUGHT,
        ),
        calls(_edit(_OLD_ADD, _NEW_ADD), _edit(_OLD_SUM, _NEW_SUM)),
        calls(
            ("run_shell_command", {"command": "python3 -m unittest 2>&1 | tail -n 4"}),
            _todos("completed", "completed", "completed"),
        ),
        text(
            "`add` raises the count now, and `total` multiplies by it. All three tests pass.\n",
            usage=_USAGE,
        ),
    )


BEFORE: Sequence[tuple[str, Sequence[Stream]]] = (
    ("what does this project do?", (text("It adds up the prices of a basket."),)),
    ("add a discount for ten of a kind", (text("Where should the rate be kept?"),)),
    ("why is the total wrong?", (text("`total` counts each article once."),)),
)
"""What was said in earlier sessions."""
