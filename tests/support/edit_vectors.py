"""Vectors of the edit engine: what the engine makes of one, and whether that is right.

The format stands in the reference material, edits/README.md, section 14.
"""

from __future__ import annotations

from typing import Any

from qcode.editing import patch
from qcode.editing.outcome import Refused
from qcode.editing.pathname import Refusal, normal
from qcode.editing.replace import Replacement, replace

Json = dict[str, Any]
PATH = "file.txt"


class Given:
    """The files of a vector, as the engine's source."""

    def __init__(self, files: dict[str, str], snapshot: str | dict[str, str] | None) -> None:
        self.files = files
        if isinstance(snapshot, str):
            self.seen = dict.fromkeys(files, snapshot)
        else:
            self.seen = {**files, **(snapshot or {})}

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def similar(self, path: str) -> list[str]:
        name = path.rsplit("/", 1)[-1]
        return [each for each in self.files if each.rsplit("/", 1)[-1] == name]

    def changed_since_seen(self, path: str) -> bool:
        return self.seen.get(path) != self.files.get(path)


def files_of(vector: Json) -> dict[str, str]:
    """Return the files before the edit."""
    if "files" in vector:
        return dict(vector["files"])
    if vector.get("file_before") is None:
        return {}
    return {vector.get("path") or PATH: vector["file_before"]}


def outcome(vector: Json) -> Json:
    """Return what the engine makes of a vector, in the form of `expected`."""
    files = files_of(vector)
    given = Given(files, vector.get("snapshot"))
    edit = vector["edit"]
    if isinstance(edit, str):
        made = patch.apply(edit, given)
        if isinstance(made, Refused):
            return {"error": str(made.reason), "text": made.text}
        after = dict(files)
        for change in made:
            if change.moved_from:
                after.pop(change.moved_from, None)
            if change.after is None:
                after.pop(change.path, None)
            else:
                after[change.path] = change.after
        return {"files_after": after}
    edits = edit if isinstance(edit, list) else [edit]
    named = [each["path"] for each in edits if each.get("path")]
    try:
        path = normal(named[0]) if named else next(iter(files), vector.get("path") or PATH)
    except Refusal as refusal:
        return {"error": str(refusal.refused.reason), "text": refusal.refused.text}
    text = given.read(path)
    replacements = [
        Replacement(
            each.get("old_string", ""), each.get("new_string", ""), bool(each.get("replace_all"))
        )
        for each in edits
    ]
    if text is None and (not replacements or replacements[0].old.strip()):
        return {"error": "missing_file", "text": f"{path} does not exist."}
    is_stale = text is not None and given.changed_since_seen(path)
    edited = replace(text or "", replacements, changed_since_seen=is_stale)
    if isinstance(edited, Refused):
        return {"error": str(edited.reason), "text": edited.text}
    return {"files_after": {**files, path: edited.text}}


def fault(vector: Json, got: Json) -> str:
    """Return what is wrong with an outcome; empty if it is as good as the expected one."""
    expected = vector["expected"]
    if "error" in expected:
        if "error" not in got:
            return "WRONG EDIT"
        return (
            "" if got["error"] in (expected["error"], *expected.get("accept", ())) else "WRONG CODE"
        )
    if "error" in got:
        return "MISSED"
    wanted = expected.get("files_after")
    if wanted is None:
        files = files_of(vector)
        path = vector.get("path") or next(iter(files), PATH)
        if isinstance(vector["edit"], str) and path not in got["files_after"]:
            path = next(iter(got["files_after"]), path)
        wanted = {**files, path: expected["file_after"]}
    return "" if got["files_after"] == wanted else "WRONG EDIT"
