"""How runs ended, as records that reports are made from."""

from __future__ import annotations

from qcode.events import TurnEnd
from qcode.headless.ended import Answered, Ended, Violation
from qcode.messages import ToolCall, Usage
from qcode.receipt import Receipt
from qcode.verification.outcome import Case, Outcome

PASSED = Outcome("pytest -q", 0, "2 passed\n", 1.5, (Case("t.py::a", "passed", "t.py"),))
FAILED = Outcome(
    "pytest -q",
    1,
    "1 failed, 1 passed\n",
    1.25,
    (
        Case("t.py::a", "passed", "t.py", 3, "", 0.25),
        Case("t.py::b", "failed", "t.py", 9, "assert 1 == 2", 0.5),
    ),
    runs=2,
)

GOOD = Ended(
    session_id="20261127-1",
    model="scripted",
    task="fix it",
    end=TurnEnd.ANSWERED,
    exit_code=0,
    answer="It is fixed.",
    error="",
    steps=3,
    duration_s=12.5,
    usage=Usage(3000, 30, 1000, 0.125),
    files_changed=["a.py", "b.bin"],
    baseline=[FAILED],
    verification=[PASSED],
    receipt=Receipt().to_json(),
    asking_s=4.0,
    answered=[
        Answered("scripted", Usage(2000, 20, 1000, 0.0), 2),
        Answered("stronger", Usage(1000, 10, 0, 0.125), 1),
    ],
)

BAD = Ended(
    **{name: getattr(GOOD, name) for name in ("session_id", "model", "task", "end", "answer")},
    **{name: getattr(GOOD, name) for name in ("steps", "duration_s", "usage", "receipt")},
    exit_code=6,
    error="a protected file was changed: `t.py`; it is as it was",
    baseline=[FAILED],
    verification=[FAILED, Outcome("make", None, "stuck\n", 9.0)],
    violations=[Violation("t.py", "weakened", "an assertion is gone", 9, rolled_back=True)],
    denied=[ToolCall("1", "edit", '{"file_path": "t.py"}')],
)
