"""A hook as people write them for Claude Code, by a library that is made for that.

It checks what it is told as Claude Code tells it, and answers in each of its forms. Started with
the library's folder and a file to write to.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

told: Any = import_module("cchooks").create_context()
name = type(told).__name__.removesuffix("Context")
with Path(sys.argv[2]).open("a", encoding="utf-8") as seen:
    seen.write(f"{name}\n")
match name:
    case "SessionStart":
        told.output.add_context("it is spring")
    case "UserPromptSubmit":
        told.output.add_context("it is raining")
    case "PreToolUse" if told.tool_name == "Bash" and "rm" in told.tool_input["command"]:
        told.output.deny("no removing", system_message="a hook kept you from it")
    case "PreToolUse" if told.tool_name == "Write":
        told.output.allow("as you like")
    case "PostToolUse":
        told.output.add_context("well done")
    case "Stop" if not told.stop_hook_active:
        told.output.prevent("say more")
told.output.exit_success()
