"""A weak model with a stronger one for single steps, against the strong one alone.

Both models are played: each does what such models do, by what it is sent. What they are charged
for is what was really sent to them: four characters are a token, and what begins like their last
request is cached. So the ratio is that of the requests that qcode makes.
"""

from __future__ import annotations

import asyncio
import json
import re
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from held import held
from scripted_server import Json, Reply, ScriptedServer, Seen, calls, text

from qcode.headless.order import Order
from qcode.headless.work import Work
from qcode.messages import Usage
from qcode.models import find
from qcode.models.pricing import cost

STRONG = "claude-opus-4.6"
CHECK = "python3 check.py"
TASKS = 10
HARD = {2: "edits", 5: "circle", 8: "checks"}
"""Those that the weak model cannot do, and how it fails; the others it can."""


def bug(number: int) -> dict[str, str]:
    """Return a small repository whose check fails."""
    filler = "\n".join(f"# line {n} of what else stands here" for n in range(60))
    return {
        "calc.py": f"{filler}\n\ndef total(a, b):\n    return a - b + {number}\n",
        "check.py": "from calc import total\n"
        f"assert total(2, 3) == {5 + number}, f'total(2, 3) is {{total(2, 3)}}'\n",
    }


def old(number: int) -> str:
    return f"return a - b + {number}"


def right(number: int) -> str:
    return f"return a + b + {number}"


def edit(number: int, *, find: str | None = None, become: str | None = None) -> tuple[str, Json]:
    return "edit", {
        "file_path": "calc.py",
        "old_string": find or old(number),
        "new_string": become or right(number),
    }


Wanted: TypeAlias = tuple[str, Json] | str
"""A call, or words."""


class Played:
    """Both models behind one server, for one task."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.usage = {"weak": Usage(), STRONG: Usage()}
        self.requests = {"weak": 0, STRONG: 0}
        self._last: dict[str, str] = {}
        self._numbers = count(1)

    def answer(self, seen: Seen) -> Reply:
        model = seen.json["model"]
        step = self._strong if model == STRONG else self._weak
        wanted = step(seen.json["messages"])
        usage = self._counted(model, seen.raw.decode(), wanted)
        if isinstance(wanted, str):
            return text(wanted, usage=usage)
        return calls(wanted, usage=usage)

    def _counted(self, model: str, body: str, wanted: object) -> Json:
        before = self._last.get(model, "")
        same = next((i for i, (a, b) in enumerate(zip(before, body, strict=False)) if a != b),
                    min(len(before), len(body)))  # fmt: skip
        self._last[model] = body
        cached = same // 4 if same // 4 >= 1024 else 0
        out = len(json.dumps(wanted)) // 4
        self.usage[model] += Usage(len(body) // 4, out, cached)
        self.requests[model] += 1
        return {
            "prompt_tokens": len(body) // 4,
            "completion_tokens": out,
            "prompt_tokens_details": {"cached_tokens": cached},
        }

    def _strong(self, messages: list[Json]) -> Wanted:
        first = str(messages[-1]["content"])
        if "# Files as they are now" in first:
            # The brief has to show the file as it is by now, and that it does.
            files = first.partition("# Files as they are now")[2]
            [here] = re.findall(r"return .*", files)
            return edit(self.number, find=str(here))
        done = sum(message["role"] == "assistant" for message in messages)
        script: list[Wanted] = [
            ("read_file", {"file_path": "calc.py"}),
            edit(self.number),
            ("run_shell_command", {"command": CHECK}),
            "total added wrongly; it adds now.",
        ]
        wanted: Wanted = script[min(done, 3)]
        return wanted

    def _weak(self, messages: list[Json]) -> Wanted:
        is_done = any(
            right(self.number) in json.dumps(m) and "minus" not in json.dumps(m)
            for m in messages
            if m["role"] == "assistant"
        )
        if is_done:
            return "It is done."
        how, turn = HARD.get(self.number), next(self._numbers)
        if turn == 1:
            return "read_file", {"file_path": "calc.py"}
        match how:
            case None:
                return edit(self.number)
            case "edits":
                return edit(self.number, find=f"return a minus b, the {turn}. time")
            case "circle":
                return "read_file", {"file_path": "calc.py", "offset": 1, "limit": 5}
            case _:
                wrong = [old(self.number), "return a", "return b", "return a + b * 0"]
                at = min(turn - 2, 2)
                return edit(self.number, find=wrong[at], become=wrong[at + 1])


def run(folder: Path, number: int, **settings: Any) -> tuple[bool, Played]:
    folder.mkdir()
    for name, content in bug(number).items():
        (folder / name).write_text(content)
    played = Played(number)
    with (
        ScriptedServer(played.answer, models=("weak", STRONG)) as server,
        asyncio.Runner() as runner,
        held(folder, base_url=server.base_url, runner=runner, max_steps=25, **settings) as session,
    ):
        work = Work(session, Silent())
        code = runner.run(work.run(Order("Mend calc.py so that check.py passes.", verify=(CHECK,))))
    return code == 0, played


class Silent:
    def handle(self, event: object) -> None:
        pass

    def verifying(self, commands: object) -> None:
        pass

    def verified(self, outcomes: object) -> None:
        pass

    def violated(self, violations: object) -> None:
        pass


def spent(played: Played) -> float:
    known = find(STRONG)
    assert known is not None
    assert known.prices is not None
    return cost(played.usage[STRONG], known.prices)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_succeeds_like_the_strong_one_at_a_third_of_its_cost(tmp_path: Path) -> None:
    alone = [run(tmp_path / f"weak{n}", n, model="weak") for n in (0, *HARD)]
    always = [run(tmp_path / f"strong{n}", n, model=STRONG) for n in range(TASKS)]
    ladder = [
        run(tmp_path / f"ladder{n}", n, model="weak", stronger_model=STRONG) for n in range(TASKS)
    ]

    assert [ok for ok, _ in alone] == [True, False, False, False]
    assert [ok for ok, _ in always] == [True] * TASKS
    assert [ok for ok, _ in ladder] == [True] * TASKS
    assert [p.requests[STRONG] for _, p in ladder] == [int(n in HARD) for n in range(TASKS)]
    whole, part = sum(spent(p) for _, p in always), sum(spent(p) for _, p in ladder)
    assert 0 < part <= 0.35 * whole, f"${part:.4f} of ${whole:.4f}: {part / whole:.0%}"
