"""Exercism's exercises: stub and instructions for the agent, the tests hidden, no example.

Format: exercism.org/docs/building/tracks/practice-exercises. Each has `.meta/config.json`, which
names the files to solve it in, the tests and the example; `.docs/` has the words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from qcode.errors import UsageError
from qcode.evals.harness.task import Check, Content, Task
from qcode.evals.loaders.base import Loading, content, read_json, tree
from qcode.evals.loaders.languages import (
    LANGUAGES,
    TIMEOUT_S,
    command,
    language_of,
    missing,
    modules,
    with_all_tests,
)
from qcode.record import Record

RETRY = (
    "{output}\n\n"
    "Above is what the tests say. They are right, so leave them as they are: change what is wrong "
    "in FILES."
)
"""Said at the second try, as in aider's benchmark, whose meaning it keeps."""

RETRY_LINES = 50
"""So many lines of the output aider's benchmark shows; `Check.more["retry_lines"]`."""

_WORDS = ("introduction.md", "introduction.append.md", "instructions.md", "instructions.append.md")
_HIDDEN = (".meta/*", ".docs/*", ".approaches/*", ".articles/*", "build/*", "target/*", "bin/*")


class Exercise(Record):
    """Where one exercise lies."""

    folder: Path
    track: Path
    language: str
    """By the track; nothing where that is to be told by the files."""
    licence: str = "MIT (Exercism)"


def load(path: Path, loading: Loading, *, suite: str = "exercism") -> list[Task]:
    """Return the exercises of a track, of several tracks, or the one that the folder is.

    Raises:
        UsageError: there are no exercises, or one is not as it should be.
    """
    tasks: list[Task] = []
    lacking: dict[tuple[str, Path], str] = {}
    for exercise in find(path, loading, suite):
        config = read_json(exercise.folder / ".meta/config.json")
        files = config.get("files") if isinstance(config, dict) else None
        if not isinstance(files, dict):
            raise UsageError(f"{exercise.folder}/.meta/config.json names no `files`")
        solutions = _names(files, "solution")
        language = exercise.language or language_of(solutions)
        name = f"{suite}-{language or 'other'}-{exercise.folder.name}"
        if language not in LANGUAGES:
            loading.leave_out(name, f"no test command is known for {language or 'its language'}")
            continue
        key = (language, exercise.track)
        if key not in lacking:
            reason = missing(LANGUAGES[language], exercise.track, loading.environ)
            lacking[key] = reason
        if lacking[key]:
            loading.leave_out(name, lacking[key])
            continue
        task = _task(exercise, files, language, name, suite, loading.environ)
        if task is None:
            loading.leave_out(name, "it names no file to solve it in, or no test")
        else:
            tasks.append(task)
    if not tasks and not loading.left_out:
        raise UsageError(
            f"{path} has no exercises",
            hint="give a track's checkout, with exercises/practice in it",
        )
    return tasks


def find(path: Path, loading: Loading, suite: str) -> Iterator[Exercise]:
    """Yield the exercises below a folder, by name; those that a track has retired are left out."""
    if (path / ".meta/config.json").is_file():
        yield Exercise(path, path.parent, "")
        return
    tracks = [path] if (path / "exercises").is_dir() else sorted(path.glob("*/"))
    for track in tracks:
        about = read_json(track / "config.json") if (track / "config.json").is_file() else {}
        if not isinstance(about, dict):
            raise UsageError(f"{track}/config.json is no object")
        slug = str(about.get("slug") or "") or (track.name if track.name in LANGUAGES else "")
        retired = _retired(about)
        for kind in ("practice", "concept"):
            for folder in sorted((track / "exercises" / kind).glob("*/")):
                if not (folder / ".meta/config.json").is_file():
                    continue
                if folder.name in retired:
                    loading.leave_out(f"{suite}-{slug}-{folder.name}", "retired by its track")
                else:
                    yield Exercise(folder, track, slug)


def _retired(about: Mapping[str, Any]) -> set[str]:
    exercises = about.get("exercises")
    every = exercises.values() if isinstance(exercises, dict) else ()
    return {
        str(each.get("slug"))
        for some in every
        if isinstance(some, list)
        for each in some
        if isinstance(each, dict) and each.get("status") == "deprecated"
    }


def _task(
    exercise: Exercise,
    files: Mapping[str, Any],
    name_of_language: str,
    name: str,
    suite: str,
    environ: Mapping[str, str],
) -> Task | None:
    language = LANGUAGES[name_of_language]
    folder = exercise.folder
    solutions, tests = _names(files, "solution"), _names(files, "test")
    answers = (*_names(files, "example"), *_names(files, "exemplar"))
    every = tree(folder, skip=(*_HIDDEN, *answers))
    shown = {path: held for path, held in every.items() if not _is_one_of(path, tests)}
    hidden = {
        path: with_all_tests(language, held)
        for path, held in tree(folder, skip=(".meta/*", ".docs/*", *answers)).items()
        if _is_one_of(path, tests)
    }
    solutions = tuple(path for path in solutions if path in shown and path not in language.given)
    if not solutions or not hidden:
        return None
    # What the tests stand on is put back as well: the build's description, given classes.
    given: dict[str, Content] = dict.fromkeys(language.never)
    given |= {path: held for path, held in shown.items() if path not in solutions}
    reads = [str(found)] if (found := modules(exercise.track)) is not None else []
    listed = ", ".join(solutions)
    return Task(
        id=name,
        suite=suite,
        prompt=_prompt(folder, listed),
        check=Check(
            command(language, tuple(sorted(hidden)), folder.name, exercise.track, environ),
            TIMEOUT_S,
            {**given, **hidden},
            more={"retry_lines": RETRY_LINES, "strict": True, "reads": reads},
        ),
        files=shown,
        category=name_of_language,
        retry_prompt=RETRY.replace("FILES", listed),
        source=f"Exercism, {name_of_language}: {folder.name}",
        licence=exercise.licence,
    )


def _prompt(folder: Path, solutions: str) -> str:
    words = [folder / ".docs" / each for each in _WORDS]
    said = [_text(each).strip() for each in words if each.is_file()]
    if not any(said):
        raise UsageError(f"{folder} has no .docs/instructions.md")
    what = (
        f"Do this in {solutions}, which stands there already. Keep the names of functions, "
        "classes and files, since tests that you cannot see use them. Use nothing but the "
        "standard library."
    )
    return "\n\n".join([*filter(None, said), "---", what])


def _text(path: Path) -> str:
    held = content(path)
    if isinstance(held, str):
        return held
    raise UsageError(f"{path} is no UTF-8 text")


def _names(files: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    value = files.get(kind) or ()
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _is_one_of(path: str, names: tuple[str, ...]) -> bool:
    return any(path == name or fnmatch(path, name) for name in names)
