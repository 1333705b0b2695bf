"""Whether JSON fits the schemas that are published."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from qcode.ui.schema import schema_text


@cache
def validator(name: str) -> Draft202012Validator:
    schema = json.loads(schema_text(name))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def faults(name: str, value: Any) -> list[str]:
    """Return where a value does not fit, and how."""
    return [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(value)]
