"""Review files side by side, each by an agent of its own, within one budget for all.

    python docs/examples/review.py src/*.py

Exits with 1 if a file has a finding. Agents that only read get in nobody's way.
"""

import asyncio
import sys
from pathlib import Path

from qcode import Agent
from qcode.api import Budget, QcodeError, TurnEnd

AT_ONCE = 4
QUESTION = """Review {file} for bugs. Read it, and what it uses if you must.
Answer with one line a finding, `line: what is wrong`, or with the word `fine`."""


async def review(file: str, budget: Budget, turn: asyncio.Semaphore) -> str:
    async with turn, Agent(".", mode="plan", max_steps=15, budget=budget) as agent:
        result = await agent.ask(QUESTION.format(file=file), check=False)
    if result.end is TurnEnd.BUDGET:
        return "not reviewed: the budget is used up"
    return result.text if result.is_answered else f"not reviewed: {result.error}"


async def main(files: list[str]) -> int:
    budget = Budget(max_tokens=500_000, max_time_s=900)  # of all of them together
    turn = asyncio.Semaphore(AT_ONCE)
    found = await asyncio.gather(*(review(file, budget, turn) for file in files))
    for file, said in zip(files, found, strict=True):
        print(f"## {file}\n{said}\n")
    print(f"{budget.tokens:,} tokens", file=sys.stderr)
    return int(any(said.strip().lower() != "fine" for said in found))


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(sys.argv[1:] or sorted(map(str, Path().glob("*.py"))))))
    except QcodeError as error:
        sys.exit(f"{error}")
