"""Files and commands that stand in an answer itself, for models that write no calls well.

````
src/app.py
```python
all of the file
```
````

A fence under a path is a file, whole; one with SEARCH/REPLACE blocks in it changes a part of
one; a fence of `sh` is a command. All other fences are text. Pure.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from qcode.calls.disclaims import disclaims
from qcode.calls.found import Fault, Found
from qcode.messages import ToolCall

EXAMPLE = "all of the file"
"""What stands for a file's content in the form that it is shown (`prompts/shown/file.md`)."""

FORMAT = "written"
"""The name of the form, as decoded calls tell it."""

_FENCE = re.compile(r"(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)$")
_SHELLS = frozenset({"sh", "bash", "shell", "zsh", "console", "shell-session", "terminal"})
_OUTPUTS = frozenset({"text", "output", "plaintext", "txt", "diff", "log", "pycon"})
"""What a model calls fences that show something."""
_ENDINGS = {
    "python": (".py", ".pyi"),
    "py": (".py", ".pyi"),
    "json": (".json", ".jsonc", ".json5", ".ipynb"),
    "yaml": (".yaml", ".yml"),
    "yml": (".yaml", ".yml"),
    "toml": (".toml", ".lock"),
    "ini": (".ini", ".cfg", ".conf"),
    "javascript": (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".vue"),
    "js": (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".vue"),
    "typescript": (".ts", ".tsx", ".mts", ".cts", ".vue"),
    "ts": (".ts", ".tsx", ".mts", ".cts", ".vue"),
    "html": (".html", ".htm", ".vue"),
    "css": (".css", ".scss", ".less"),
    "sql": (".sql",),
    "markdown": (".md", ".mdx", ".markdown"),
    "md": (".md", ".mdx", ".markdown"),
}
"""What files end in whose text models call so; a fence without a path is of no others."""
_DECORATION = re.compile(r"^(?:[#>*\-+\s]|\d+[.)]\s)*")
_LABEL = re.compile(
    r"(?i)^(?:(?:new|updated?|changed|modified|corrected|complete)\s+)?"
    r"(?:file ?name|file ?path|file|path|in|update|create|edit)\b\s*:?\s+(?=\S)"
)
_QUOTES = "`\"'*_"
_NAME = re.compile(
    r"(?:\.{0,2}/)?(?:[\w@.+-]+/)*(?:[\w@+-][\w@.+-]*\.[A-Za-z]\w{0,9}"
    r"|\.[a-z]\w+|Makefile|Dockerfile|LICENSE|README|Gemfile|Procfile|Justfile)"
)
_QUOTED = re.compile(r"[`\"*]+([^`\"*\n]*[^`\"*\s\n])[`\"*]+")
_COMMENT = re.compile(r"^\s*(?:#|//|--|;|/\*|<!--)\s*(.+?)\s*(?:\*/|-->)?\s*$")
_PLACEHOLDER = re.compile(
    r"(?:^|/)path/to/|^(?:path|file|filename|your_file|example)\.ext$|^(?:filename|your_file)\.py$"
)
_PROMPTED = re.compile(r"^[ \t]*\$ ((?:.*\\\r?\n)*.*)", re.MULTILINE)
"""A command behind a prompt, with the lines that go on with it; other lines are its output."""
_BLOCK = re.compile(r"^(?:<{5,9}|-{5,9}) SEARCH>?\s*$", re.MULTILINE)
_NESTING = (".md", ".markdown", ".rst", ".mdx", ".txt")
"""Files that have fences of their own."""
_MOST_ENDS = 8
"""Fences that are tried as the end of a file, by whether it is Python then."""


_COMMAND = re.compile(r"[\w./~$(\[{!-][^\s=]*(?:=\S*)?(?:\s|$)")
"""A command begins like this; what it will print, between rules of `=` or `-`, does not."""
_MOVES = re.compile(r"(?:git\s+(?:rm|mv)|rm|mv|mkdir|cp|touch|chmod|ln)\s")

Owner: TypeAlias = Callable[[str], str]
"""Returns the path of the file that code without a path is of; empty: unclear."""


def no_owner(_code: str) -> str:
    """Return that it is unclear."""
    return ""


class Region(NamedTuple):
    """A fence that is a file or a command, and the line above that names it."""

    start: int
    end: int
    """Offsets in the answer."""
    call: Found


def written(text: str, owner: Owner = no_owner, *, cut: bool = False) -> list[Found]:
    """Return the files and commands of an answer, in order; of a file written twice the last.

    Beside files, commands count only if they move, remove or make files: small models add how a
    program is started and what it will print. `cut`: the answer ends where the model was
    stopped, so a fence without an end is no file.
    """
    found = [region.call for region in regions(text, owner, cut=cut)]
    if any(call.name != "run_shell_command" for call in found):
        found = [call for call in found if call.name != "run_shell_command" or _moves(call)]
    last = {_target(call): at for at, call in enumerate(found)}
    return [call for at, call in enumerate(found) if last[_target(call)] == at]


def prose(text: str, owner: Owner = no_owner) -> str:
    """Return an answer without its files and commands."""
    pieces, at = [], 0
    for region in regions(text, owner):
        pieces.append(text[at : region.start].strip())
        at = region.end
    pieces.append(text[at:].strip())
    return "\n\n".join(filter(None, pieces))


def stands_in(call: ToolCall, text: str) -> bool:
    """Whether what a call writes or runs stands in the text of its answer."""
    try:
        given = json.loads(call.arguments)
    except ValueError:
        return False
    if not isinstance(given, dict):
        return False
    if call.name == "apply_patch":
        body = str(given.get("input", "")).partition("\n")[2]
    else:
        body = str(given.get("content", given.get("command", "")))
    return bool(body.strip()) and "```" in text and body.strip() in text


def regions(text: str, owner: Owner = no_owner, *, cut: bool = False) -> list[Region]:
    """Return what of an answer is files and commands."""
    return list(_regions(text, owner, cut))


def _moves(call: Found) -> bool:
    """Whether a command does to files what writing cannot."""
    return call.fault is Fault.NONE and bool(_MOVES.match(call.arguments["command"]))


def _target(call: Found) -> object:
    """Return what a call writes: two of the same target are one."""
    if call.name != "write_file" or call.fault is not Fault.NONE:
        return id(call)
    return call.arguments["file_path"]


def _regions(text: str, owner: Owner, cut: bool) -> Iterator[Region]:
    lines = text.splitlines(keepends=True)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    at = above = 0
    while at < len(lines):
        opening = _FENCE.match(lines[at].rstrip("\r\n"))
        if opening is None:
            at += 1
            continue
        named, first = _named(lines, above, at, opening["info"].strip())
        end = _closing(lines, at, opening, named)
        if named.endswith(".py"):
            end = _closing_python(lines, at, opening, end)
        is_closed = end < len(lines)
        body = _dedented(lines[at + 1 : end], opening["indent"])
        call = _call(named, opening["info"].strip(), body, owner, is_cut=cut and not is_closed)
        if call and call.name == "run_shell_command" and disclaims("".join(lines[above:at])):
            call = None
        at = above = min(end + 1, len(lines))
        if call is not None:
            yield Region(offsets[first], offsets[at], call)


def _named(lines: Sequence[str], above: int, fence: int, info: str) -> tuple[str, int]:
    """Return the path that a fence is named by, and the first line that belongs to it."""
    for word in re.split(r"[\s:=\"'{}]+", info):
        if "." in word.strip(".") and _NAME.fullmatch(word):
            return word, fence
    at = fence - 1
    while at >= above and fence - at <= 2:
        if lines[at].strip():
            path = _path_of(lines[at])
            return (path, at) if path else ("", fence)
        at -= 1
    return "", fence


def _path_of(line: str) -> str:
    """Return the path that a line is, whatever decorates it; nothing if it says more."""
    bare = _DECORATION.sub("", line.strip()) if not line.strip().startswith("**") else line.strip()
    quoted = _QUOTED.fullmatch(bare.rstrip(":").strip())
    if quoted and (_NAME.fullmatch(quoted[1].rstrip(":")) or _is_long_name(quoted[1])):
        return quoted[1].rstrip(":")
    bare = _LABEL.sub("", bare.strip(_QUOTES)).strip()
    bare = bare.rstrip(":").strip().strip(_QUOTES).rstrip(":").strip()
    if _NAME.fullmatch(bare) or _is_long_name(bare):
        return bare
    # "In `text.py`:", "Here is the updated `text.py`:": one name in quotes, and a colon.
    names = [name for name in re.findall(r"`([^`\n]+)`", line) if _NAME.fullmatch(name)]
    return names[0] if len(set(names)) == 1 and line.rstrip().endswith(":") else ""


def _is_long_name(text: str) -> bool:
    """Whether a line may be a name with blanks in it: a folder, or no sentence before its end."""
    head, dot, extension = text.rpartition(".")
    folder = "/" in head and "`" not in text and not head.startswith(("http:", "https:"))
    return bool(dot) and folder and re.fullmatch(r"[A-Za-z]\w{0,5}", extension) is not None


def _closing(lines: Sequence[str], at: int, opening: re.Match[str], named: str) -> int:
    """Return the line that closes a fence; the number of lines if none does."""
    mark = opening["mark"]
    depth, end = 1, at + 1
    nests = named.lower().endswith(_NESTING) or opening["info"].strip() in ("markdown", "md")
    while end < len(lines):
        fence = _FENCE.match(lines[end].rstrip("\r\n"))
        if fence is not None and fence["mark"][0] == mark[0] and len(fence["mark"]) >= len(mark):
            if not fence["info"].strip():
                depth -= 1
            elif nests:
                depth += 1
            if depth == 0:
                return end
        end += 1
    return end


def _closing_python(lines: Sequence[str], at: int, opening: re.Match[str], end: int) -> int:
    """Return the line that closes a fence with Python, whose texts may have fences in them."""
    mark = opening["mark"]
    ends = [end]
    for later in range(end + 1, len(lines)):
        if len(ends) == _MOST_ENDS:
            break
        if lines[later].strip().startswith(mark) and not lines[later].strip().strip(mark[0]):
            ends.append(later)
    for each in ends:
        try:
            ast.parse(_dedented(lines[at + 1 : each], opening["indent"]))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        return each
    return end


def _dedented(lines: Sequence[str], indent: str) -> str:
    return "".join(line.removeprefix(indent) for line in lines)


def _call(named: str, info: str, body: str, owner: Owner, *, is_cut: bool) -> Found | None:
    language = re.split(r"[\s:{]", info, maxsplit=1)[0].lower()
    if language in _SHELLS and not named.endswith((".sh", ".bash", ".zsh")):
        command = ("\n".join(_PROMPTED.findall(body)) or body).strip()
        if not command or not _COMMAND.match(command):
            return None
        return _found("run_shell_command", {"command": command}, is_cut=is_cut)
    if language in _OUTPUTS and not named.endswith((".txt", ".log", ".diff", ".patch")):
        return None
    path = named
    if not path:
        head, _, rest = body.partition("\n")
        comment = _COMMENT.match(head)
        name = comment[1].strip(_QUOTES) if comment else ""
        if _NAME.fullmatch(name) and "." in name:
            path, body = name, rest
        else:
            path = owner(body)
            if not path.endswith(_ENDINGS.get(language, "")):
                return None
    if not path or body.strip() == EXAMPLE:
        return None
    path = path.removeprefix("./")
    if _PLACEHOLDER.search(path):
        why = f"`{path}` stands for a path; write the file's own."
        return Found("write_file", {}, fault=Fault.INVALID, detail=why)
    if _BLOCK.search(body):
        return _found("apply_patch", {"input": f"{path}\n{body}"}, is_cut=is_cut)
    if body and not body.endswith("\n"):
        body += "\n"
    return _found("write_file", {"file_path": path, "content": body}, is_cut=is_cut)


def _found(name: str, arguments: dict[str, str], *, is_cut: bool) -> Found:
    if is_cut:
        return Found(name, {}, fault=Fault.TRUNCATED, detail="Its fence has no end.")
    return Found(name, arguments)
