"""Task files of our own: one JSON object a line, read strictly and written again the same.

A field nobody knows is an error rather than passed over: a check that is misspelt would
judge nothing, and everything would pass.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import json
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from qcode.errors import UsageError
from qcode.evals.harness.task import Check, Content, Task
from qcode.evals.loaders import bundles
from qcode.evals.loaders.base import Loading, read_lines

MOST_ID = 200
"""Bytes of a task's id: folders are called by it, and something comes behind it."""

_TEXT = ("id", "suite", "prompt", "category", "difficulty", "setup", "post_git", "retry_prompt",
         "source")  # fmt: skip
_MORE = ("base", "env", "instance_id", "repo", "problem_statement", "verified_with",
         "swebench_difficulty", "swebench_tests", "reference", "trap")  # fmt: skip
"""What only one kind of task has; they are `Task.more`."""
_FIELDS = (*_TEXT, *_MORE, "check", "files", "time_limit_s", "git", "protect", "only_change",
           "script", "license", "licence", "more")  # fmt: skip
_CHECK_MORE = ("patch", "fail_to_pass", "pass_to_pass", "parser")
_CHECK_FIELDS = ("cmd", "timeout_s", "overlay", "files", *_CHECK_MORE, "more")


def load(path: Path, loading: Loading | None = None) -> list[Task]:
    """Return the tasks of a file; what one has in a bundle is taken out of it at its setup.

    Raises:
        UsageError: a line is wrong; its number is told, and what is wrong.
    """
    del loading
    tasks: list[Task] = []
    lines: dict[str, int] = {}
    for number, value in read_lines(path):
        where = f"{path}:{number}"
        task = parse(value, where, folder=path.parent)
        if task.id in lines:
            raise UsageError(f"{where}: task {task.id} stands in line {lines[task.id]} already")
        lines[task.id] = number
        tasks.append(task)
    if not tasks:
        raise UsageError(f"{path} has no tasks")
    return tasks


def parse(value: Mapping[str, Any], where: str, *, folder: Path | None = None) -> Task:
    """Return a task from its object; `where` begins what is said of mistakes.

    Raises:
        UsageError: something in it is wrong.
    """
    see = _See(where)
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(f"{where}: it has half of a surrogate pair, which is no text") from error
    see.known(value, _FIELDS, "")
    texts = {name: see.text(value, name) for name in _TEXT if name in value}
    for name in ("id", "suite", "prompt"):
        if not texts.get(name):
            raise UsageError(f"{where}: a task needs `{name}`")
    if "check" not in value:
        raise UsageError(f"{where}: a task needs `check`", hint="without one, all would pass")
    more = {name: value[name] for name in _MORE if name in value} | see.mapping(value, "more")
    if folder is not None and (unpacks := _from_bundle(more, folder, where)):
        texts["setup"] = unpacks + texts.get("setup", "")
    see.mapping(more, "base")
    env = see.mapping(more, "env")
    see.mapping(env, "vars", "env.")
    for name in ("pip", "build"):
        see.texts(env, name, "env.")
    if len(value["id"].encode("utf-8")) > MOST_ID:
        raise UsageError(f"{where}: `id` is longer than {MOST_ID} bytes")
    only = value.get("only_change")
    return Task(
        **texts,
        check=_check(see, see.mapping(value, "check")),
        files=see.files(value, "files"),
        time_limit_s=see.seconds(value, "time_limit_s", 600.0),
        git=see.flag(value, "git", default=True),
        protect=see.globs(value, "protect"),
        only_change=None if only is None else see.globs(value, "only_change"),
        script=see.script(value),
        licence=see.text(value, "licence") or see.text(value, "license"),
        more=more,
    )


def line(task: Task) -> str:
    """Return a task as a line of a task file, without its line break."""
    out: dict[str, Any] = {"id": task.id, "suite": task.suite}
    for name in ("category", "difficulty", "prompt", "setup", "post_git", "retry_prompt"):
        value = getattr(task, name)
        if name == "setup":
            value = bundles.without(value)
        if value:
            out[name] = value
    if task.files:
        out["files"] = dict(task.files)
    if task.time_limit_s != 600.0:
        out["time_limit_s"] = task.time_limit_s
    if not task.git:
        out["git"] = False
    if task.protect:
        out["protect"] = list(task.protect)
    if task.only_change is not None:
        out["only_change"] = list(task.only_change)
    if task.script:
        out["script"] = [dict(turn) for turn in task.script]
    if task.source:
        out["source"] = task.source
    if task.licence:
        out["license"] = task.licence
    out |= _flat(task.more, _MORE)
    check = task.check
    judged: dict[str, Any] = {"cmd": check.cmd, "timeout_s": check.timeout_s}
    if check.overlay:
        judged["overlay"] = dict(check.overlay)
    if check.files:
        judged["files"] = dict(check.files)
    out["check"] = judged | _flat(check.more, _CHECK_MORE)
    return json.dumps(out, ensure_ascii=False)


def _flat(more: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    out = {name: more[name] for name in known if name in more}
    others = {name: value for name, value in more.items() if name not in known}
    return {**out, "more": others} if others else out


def _from_bundle(more: Mapping[str, Any], folder: Path, where: str) -> str:
    """Return the code that takes a task's files out of the bundle beside its task file."""
    bundle = more.get("bundle")
    if bundle is None:
        return ""
    if not isinstance(bundle, Mapping) or not all(
        isinstance(bundle.get(name), str) for name in ("file", "sha256", "commit")
    ):
        raise UsageError(f"{where}: `more.bundle` has `file`, `sha256` and `commit`")
    return bundles.setup(folder / bundle["file"], bundle["sha256"], bundle["commit"])


def _check(see: _See, value: Mapping[str, Any]) -> Check:
    see.known(value, _CHECK_FIELDS, "check.")
    more = {name: value[name] for name in _CHECK_MORE if name in value}
    if not see.text(value, "cmd", "check.").strip():
        raise UsageError(f"{see.where}: `check.cmd` is missing", hint="without it all would pass")
    return Check(
        value["cmd"],
        see.seconds(value, "timeout_s", 60.0, "check."),
        see.files(value, "overlay", "check."),
        see.files(value, "files", "check."),
        more | see.mapping(value, "more", "check."),
    )


class _See:
    """Looks at the values of one line; each method raises `UsageError` where one is wrong."""

    def __init__(self, where: str) -> None:
        self.where = where

    def known(self, value: Mapping[str, Any], names: tuple[str, ...], before: str) -> None:
        for name in value:
            if name not in names:
                near = difflib.get_close_matches(name, names, 1)
                raise UsageError(
                    f"{self.where}: there is no field `{before}{name}`",
                    hint=f"did you mean `{before}{near[0]}`?" if near else "",
                )

    def text(self, value: Mapping[str, Any], name: str, before: str = "") -> str:
        return str(self._is(value.get(name, ""), str, before + name, "text"))

    def flag(self, value: Mapping[str, Any], name: str, *, default: bool) -> bool:
        return bool(self._is(value.get(name, default), bool, name, "true or false"))

    def mapping(self, value: Mapping[str, Any], name: str, before: str = "") -> dict[str, Any]:
        return dict(self._is(value.get(name, {}), dict, before + name, "an object"))

    def seconds(
        self, value: Mapping[str, Any], name: str, default: float, before: str = ""
    ) -> float:
        number = value.get(name, default)
        is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
        if not is_number or not 0 < number < 1e6:
            raise UsageError(f"{self.where}: `{before}{name}` is to be seconds above 0")
        return float(number)

    def texts(self, value: Mapping[str, Any], name: str, before: str = "") -> None:
        items = self._is(value.get(name, []), list, before + name, "a list of texts")
        if not all(isinstance(item, str) and item for item in items):
            raise UsageError(f"{self.where}: `{before}{name}` is to be a list of texts")

    def globs(self, value: Mapping[str, Any], name: str) -> tuple[str, ...]:
        items = self._is(value.get(name, []), list, name, "a list of globs")
        if not all(isinstance(item, str) and item for item in items):
            raise UsageError(f"{self.where}: `{name}` is to be a list of globs")
        return tuple(items)

    def script(self, value: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        turns = self._is(value.get("script", []), list, "script", "a list of turns")
        for number, turn in enumerate(turns, 1):
            if not isinstance(turn, dict) or set(turn) - {"text", "calls", "wait_s"}:
                raise UsageError(
                    f"{self.where}: turn {number} of `script` has `text`, `calls` and `wait_s`"
                )
            if "wait_s" in turn:
                self.seconds(turn, "wait_s", 0.0, "script.")
            calls = turn.get("calls", [])
            if not isinstance(calls, list) or not isinstance(turn.get("text", ""), str):
                raise UsageError(
                    f"{self.where}: in turn {number} of `script`, `calls` is a list, `text` text"
                )
            for call in calls:
                if not isinstance(call, dict) or not isinstance(call.get("tool"), str):
                    raise UsageError(f"{self.where}: a call in turn {number} names no `tool`")
        return tuple(turns)

    def files(self, value: Mapping[str, Any], name: str, before: str = "") -> dict[str, Content]:
        files = self.mapping(value, name, before)
        for path, held in files.items():
            self._path(path, before + name)
            if not _is_content(held):
                raise UsageError(
                    f"{self.where}: {path} in `{before}{name}` is neither text nor an object",
                    hint='write "…", {"text": …, "exec": true}, {"b64": …} or null',
                )
        for path in files:
            for folder in PurePosixPath(path).parents:
                if files.get(str(folder)) is not None and files[path] is not None:
                    raise UsageError(
                        f"{self.where}: `{before}{name}` has {folder} as a file and as a folder"
                    )
        return files

    def _path(self, path: str, name: str) -> None:
        parts = PurePosixPath(path).parts
        inside = bool(parts) and not path.startswith("/") and ".." not in parts and "\0" not in path
        if not inside or parts[0] == ".git":
            raise UsageError(f"{self.where}: {path!r} in `{name}` is no path in the task's folder")

    def _is(self, value: Any, kind: type | Callable[..., Any], name: str, what: str) -> Any:
        if not isinstance(value, kind):  # type: ignore[arg-type]
            raise UsageError(f"{self.where}: `{name}` is to be {what}")
        return value


def _is_content(value: object) -> bool:
    if value is None or isinstance(value, str):
        return True
    if not isinstance(value, dict) or set(value) - {"text", "b64", "exec"}:
        return False
    if not isinstance(value.get("exec", False), bool) or ("text" in value) == ("b64" in value):
        return False
    try:
        base64.b64decode(value.get("b64", ""), validate=True)
    except (binascii.Error, ValueError, TypeError):
        return False
    return isinstance(value.get("text", ""), str)
