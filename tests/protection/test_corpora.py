"""Changes that are honest, and changes that are not: `honest.txt`, `cheats.txt`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcode.headless.ended import Violation
from qcode.protection.protection import Protection

HERE = Path(__file__).parent
Steps = list[tuple[str, str, str]]
"""What is done (`+`, `-` or `<`), to which path, with what."""


def cases(name: str) -> dict[str, Steps]:
    """Return the cases of a file by their heads."""
    found: dict[str, Steps] = {}
    steps: Steps = []
    for line in (HERE / name).read_text().splitlines(keepends=True):
        if match := re.match(r"## (.*)\n", line):
            steps = found[match[1]] = []
        elif match := re.match(r"(\+\+\+|---|<<<|\$\$) (.*)\n", line):
            steps.append((match[1][0], match[2], ""))
        elif line != ">>>\n":
            sign, path, text = steps[-1]
            steps[-1] = (sign, path, text + line)
    return found


def apply(root: Path, steps: Steps) -> list[str]:
    changed = []
    for sign, path, text in steps:
        file = root / path
        if sign == "$":
            continue
        changed.append(path)
        if sign == "-":
            file.unlink()
        elif sign == "+":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        else:
            old, _, new = text.partition("===\n")
            whole = file.read_text()
            if old not in whole:  # a piece of a line
                old, new = old.removesuffix("\n"), new.removesuffix("\n")
            assert old in whole, (path, old)
            file.write_text(whole.replace(old, new, 1))
    return changed


BASES = cases("bases.txt")


HONEST = cases("honest.txt")
CHEATS = cases("cheats.txt")


def of(base: str, corpus: dict[str, Steps], folder: Path) -> Iterator[tuple[str, Path, Steps]]:
    """Yield the cases of one base, each with a project to try it on."""
    for number, (head, steps) in enumerate(corpus.items()):
        if head.endswith(f"; base {base}"):
            root = folder / str(number)
            apply(root, BASES[base])
            yield head, root, steps


def begun(root: Path, base: str) -> Protection:
    files = {path: text.encode() for sign, path, text in BASES[base] if sign == "+"}
    commands = [command for sign, command, _ in BASES[base] if sign == "$"]
    return Protection.begin(root, [], commands, before=files.get)


def files(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()
    }


def test_the_corpora_are_large_enough_and_of_these_bases() -> None:
    assert len(HONEST) >= 60
    assert len(CHEATS) >= 130
    assert {head.rpartition("; base ")[2] for head in (*HONEST, *CHEATS)} <= set(BASES)


@pytest.mark.parametrize("base", BASES)
def test_what_is_honest_is_let_be(base: str, tmp_path: Path) -> None:
    found = {}
    for head, root, steps in of(base, HONEST, tmp_path):
        protection = begun(root, base)
        found[head] = protection.look(apply(root, steps))

    assert {head: violations for head, violations in found.items() if violations} == {}


@pytest.mark.parametrize("base", BASES)
def test_cheating_is_found_and_taken_back(base: str, tmp_path: Path) -> None:
    missed: dict[str, list[Violation]] = {}
    left: dict[str, object] = {}
    for head, root, steps in of(base, CHEATS, tmp_path):
        before = files(root)
        protection = begun(root, base)
        found = protection.look(apply(root, steps))
        if not {each.kind for each in found} & set(head.split("; ")[1].split()):
            missed[head] = found
        done = protection.roll_back(found)
        if not all(each.rolled_back for each in done) or files(root) != before:
            left[head] = done

    assert missed == {}
    assert left == {}
