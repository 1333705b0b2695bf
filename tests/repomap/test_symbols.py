from __future__ import annotations

import re
from pathlib import Path

import pytest

from qcode.repomap.symbols import is_code, symbols

SAMPLES = {
    path: (text, expected.splitlines())
    for path, text, expected in re.findall(
        r"^=== (\S+)\n(.*?\n)--- defines\n(.*?)(?=^===|\Z)",
        Path(__file__).with_name("samples.txt").read_text(),
        re.MULTILINE | re.DOTALL,
    )
}
"""Files of many languages, each with what it defines: depth, kind, name, line."""


@pytest.mark.parametrize("path", SAMPLES)
def test_definitions_are_found(path: str) -> None:
    text, expected = SAMPLES[path]
    found = symbols(path, text.encode())

    assert found is not None
    assert [f"{each.depth} {each.kind} {each.name} {each.line}" for each in found] == expected


def test_signatures_have_no_bodies() -> None:
    text, _ = SAMPLES["a.py"]
    found = symbols("a.py", text.encode())

    assert found is not None
    assert [each.signature for each in found] == [
        "class Box(Base)",
        "def size(self) -> int",
        "async def load(path: str, *, deep: bool = False) -> None",
        "def inner()",
    ]
    assert [each.end for each in found] == [6, 6, 10, 10]
    for path in ("a.rs", "a.go", "A.java", "a.cpp"):
        source = SAMPLES[path][0].encode()
        for each in symbols(path, source) or ():
            assert "return" not in each.signature
            assert each.name.rpartition(".")[2] in each.signature


@pytest.mark.parametrize(
    "path, data",
    [
        ("notes.txt", b"class A:\n"),
        ("a.py", b""),
        ("big.py", b"x = 1\n" * 200_000),
        ("x", b"\xff\0"),
    ],
)
def test_what_cannot_be_read_is_no_error(path: str, data: bytes) -> None:
    assert not symbols(path, data)


def test_code_is_told_from_comments_and_strings() -> None:
    data = b'name = 1  # name\ntext = "name"\nother = f"{name}"\n'
    places = [at for at in range(len(data)) if data.startswith(b"name", at)]

    assert [is_code("a.py", data, at, at + 4) for at in places] == [True, False, False, True]


def test_broken_code_still_has_its_definitions() -> None:
    found = symbols(
        "a.py", b"def one():\n    pass\n\ndef two(:\n    pass\n\ndef three():\n    pass\n"
    )

    assert found is not None
    assert {"one", "three"} <= {each.name for each in found}
