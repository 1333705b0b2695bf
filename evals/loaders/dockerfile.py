"""A Dockerfile as a plain folder, where that is the same: files put in place, a few commands.

A benchmark that lives in containers can be played in a folder if its image adds nothing to the
machine: sources below one directory, and commands that make, move or link files in it. All else
is refused with its reason, since a task that is set up by halves measures nothing.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from qcode.evals.harness.task import Content
from qcode.evals.loaders.base import content, walk
from qcode.record import Record
from qcode.shell.words import Simple, read

DEFAULT_ROOT = "/app"
"""Where the images of Terminal-Bench start, which name no WORKDIR in their Dockerfiles."""

_IMAGES = re.compile(
    r"(?:docker\.io/)?(?:library/)?(?:ubuntu|debian|python|alpine|busybox)(?:[:@].*)?"
    r"|ghcr\.io/laude-institute/t-bench/(?:ubuntu|python)[\w.-]*(?:[:@].*)?"
)
"""Images that have a system and Python, and nothing of a task."""
_HARMLESS = re.compile(
    r"DEBIAN_FRONTEND|PYTHONUNBUFFERED|PYTHONDONTWRITEBYTECODE|TZ|LANG|LC_\w+|PIP_\w+|UV_\w+|TERM"
)
_PLACE = re.compile(r"(?:\A|[:=,])/(?!/)")
"""In a variable: a path, or one of several."""
_IDLE = re.compile(r"(?:/bin/|/usr/bin/)?(?:bash|sh|sleep|tail|true|python3?)\b")
_PASSED = frozenset({"EXPOSE", "LABEL", "MAINTAINER", "SHELL", "STOPSIGNAL", "USER", "HEALTHCHECK"})
_IN_FOLDER = frozenset(
    {"mkdir", "touch", "cp", "mv", "rm", "rmdir", "chmod", "ln", "echo", "printf", "cat", "true"}
)
_GIT = frozenset({"init", "add", "commit", "branch", "checkout", "switch", "tag", "mv", "rm"})
_PROGRAMS = {
    "python3-pip": "pip3", "python3": "python3", "build-essential": "cc", "golang": "go",
    "nodejs": "node", "ripgrep": "rg", "default-jdk": "javac", "procps": "ps",
}  # fmt: skip
_WITHOUT = frozenset(
    {"ca-certificates", "tmux", "asciinema", "locales", "tzdata", "gnupg", "apt-transport-https"}
)
"""Packages that only the other harness needs, or no task does."""


class CannotBe(Exception):
    """Why an image cannot be had as a folder, in one line."""


class Folder(Record):
    """An image as a folder."""

    root: str
    """The directory in the image that the folder stands for."""
    files: Mapping[str, Content]
    setup: str
    """Python, to be run in the folder; nothing where there is nothing to run."""
    environ: Mapping[str, str]
    is_repository: bool
    """Whether the commands make a git repository of it."""


class Step(Record):
    """One instruction."""

    word: str
    text: str


def steps(text: str) -> list[Step]:
    """Return the instructions of a Dockerfile, lines that go on joined, comments left out.

    Raises:
        CannotBe: it has a here-document.
    """
    lines: list[str] = []
    goes_on = False
    for line in text.splitlines():
        if line.lstrip().startswith("#") or (not line.strip() and goes_on):
            continue
        if goes_on:
            lines[-1] += " " + line.strip()
        elif line.strip():
            lines.append(line.strip())
        goes_on = line.rstrip().endswith("\\")
        if goes_on:
            lines[-1] = lines[-1].rstrip().removesuffix("\\").rstrip()
    found = []
    for line in lines:
        word, _, rest = line.partition(" ")
        if re.search(r"<<-?['\"]?[A-Za-z]", rest):
            raise CannotBe("its Dockerfile has a here-document")
        found.append(Step(word.upper(), rest.strip()))
    return found


def as_folder(
    text: str,
    context: Path,
    path: str,
    *,
    hidden: tuple[str, ...] = (),
    default_root: str = DEFAULT_ROOT,
) -> Folder:
    """Return what a Dockerfile makes, as a folder.

    `context` is where its COPY takes files from, without those that match `hidden`; `path` is
    the machine's PATH, where programs that it installs may be already.

    Raises:
        CannotBe: it does what cannot be done in a folder.
    """
    every = steps(text)
    return _Reader(context, path, hidden, _root(every, default_root)).read(every)


def _root(every: list[Step], default: str) -> str:
    """Return where whoever enters the image stands."""
    at = default
    for step in every:
        if step.word == "WORKDIR":
            at = str(PurePosixPath(at, step.text.strip("\"'")))
    if at == "/":
        raise CannotBe("it works in the image's root")
    return at


class _Reader:
    def __init__(self, context: Path, path: str, hidden: tuple[str, ...], root: str) -> None:
        self._context = context
        self._path = path
        self._hidden = hidden
        self._root = root
        self._at = root
        self._files: dict[str, Content] = {}
        self._environ: dict[str, str] = {}
        self._runs: list[tuple[str, str]] = []
        self._is_repository = False
        self._stages = 0

    def read(self, every: list[Step]) -> Folder:
        for step in every:
            self._step(step)
        setup = ""
        if self._runs:
            called = ", ".join(f"({folder!r}, {script!r})" for folder, script in self._runs)
            setup = (
                "import os, subprocess\n"
                f"for folder, script in [{called}]:\n"
                "    os.makedirs(folder, exist_ok=True)\n"
                "    subprocess.run(['sh', '-e', '-c', script], cwd=folder, check=True)\n"
            )
        return Folder(self._root, self._files, setup, self._environ, self._is_repository)

    def _step(self, step: Step) -> None:
        match step.word:
            case "FROM":
                self._stages += 1
                images = [word for word in step.text.split() if not word.startswith("--")]
                image = images[0] if images else ""
                if self._stages > 1:
                    raise CannotBe("its Dockerfile has several stages")
                if not _IMAGES.fullmatch(image):
                    raise CannotBe(f"it starts from {image}, of which nothing is known")
            case "WORKDIR":
                self._at = str(PurePosixPath(self._at, step.text.strip("\"'")))
            case "ENV" | "ARG":
                self._set(step)
            case "COPY" | "ADD":
                self._copy(step)
            case "RUN":
                self._run(step.text)
            case "CMD" | "ENTRYPOINT":
                words = " ".join(_exec_form(step.text) or [step.text])
                if not _IDLE.match(words):
                    raise CannotBe(f"it starts `{words[:60]}`")
            case _ if step.word in _PASSED:
                pass
            case _:
                raise CannotBe(f"its Dockerfile says {step.word}, which a folder cannot")

    def _set(self, step: Step) -> None:
        try:
            words = shlex.split(step.text)
        except ValueError as error:
            raise CannotBe(f"`{step.word} {step.text[:60]}` cannot be read") from error
        if words and "=" not in words[0]:
            words = [f"{words[0]}={' '.join(words[1:])}"] if step.word == "ENV" else []
        for word in words:
            name, _, value = word.partition("=")
            if name == "PATH" or "$" in value:
                raise CannotBe(f"it sets {name} by what the image has")
            if _PLACE.search(value):
                raise CannotBe(f"it sets {name} to {value}, a place of the container")
            if not _HARMLESS.fullmatch(name):
                self._environ[name] = value

    def _copy(self, step: Step) -> None:
        words = _exec_form(step.text) or step.text.split()
        flags = [word for word in words if word.startswith("--")]
        words = [word for word in words if not word.startswith("--")]
        if any(word.startswith("--from") for word in flags):
            raise CannotBe("it copies from another image")
        if len(words) < 2 or any("$" in word for word in words):
            raise CannotBe(f"`{step.word} {step.text[:60]}` cannot be read")
        if self._runs:
            raise CannotBe("it copies files after it has run commands on others")
        *sources, target = words
        for source in sources:
            if "://" in source:
                raise CannotBe(f"it fetches {source}")
            if step.word == "ADD" and re.search(r"\.(?:tar|tgz|gz|xz|bz2|zip)", source):
                raise CannotBe(f"it unpacks {source}")
            self._place(source, target, many=len(sources) > 1)

    def _place(self, source: str, target: str, *, many: bool) -> None:
        into = self._inside(target)
        found = list(self._sources(source))
        if not found:
            raise CannotBe(f"it copies {source}, which is not there")
        for path in found:
            if path.is_dir():
                for name in walk(path, skip=self._hidden if path == self._context else ()):
                    self._files[str(into / name)] = content(path / name)
            else:
                is_folder = target.endswith("/") or many or len(found) > 1 or target in (".", "./")
                is_folder = is_folder or str(into) == "."
                where = into / path.name if is_folder else into
                self._files[str(where)] = content(path)

    def _sources(self, source: str) -> Iterator[Path]:
        plain = source.lstrip("/").removeprefix("./") or "."
        if ".." in PurePosixPath(plain).parts:
            raise CannotBe(f"it copies {source}, which is outside its folder")
        if plain == ".":
            yield self._context
        elif any(sign in plain for sign in "*?["):
            yield from sorted(self._context.glob(plain))
        elif (self._context / plain).exists():
            yield self._context / plain

    def _inside(self, path: str) -> PurePosixPath:
        """Return a path of the image relative to the folder."""
        parts: list[str] = []
        for part in PurePosixPath(self._at, path).parts[1:]:
            if part == "..":
                parts[-1:] = []
            else:
                parts.append(part)
        absolute = PurePosixPath("/", *parts)
        if not absolute.is_relative_to(self._root):
            raise CannotBe(f"it puts something at {absolute}, outside {self._root}")
        return absolute.relative_to(self._root)

    # Commands.

    def _run(self, text: str) -> None:
        if (listed := _exec_form(text)) is not None:
            text = shlex.join(listed)
        text = re.sub(r"^(?:--\w+=\S+\s+)+", "", text)
        # Where output goes is read as one more word: a file that has to be in the folder.
        commands = read(re.sub(r"(?<![\d&])>>?\s*([\w./-]+)", r" :to:\1", text))
        if not isinstance(commands, tuple):
            raise CannotBe(f"`RUN {_short(text)}` may do anything: it has {commands.reason}")
        at = self._at
        is_needed = False
        for command in commands:
            words = command.texts
            if words[0] == "cd" and len(words) == 2:
                self._at = str(PurePosixPath(self._at, words[1]))
                self._inside(".")
            elif self._is_here(words):
                continue
            else:
                self._stays(command, text)
                is_needed = True
        self._at = at
        if is_needed:
            folder = str(self._inside("."))
            self._runs.append((folder, self._relative(text)))

    def _stays(self, command: Simple, text: str) -> None:
        """See that a command does nothing but to files of the folder."""
        words = command.texts
        if words[0] == "git" and len(words) > 1 and words[1] in _GIT:
            self._is_repository = self._is_repository or words[1] == "init"
        elif words[0] not in _IN_FOLDER:
            raise CannotBe(f"it runs `{_short(' '.join(words))}`")
        for word in words[1:]:
            plain = word.removeprefix(":to:")
            if ".git" in plain.split("/"):
                raise CannotBe(f"`RUN {_short(text)}` changes git's own files")
            if plain.startswith("/") or ".." in plain.split("/"):
                self._inside(plain)
            elif "/" in plain.partition("=")[2][:1]:
                raise CannotBe(f"`RUN {_short(text)}` names a path that cannot be told")

    def _relative(self, text: str) -> str:
        """Return a command with the folder in place of the directory that it stands for."""
        depth = len(PurePosixPath(self._inside(".")).parts)
        here = "/".join([".."] * depth) or "."
        kept = re.sub(r"(?<![\w./-])(?:apt-get|apt|pip3?)\s[^;&|]*(?:&&|;)?\s*", "", text)
        kept = re.sub(r"rm\s+-rf?\s+/var/lib/apt/lists/\S*\s*(?:&&|;)?\s*", "", kept)
        kept = re.sub(r"\s*(?:&&|;)\s*\Z", "", kept)
        return re.sub(rf"(?<![\w./-]){re.escape(self._root)}(?![\w-])", here, kept)

    def _is_here(self, words: tuple[str, ...]) -> bool:
        """Whether a command would only install what this machine has, or tidy up after that."""
        plain = [word for word in words if not word.startswith("-")]
        if words[:1] == ("rm",) and words[-1].startswith("/var/lib/apt/lists"):
            return True
        if plain[0] in ("apt-get", "apt"):
            if plain[1:2] == ["install"]:
                for package in plain[2:]:
                    self._has_program(package.partition("=")[0])
            elif plain[1:2] not in (["update"], ["clean"], ["autoremove"]):
                raise CannotBe(f"it runs `{_short(' '.join(words))}`")
            return True
        if plain[0] in ("pip", "pip3") and plain[1:2] == ["install"]:
            for package in plain[2:]:
                _has_package(package)
            return True
        return False

    def _has_program(self, package: str) -> None:
        program = _PROGRAMS.get(package, package)
        if package not in _WITHOUT and shutil.which(program, path=self._path) is None:
            raise CannotBe(f"it installs {package}, which is not on this machine")


def _exec_form(text: str) -> list[str] | None:
    """Return the words of a JSON list; None: it is a line for the shell (`[ -d x ] || mkdir x`)."""
    try:
        words = json.loads(text)
    except ValueError:
        return None
    is_list = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return words if is_list and words else None


def _has_package(wanted: str) -> None:
    name, _, version = wanted.partition("==")
    try:
        found = importlib.metadata.version(re.split(r"[<>=\[!~ ]", name)[0])
    except importlib.metadata.PackageNotFoundError:
        found = ""
    if not found or (version and found != version):
        raise CannotBe(f"it installs the Python package {wanted}, which is not here")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"
