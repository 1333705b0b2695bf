"""What `qcode run` prints and reports, as JSON Schemas (draft 2020-12) that are published."""

from __future__ import annotations

import os

from qcode.errors import UsageError

NAMES = ("stream", "report")
"""`stream`: each message of `-o stream-json`, and the one of `-o json`. `report`: the file."""

_HERE = os.path.dirname(os.path.abspath(__file__))


def schema_text(name: str) -> str:
    """Return a schema as JSON, with its final newline.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in NAMES:
        raise UsageError(f"no schema `{name}`", hint=f"there are: {', '.join(NAMES)}")
    with open(os.path.join(_HERE, f"{name}.schema.json"), encoding="utf-8") as file:
        return file.read()
