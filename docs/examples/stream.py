"""Say something to an agent, show what happens as it happens, and what came of it.

    python docs/examples/stream.py "which test fails, and why?"

The model is the one that `qcode` would take here: from your configuration, QCODE_MODEL and
QCODE_BASE_URL, or a server that runs on this machine. Nobody is asked, so that it only reads.
"""

import asyncio
import sys

from qcode import Agent
from qcode.api import ErrorRaised, QcodeError, TextDelta, ToolFinished, ToolStarted, TurnFinished


async def main(task: str) -> int:
    async with Agent(".", mode="plan", max_steps=20) as agent:
        async for event in agent.run(task):
            match event:
                case TextDelta(text):
                    print(text, end="", flush=True)
                case ToolStarted(call, summary):
                    print(f"\n[{call.name} {summary}]", file=sys.stderr)
                case ToolFinished(result) if result.is_error:
                    print(f"[it failed: {result.text.splitlines()[0]}]", file=sys.stderr)
                case ErrorRaised(message):
                    print(f"\n{message}", file=sys.stderr)
                case TurnFinished(end, steps, usage):
                    tokens = usage.input_tokens + usage.output_tokens
                    print()
                    print(f"[{end} after {steps} steps, {tokens:,} tokens]", file=sys.stderr)
        # The session goes on: what was said before is known.
        title = await agent.ask("Sum that up in five words.")
        print(f"# {title.text}")
        print(f"`qcode resume {agent.session_id}` goes on with it", file=sys.stderr)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(" ".join(sys.argv[1:]) or "what is this project about?")))
    except QcodeError as error:
        sys.exit(f"{error}")
