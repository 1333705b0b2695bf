"""A session to be killed: files to work on, what the model calls, what the person does.

The model's answers follow from the request alone (how many calls are in it), so
that a session which was killed goes on where it was when it is resumed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import scripted_server as scripted
from filetree import git

Json = dict[str, Any]

_APP = """\
\"\"\"The application.\"\"\"

import util


def main() -> int:
    total = util.add(1, 2)
    print(total)
    return 0
"""
_UTIL = """\
def add(a: int, b: int) -> int:
    return a + b


def sub(a: int, b: int) -> int:
    return a - b
"""
_GUIDE = "# Guide\n\nOne.\n\nTwo.\n\nThree.\n\nFour.\n\nFive.\n"

FILES: Mapping[str, tuple[int, str]] = {
    "README.md": (0o644, "# Sample\n\nA sample.\n"),
    "src/app.py": (0o644, _APP),
    "src/util.py": (0o644, _UTIL),
    "src/data.json": (0o644, '{"a": 1}\n'),
    "docs/guide.md": (0o644, _GUIDE),
    "docs/old.md": (0o644, "Old.\n"),
    "run.sh": (0o755, "#!/bin/sh\necho run\n"),
    "notes.txt": (0o600, "private\n"),
    "locked/fixed.txt": (0o444, "fixed\n"),
    "gone/only.txt": (0o644, "only\n"),
    ".gitignore": (0o644, "ignored/\n"),
    "ignored/kept.o": (0o644, "object\n"),
}


def make_workspace(root: Path, *, repository: bool) -> None:
    """Make the files; in a repository some are changed, staged, stashed and untracked."""
    root.mkdir(parents=True)
    for name, (mode, content) in FILES.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        path.chmod(mode)
    (root / "link").symlink_to("README.md")
    (root / "hollow").mkdir(mode=0o755)
    if repository:
        git(root, "init", "-q", "-b", "main")
        git(root, "add", "-A")
        git(root, "commit", "-qm", "Start")
        git(root, "branch", "other")
        (root / "docs/old.md").write_text("Stashed.\n")
        git(root, "stash")
        (root / "src/util.py").write_text(_UTIL + "\n\nSTAGED = 1\n")
        git(root, "add", "src/util.py")
        (root / "docs/guide.md").write_text(_GUIDE + "\nUnstaged.\n")
        (root / "scratch.txt").write_text("untracked\n")
    (root / "locked").chmod(0o555)


def _shell(*commands: str) -> Json:
    return {"command": "; ".join(commands)}


_PATCH = """\
*** Begin Patch
*** Add File: docs/added.md
+# Added
+
+By a patch.
*** Update File: src/util.py
@@
 def sub(a: int, b: int) -> int:
-    return a - b
+    return a - b - 0
*** Delete File: docs/old.md
*** Update File: src/data.json
*** Move to: data/moved.json
@@
-{"a": 1}
+{"a": 2}
*** End Patch
"""

Calls = Sequence[tuple[str, Json]]

FIRST: Sequence[Calls] = (
    [("read_file", {"file_path": "src/app.py"})],
    [("write_file", {"file_path": "lib/new/module.py", "content": "VALUE = 1\n" * 40})],
    [("edit", {"file_path": "src/app.py", "old_string": "total = util.add(1, 2)",
               "new_string": "total = util.add(2, 3)"})],
    [("multi_edit", {"edits": [
        {"file_path": "src/app.py", "old_string": "return 0", "new_string": "return total"},
        {"file_path": "src/util.py", "old_string": "return a + b",
         "new_string": "return int(a + b)"},
        {"file_path": "docs/guide.md", "old_string": "One.", "new_string": "First."},
        {"file_path": "docs/guide.md", "old_string": "Five.", "new_string": "Last."},
    ]})],
    [("edit", {"file_path": "src/app.py", "old_string": "nothing of the kind stands here",
               "new_string": "x"})],
    [("apply_patch", {"input": _PATCH})],
    [("run_shell_command", _shell(
        "mkdir -p build/deep build/hollow", "printf 'built\\n' > build/deep/out.txt",
        "rm notes.txt gone/only.txt", "rmdir gone hollow", "chmod 755 docs/guide.md",
        "ln -s src/app.py shortcut", "chmod 700 build/hollow"))],
    [("run_shell_command", _shell(
        "printf 'more\\n' >> README.md", "mv run.sh tool.sh", "ln -sfn src/util.py link",
        "rm docs/added.md", "mkdir docs/added.md", "printf inner > docs/added.md/inner",
        "chmod 755 locked", "rm locked/fixed.txt", "printf other > locked/other.txt",
        "chmod 555 locked"))],
    [("write_file", {"file_path": "lib/new/module.py", "content": "VALUE = 2\n"}),
     ("run_shell_command", _shell("chmod 600 src/util.py"))],
)  # fmt: skip
SECOND: Sequence[Calls] = (
    [("edit", {"file_path": "src/app.py", "old_string": "print(total)",
               "new_string": "print(total + 1)"})],
    [("run_shell_command", _shell("printf last > last.txt", "rm -r lib"))],
)  # fmt: skip

PROMPT = "begin"
NEXT = "go on"

COMMANDS: Sequence[Sequence[str]] = (
    ("run", "-y", PROMPT),
    ("undo", "-y"),
    ("redo", "-y"),
    ("undo", "3", "-y"),
    ("redo", "6", "-y"),
    ("redo", "8", "-y"),
    ("undo", "3", "--hunks", "1-2"),
    ("run", "-y", "--continue", NEXT),
)
"""The whole session as a person types it."""


def shell_paths() -> frozenset[str]:
    """Return the files that commands write, which no atomic replacement guards."""
    return frozenset(
        ("build/deep/out.txt", "README.md", "docs/added.md/inner", "locked/other.txt", "last.txt")
    )


def reply(seen: scripted.Seen) -> scripted.Reply:
    """Return the model's next answer."""
    messages = seen.json["messages"]
    begun = sum(1 for message in messages if message.get("tool_calls"))
    after_user = messages[-1]["role"] == "user"
    calls: Calls | None = None
    if begun < len(FIRST):
        calls = FIRST[begun]
    elif begun < len(FIRST) + len(SECOND) and (begun > len(FIRST) or after_user):
        calls = SECOND[begun - len(FIRST)]
    if calls is None:
        return scripted.text("All of it is done.", reasoning="It is.")
    items: list[scripted.Item] = [scripted.delta(role="assistant", content="Next: ")]
    for number, (name, arguments) in enumerate(calls):
        call_id = f"call_{begun}_{number}"
        items += scripted.call_items(name, json.dumps(arguments), index=number, call_id=call_id)
    return scripted.stream(*items, finish="tool_calls")


def environment(home: Path, base_url: str) -> dict[str, str]:
    """Return the environment of the session's process."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Test",
        "GIT_AUTHOR_EMAIL": "test@localhost",
        "GIT_COMMITTER_NAME": "Test",
        "GIT_COMMITTER_EMAIL": "test@localhost",
        "QCODE_BASE_URL": base_url,
        "QCODE_MODEL": "scripted",
        "QCODE_SURROUNDINGS": "0",  # it tells where a session is held, which differs
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "TZ": "UTC",
    }
