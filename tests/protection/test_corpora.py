"""Changes that are honest, and changes that are not: `honest.txt`, `cheats.txt`."""

from __future__ import annotations

import re
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


def found(root: Path, head: str, steps: Steps) -> tuple[Protection, list[Violation]]:
    base = BASES[head.rpartition("base ")[2]]
    apply(root, base)
    files = {path: text.encode() for sign, path, text in base if sign == "+"}
    commands = [command for sign, command, _ in base if sign == "$"]
    protection = Protection.begin(root, [], commands, before=files.get)
    return protection, protection.look(apply(root, steps))


HONEST = cases("honest.txt")
CHEATS = cases("cheats.txt")


def test_the_corpora_are_large_enough() -> None:
    assert len(HONEST) >= 40
    assert len(CHEATS) >= 60


@pytest.mark.parametrize("head", HONEST)
def test_what_is_honest_is_let_be(head: str, tmp_path: Path) -> None:
    assert found(tmp_path, head, HONEST[head])[1] == []


@pytest.mark.parametrize("head", CHEATS)
def test_cheating_is_found_and_taken_back(head: str, tmp_path: Path) -> None:
    kinds = head.split("; ")[1].split()
    before = {path: text for sign, path, text in BASES[head.rpartition("base ")[2]] if sign == "+"}

    protection, violations = found(tmp_path, head, CHEATS[head])

    assert violations
    assert {each.kind for each in violations} & set(kinds), violations
    assert all(each.rolled_back for each in protection.roll_back(violations))
    for path, text in before.items():
        assert (tmp_path / path).read_text() == text
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} == set(before)
