"""Tools of one's own, and a function that decides what may be done.

    python docs/examples/own_tools.py "order what is running out"

`stock` only looks, so it is never asked about; `order` does something outside, so `decide` is
asked, as it is for every command and every edit.
"""

import asyncio
import sys
from dataclasses import dataclass
from typing import Annotated, Literal

from qcode import Agent, tool
from qcode.api import ApprovalRequest, Context, Effect, QcodeError, ToolError, TurnError

SHELF = {"apples": 3, "pears": 40, "plums": 0}


@tool(effect=Effect.READ)
def stock(fruit: Literal["apples", "pears", "plums"] | None = None) -> dict[str, int]:
    """Tell how much of a fruit there is.

    Args:
        fruit: Which one; all of them if it is left out.
    """
    return SHELF if fruit is None else {fruit: SHELF[fruit]}


@dataclass(frozen=True)
class Item:
    fruit: str
    crates: Annotated[int, "of twenty pieces each"] = 1


@tool(timeout_s=30)
async def order(items: list[Item], context: Context) -> str:
    """Order crates of fruit from the wholesaler."""
    for item in items:
        if item.fruit not in SHELF:
            # In words for the model, which can correct itself.
            raise ToolError(f"{item.fruit} are not sold here. There are: {', '.join(SHELF)}.")
        context.show(f"ordering {item.fruit}\n")  # for a person; the model does not see it
        SHELF[item.fruit] += 20 * item.crates
    return "ordered"


async def decide(request: ApprovalRequest) -> bool | str:
    """Allow small orders, and nothing else; words go to the model."""
    if request.call.name == "order" and '"crates": 1' in request.call.arguments:
        print(f"allowed: {request.call.name} {request.summary}")
        return True
    print(f"refused: {request.call.name} {request.summary}")
    return "Only single crates are ordered without the boss."


async def main(task: str) -> None:
    async with Agent(".", tools=[stock, order], approve=decide, max_steps=20) as agent:
        result = await agent.ask(task)
    print(result.text)
    print(f"on the shelf now: {SHELF}")


if __name__ == "__main__":
    try:
        asyncio.run(main(" ".join(sys.argv[1:]) or "order what is running out"))
    except TurnError as error:
        sys.exit(f"{error} (so far: {error.result.text})")
    except QcodeError as error:
        sys.exit(f"{error}")
