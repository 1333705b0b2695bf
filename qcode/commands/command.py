"""One command, and finding those there are: Markdown as Claude Code has it, TOML as Gemini CLI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from qcode.errors import QcodeError
from qcode.extensions.definitions import checked_name, gather, text_of
from qcode.extensions.places import Place, markdown_in
from qcode.frontmatter import split
from qcode.record import Record

ENDINGS = (".md", ".toml")
_SHOWN = 100
"""Characters of a body's first line, where nothing says what it is for."""


class Command(Record):
    """A message with a name."""

    name: str
    """As it is typed behind the slash: `ns:name` for `ns/name.md`."""
    body: str
    about: str
    """One line."""
    file: Path
    place: Place
    hint: str = ""
    """What may follow the name."""
    allowed: tuple[str, ...] = ()
    """What its turn may do without asking, as the file says it."""
    model: str = ""
    """Of its turn; empty: the session's."""


def command_folders(places: Iterable[Place]) -> tuple[Path, ...]:
    """Return the folders there are in which commands lie."""
    folders = (place.folder / "commands" for place in places)
    return tuple(folder for folder in folders if folder.is_dir())


def commands_in(places: Iterable[Place], problems: list[str]) -> dict[str, Command]:
    """Return the commands by name; what is wrong with a file is added to `problems`."""
    return gather(_files(places), read_command, lambda command: command.name, problems)


def _files(places: Iterable[Place]) -> Iterator[tuple[Place, Path]]:
    for place in places:
        for file in markdown_in(place.folder / "commands", endings=ENDINGS):
            if file.name != "README.md":
                yield place, file


def read_command(file: Path, place: Place) -> Command:
    """Return the command of a file.

    Raises:
        QcodeError: it is none; the text says why.
    """
    parts = file.relative_to(place.folder / "commands").with_suffix("").parts
    name = checked_name(":".join(parts))
    text = text_of(file, place)
    if file.suffix == ".toml":
        return _of_toml(name, text, file, place)
    document = split(text)
    body = document.body.strip()
    if not body:
        raise QcodeError("there is no text in it")
    return Command(
        name,
        body,
        document.text("description") or _first_line(body),
        file,
        place,
        hint=document.text("argument-hint", "argument_hint"),
        allowed=document.listed("allowed-tools", "allowed_tools", "allowedTools") or (),
        model=document.text("model"),
    )


def _of_toml(name: str, text: str, file: Path, place: Place) -> Command:
    import tomllib

    try:
        read = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise QcodeError(f"it is no TOML: {error}") from error
    body, about = read.get("prompt"), read.get("description")
    if not isinstance(body, str) or not body.strip():
        raise QcodeError('it has no `prompt = "…"`')
    told = " ".join(about.split()) if isinstance(about, str) else ""
    return Command(name, body.strip(), told or _first_line(body.strip()), file, place)


def _first_line(body: str) -> str:
    line = body.split("\n", 1)[0].strip().lstrip("#").strip()
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
