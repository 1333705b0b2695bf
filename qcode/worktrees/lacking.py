"""What a worktree lacks: dependencies that git ignores and that commands need.

They are lent: a directory of the same name with links to what is in the person's. It is a
directory, not a link, so that `node_modules/` in a `.gitignore` holds for it, and so that
tools can put their caches beside what is lent. The person's own files lie outside of the
workspace, where the sandbox lets nothing be written.

A Python environment may lead back to the person's sources (`pip install --editable`). Its
copy has to find those of the worktree first: `variables` says how.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

LENT = (
    *("node_modules", ".yarn", ".pnp.cjs", ".pnp.loader.mjs"),
    *(".venv", "venv", "env", ".tox", ".nox", "__pypackages__"),
    *("vendor", "deps", "Pods", "elm-stuff", ".bundle"),
)
"""Names of what is lent where it is ignored. Build outputs are not among them: a command
writes there. Nor is `.env`: it holds secrets."""

_ENVIRONMENTS = (".venv", "venv", "env")
_FINDER_PATHS = re.compile(r"""['"](/[^'"\n]*)['"]""")
_LARGEST = 1 << 20
_DEEP = 2
"""How many directories below the top are looked at: packages of a monorepo."""
_PASSED = frozenset({".git", *LENT})


def lend(origin: Path, root: Path, places: Collection[Path]) -> None:
    """Lend what is there in the person's tree and not in the worktree.

    Looked at are the top, directories up to two below it, and `places`.
    """
    for folder in dict.fromkeys([*_folders(origin), *places]):
        inside = folder.relative_to(origin)
        for name in LENT:
            source, target = folder / name, root / inside / name
            if not target.parent.is_dir() or os.path.lexists(target):
                continue
            try:
                _lend(source, target)
            except OSError:
                continue  # it is no more than a convenience


def _lend(source: Path, target: Path) -> None:
    if source.is_symlink() or source.is_file():
        target.symlink_to(source.resolve(strict=True))
    elif source.is_dir():
        names = os.listdir(source)
        target.mkdir()
        for name in names:
            (target / name).symlink_to(source / name)


def _folders(top: Path, depth: int = _DEEP) -> Iterator[Path]:
    yield top
    if not depth:
        return
    try:
        entries = [each for each in os.scandir(top) if each.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for entry in entries:
        if entry.name not in _PASSED and not entry.name.startswith("."):
            yield from _folders(Path(entry.path), depth - 1)


def variables(home: Path, root: Path, top: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what commands in the worktree have to have otherwise in their environment.

    `top` is the person's tree, `root` the worktree, `home` the directory worked in.
    """
    out: dict[str, str] = {}
    active = environ.get("VIRTUAL_ENV", "")
    environments = [folder / name for folder in (home, top) for name in _ENVIRONMENTS]
    sources = [
        str(root / Path(path).relative_to(top))
        for environment in dict.fromkeys([*environments, *([Path(active)] if active else [])])
        for path in _editable(environment)
        if _is_within(path, top) and not _is_within(path, environment)
    ]
    given = [path for path in environ.get("PYTHONPATH", "").split(":") if path]
    moved = [
        str(root / Path(path).relative_to(top)) if _is_within(path, top) else path for path in given
    ]
    if sources or moved != given:
        out["PYTHONPATH"] = ":".join(dict.fromkeys([*sources, *moved]))
    return out


def _editable(environment: Path) -> Iterator[str]:
    """Yield the directories that an environment takes sources from."""
    for packages in environment.glob("lib/python3*/site-packages"):
        for file in (*packages.glob("*.pth"), *packages.glob("__editable__*.py")):
            try:
                if file.stat().st_size > _LARGEST:
                    continue
                text = file.read_text("utf-8", "replace")
            except OSError:
                continue
            if file.suffix == ".pth":
                yield from (line.strip() for line in text.splitlines() if line.startswith("/"))
            else:
                # A finder's table leads from a package to its directory; that one's parent is
                # where it is found by its name.
                yield from (os.path.dirname(path) for path in _FINDER_PATHS.findall(text))


def _is_within(path: str | Path, folder: Path) -> bool:
    return Path(path) == folder or folder in Path(path).parents
