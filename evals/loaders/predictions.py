"""`predictions.jsonl` for SWE-bench's own harness, out of the folder of an evaluation.

Format: github.com/SWE-bench/SWE-bench, docs: one object a line with `instance_id`,
`model_name_or_path` and `model_patch`. A patch has the changes of sources alone: what an agent
did to tests, and what running things left behind, is taken out, and the rest applies as it did.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from qcode.errors import QcodeError, UsageError
from qcode.evals.loaders import source
from qcode.record import Record

NAMES = ("diff.patch", "patch.diff", "changes.patch", "changes.diff", "diff")
"""How the diff of a trial is called among its artefacts."""

CHECKED = "check.txt"
"""What the check printed: kept of each trial whose agent came to work, judged here or not."""

_SUITES = ("swebench", "swe-lite-offline")
_JUNK = ("*.pyc", "*__pycache__/*", ".pytest_cache/*", "*/.pytest_cache/*", "*.egg-info/*",
         ".qcode/*", "build/*", "dist/*", ".tox/*", ".venv/*", "venv/*", "*.orig", "*.rej",
         ".coverage", "*.log")  # fmt: skip
_TESTS = re.compile(r"test_.*\.py|.*_test\.py|tests\.py|conftest\.py")
_HEAD = re.compile(rb"^diff --git ", re.MULTILINE)
_PATHS = re.compile(r'diff --git ("?)a/(.*?)\1 ("?)b/(.*)\3\Z')
_OCTAL = re.compile(r"\\([0-7]{3}|[\"\\abtnvfr])")
_PLAIN = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}


class Part(Record):
    """What a patch does to one file."""

    old: str
    """Its path before; empty: it is new."""
    new: str
    """Its path after; empty: it is gone."""
    text: str
    is_binary: bool


def parts(patch: str) -> list[Part]:
    """Return a patch in its files; what stands before the first one is passed over."""
    data = patch.encode("utf-8", "surrogateescape")
    starts = [found.start() for found in _HEAD.finditer(data)]
    found = []
    for start, end in zip(starts, [*starts[1:], len(data)], strict=False):
        text = data[start:end].decode("utf-8", "surrogateescape")
        head, _, rest = text.partition("\n")
        named = _PATHS.match(head)
        if named is None:
            continue
        before = re.split(r"^@@ ", rest, maxsplit=1, flags=re.MULTILINE)[0]
        old, new = _unquoted(named[2], named[1]), _unquoted(named[4], named[3])
        found.append(
            Part(
                "" if re.search(r"^new file mode", before, re.MULTILINE) else old,
                "" if re.search(r"^deleted file mode", before, re.MULTILINE) else new,
                text if text.endswith("\n") else f"{text}\n",
                re.search(r"^(?:GIT binary patch|Binary files )", before, re.MULTILINE) is not None,
            )
        )
    return found


def of_sources(patch: str) -> str:
    """Return a patch without tests, without binary files and without what tools left behind.

    Tests are known by their own names or the top folder: `django/test/client.py` is a source.
    """
    kept = []
    for part in parts(patch):
        names = [name for name in (part.old, part.new) if name]
        junk = part.is_binary or any(fnmatch(name, form) for name in names for form in _JUNK)
        if not junk and not all(map(_is_test, names)):
            kept.append(part.text)
    return "".join(kept)


def _is_test(path: str) -> bool:
    first, _, rest = path.partition("/")
    name = path.rpartition("/")[2]
    return bool(rest and first in ("test", "tests", "testing")) or bool(_TESTS.fullmatch(name))


def applies(patch: str, folder: Path) -> bool:
    """Whether a patch applies to the files of a folder as they are."""
    data = patch.encode("utf-8", "surrogateescape")
    try:
        source.git("apply", "--check", "--whitespace=nowarn", "-", folder=folder, data=data)
    except QcodeError:
        return not patch
    return True


def predictions(results: Path, *, number: int = 0) -> Iterator[dict[str, str]]:
    """Yield one prediction a task and model of an evaluation; of several tries that of `number`.

    `results` is the folder of an evaluation, or its results file. There is none of a trial that
    the set-up or the endpoint failed: an empty patch would be held against the model.

    Raises:
        UsageError: there are no results.
    """
    for file in _files(results):
        for trial in _trials(file):
            if trial.get("suite") not in _SUITES or int(trial.get("number", 0)) != number:
                continue
            kept = file.parent / str(trial.get("artefacts") or "")
            if trial.get("reason") == "error" and not (kept / CHECKED).is_file():
                continue
            patch = of_sources(_patch(kept))
            instance = str(trial["task"]).removeprefix("swebench-").removeprefix("swe-")
            yield {
                "instance_id": instance,
                "model_name_or_path": f"{trial.get('agent', '')}+{trial.get('model', '')}",
                "model_patch": patch,
            }


def write(results: Path, out: Path, *, number: int = 0) -> int:
    """Write `predictions.jsonl`; return how many there are.

    Raises:
        UsageError: there is none, or two answer for one instance and model.
        QcodeError: the file cannot be written.
    """
    rows = list(predictions(results, number=number))
    if not rows:
        raise UsageError(f"{results} has no trials of SWE-bench, or none number {number}")
    seen = {(row["instance_id"], row["model_name_or_path"]) for row in rows}
    if len(seen) != len(rows):
        raise UsageError(
            f"{results} has several evaluations of the same instances", hint="name one of them"
        )
    # ASCII: a patch may hold bytes that are no UTF-8, and the file is to be JSON all the same.
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    try:
        out.write_text(lines, encoding="ascii")
    except OSError as error:
        raise QcodeError(f"{out} cannot be written: {error.strerror}") from error
    return len(rows)


def _files(results: Path) -> list[Path]:
    if results.is_file():
        return [results]
    if (results / "results.jsonl").is_file():
        return [results / "results.jsonl"]  # what agents left below it is none of ours
    found = sorted(results.rglob("results.jsonl")) or sorted(results.glob("*.jsonl"))
    if not found:
        raise UsageError(f"{results} has no results", hint="give the folder of an evaluation")
    return found


def _trials(file: Path) -> Iterator[Mapping[str, Any]]:
    for line in file.read_text(encoding="utf-8").split("\n"):
        try:
            value = json.loads(line)
        except ValueError:
            continue  # blank, or torn by a kill: that trial is run again
        if isinstance(value, dict) and "task" in value and "number" in value:
            yield value


def _patch(folder: Path) -> str:
    for name in NAMES:
        if (folder / name).is_file():
            # Byte for byte: reading text would make other line ends of a patch's.
            return (folder / name).read_bytes().decode("utf-8", "surrogateescape")
    return ""


def _unquoted(name: str, quote: str) -> str:
    """Return a path as git means it: bytes beyond ASCII are octal in quotes."""
    if not quote:
        return name

    def plain(found: re.Match[str]) -> str:
        sign = found[1]
        return chr(int(sign, 8)) if len(sign) == 3 else _PLAIN.get(sign, sign)

    return _OCTAL.sub(plain, name).encode("latin-1", "replace").decode("utf-8", "replace")
