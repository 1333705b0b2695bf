"""`qcode-review`: a pre-commit hook; a model looks for serious faults in what is staged.

It only reads. Where no model answers, the commit goes on, unless QCODE_REVIEW_STRICT is `1`.
"""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from qcode.cli import fail, run_command
from qcode.git import ask
from qcode.prompts import load

MOST_CHARS = 60_000
"""Of a change, some 20,000 tokens; of a larger one its beginning is looked at."""

SCHEMA = {
    "type": "object",
    "required": ["faults"],
    "properties": {
        "faults": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["file", "line", "what"],
                "properties": {
                    "file": {"type": "string"},
                    "line": {"type": "integer"},
                    "what": {"type": "string"},
                },
            },
        }
    },
}
_NO_REVIEW = frozenset({2, 3, 4, 5})
"""Exit codes of a run that found nothing out: no model, no budget, no sandbox."""


def main() -> int:
    """Review what is staged; return 1 where something is wrong."""
    diff = ask(Path.cwd(), "diff", "--cached", "--no-color", "--no-ext-diff", "--no-textconv")
    if diff is None:
        fail("qcode-review works in a git repository")
        return 2
    if not diff.strip():
        return 0
    text = diff.decode("utf-8", "replace")
    prompt = load("review", diff=text[:MOST_CHARS])
    told = io.StringIO()
    given = ["--approval-mode", "plan", "-o", "json", "--quiet", "--max-steps", "12"]
    with redirect_stdout(told):
        code = run_command(
            ["run", *given, "--json-schema", json.dumps(SCHEMA), *sys.argv[1:], prompt]
        )
    if len(text) > MOST_CHARS:
        print(f"qcode-review: only the first {MOST_CHARS:,} characters of the change were reviewed")
    if code:
        strict = os.environ.get("QCODE_REVIEW_STRICT") == "1"
        print("qcode-review: not reviewed")
        return code if strict or code not in _NO_REVIEW | {1} else 0
    faults: list[dict[str, Any]] = json.loads(told.getvalue())["structured_output"]["faults"]
    for fault in faults:
        what = " ".join(str(fault["what"]).split())
        print(f"{fault['file']}:{fault['line']}: {what}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
