"""Comments the result on the pull request or issue, or opens a pull request for a branch.

An earlier comment of qcode's is written anew, so that there is one. Only stdlib: it runs outside
of qcode's own environment. All of a model's words go into the body as data.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

MARK = "<!-- qcode run -->"
LONGEST = 60_000
"""Characters of a body; GitHub takes 65,536."""


def main(report: str, branch: str = "") -> int:
    """Write to the repository that the environment names; return an exit code."""
    told = json.loads(Path(report).read_text(encoding="utf-8"))
    body = body_of(told)
    place = f"/repos/{os.environ['GITHUB_REPOSITORY']}"
    try:
        if branch:
            title = "qcode: " + " ".join(str(told["task"]).split())[:80]
            base = os.environ["BASE"]
            ask(
                "POST",
                f"{place}/pulls",
                {"title": title, "head": branch, "base": base, "body": body},
            )
            return 0
        number = os.environ.get("NUMBER", "")
        if not number.isdigit():
            print("qcode: no pull request and no issue to comment on", file=sys.stderr)
            return 0
        comments = ask("GET", f"{place}/issues/{number}/comments?per_page=100", None)
        ours = next((one for one in comments if MARK in str(one.get("body"))), None)
        if ours is not None:
            ask("PATCH", f"{place}/issues/comments/{int(ours['id'])}", {"body": body})
        else:
            ask("POST", f"{place}/issues/{number}/comments", {"body": body})
    except urllib.error.URLError as error:
        print(f"qcode: the comment could not be written: {error}", file=sys.stderr)
        return 1
    return 0


def body_of(report: dict[str, Any]) -> str:
    """Return the comment: the verdict, the answer as a quotation, the files."""
    answer = "\n".join(f"> {quiet(line)}" for line in str(report["answer"]).splitlines())
    files = ", ".join(f"`{quiet(str(one['path']))}`" for one in report["files_changed"][:30])
    parts = [MARK, f"**{quiet(str(report['meaning']))}**", answer[: LONGEST // 2]]
    if files:
        parts.append(f"Changed: {files}"[: LONGEST // 4])
    cost = report.get("total_cost_usd")
    parts.append(f"{report['steps']} steps" + (f", ${cost:.2f}" if cost is not None else ""))
    return "\n\n".join(part for part in parts if part)


def quiet(text: str) -> str:
    """Return text that calls nobody and closes no issue, and is no markup of a page."""
    for sign, other in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        ("@", "@\u200b"),
        ("#", "#\u200b"),
        ("`", "'"),
    ):
        text = text.replace(sign, other)
    return text


def ask(method: str, path: str, data: object) -> Any:
    """Ask GitHub's REST API."""
    origin = os.environ.get("GITHUB_API_URL", "https://api.github.com")
    request = urllib.request.Request(
        origin + path,
        data=None if data is None else json.dumps(data).encode(),
        method=method,
        headers={
            "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
