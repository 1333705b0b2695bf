"""An answer that has to be JSON of a given schema: asked for, found in the answer, judged.

The schema is a JSON Schema (json-schema.org; draft 2020-12 unless `$schema` names another).
Nothing is ever fetched: a `$ref` leads to somewhere in the schema, or the schema is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcode.errors import UsageError
from qcode.files_safe import read_small
from qcode.headless.json_in_text import NotJsonError, candidates, parse
from qcode.messages import JsonObject
from qcode.prompts import load
from qcode.record import Record

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

MOST_ERRORS = 5
"""That the model is told of one answer."""

ERROR_CHARS = 200
"""Of one error; it may quote a value, which may be long."""

_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}


class Misfit(Record):
    """Why an answer is not what was asked for."""

    text: str
    """For the model: what is wrong with it, and to answer again."""


class Shape:
    """What a final answer has to be."""

    def __init__(self, schema: JsonObject, place: str = "--json-schema") -> None:
        """`place` names the schema for a person.

        Raises:
            UsageError: it is no schema, or leads elsewhere.
        """
        self.schema = schema
        self._place = place
        self._check()

    @classmethod
    def read(cls, text_or_path: str) -> Shape:
        """Return the shape of a schema: itself as JSON, or the path of its file (`@` may stand
        before it, as Qwen Code has it).

        Raises:
            UsageError: it cannot be read, is no JSON or no schema, or leads elsewhere.
        """
        if text_or_path.lstrip().startswith("{"):
            return cls(_object(text_or_path, "--json-schema"))
        path = text_or_path.removeprefix("@")
        try:
            data = read_small(Path(path).expanduser())
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"cannot read the schema `{path}`: {why}") from error
        return cls(_object(data.decode("utf-8-sig", "replace"), f"`{path}`"), f"`{path}`")

    def ask(self, prompt: str) -> str:
        """Return a prompt that asks for such an answer."""
        schema = json.dumps(self.schema, ensure_ascii=False)
        return f"{prompt}\n\n{load('structured/ask', schema=schema)}"

    def judge(self, answer: str) -> Any | Misfit:
        """Return the value in an answer, which may stand in a fence or among prose, or a misfit."""
        try:
            found = [value for value in candidates(answer) if self._may_be(value)]
        except NotJsonError as error:
            return Misfit(load("structured/none", why=f": {error}"))
        if not found:
            return Misfit(load("structured/none", why=""))
        if len(found) > 1:
            return Misfit(load("structured/several", count=str(len(found))))
        errors = self._errors(found[0])
        if not errors:
            return found[0]
        lines = [f"- {line}" for line in errors[:MOST_ERRORS]]
        if len(errors) > MOST_ERRORS:
            lines.append(f"- and {len(errors) - MOST_ERRORS} more")
        return Misfit(load("structured/misfit", errors="\n".join(lines)))

    def _may_be(self, value: object) -> bool:
        """Whether a value is of a kind that is asked for; `[1]` in prose is no object."""
        kinds = self.schema.get("type")
        if kinds is None:
            return True
        kinds = [kinds] if isinstance(kinds, str) else kinds
        kind = _TYPES.get(type(value), "number")
        return kind in kinds or (kind == "number" and "integer" in kinds)

    def _errors(self, value: object) -> list[str]:
        errors = sorted(
            self._validator.iter_errors(value),
            key=lambda error: list(map(str, error.absolute_path)),
        )
        return [_told(error) for error in errors]

    @cached_property
    def _validator(self) -> Validator:
        from jsonschema.validators import Draft202012Validator, validator_for
        from referencing import Registry

        kind = validator_for(self.schema, default=Draft202012Validator)
        # A registry that holds nothing and fetches nothing.
        made: Validator = kind(self.schema, registry=Registry())
        return made

    def _check(self) -> None:
        from jsonschema.exceptions import SchemaError
        from referencing.exceptions import Unresolvable

        validator = self._validator
        try:
            type(validator).check_schema(self.schema)
        except SchemaError as error:
            raise UsageError(
                f"{self._place} is no JSON Schema: at {_path(error)}, {_short(error.message)}"
            ) from error
        try:
            for reference, where in self._references():
                try:
                    where.lookup(reference)
                except Unresolvable:
                    raise UsageError(
                        f"{self._place}: `{_short(reference)}` leads nowhere in the schema",
                        hint="put it under $defs; nothing is fetched",
                    ) from None
            kinds: tuple[Any, ...] = (None, {}, [], "", 0)
            for value in kinds:
                list(validator.iter_errors(value))
        except RecursionError:
            raise UsageError(f"{self._place}: a `$ref` leads in circles") from None

    def _references(self) -> Iterator[tuple[str, Any]]:
        """Yield each `$ref`, with what resolves it where it stands."""
        from referencing import Registry
        from referencing.jsonschema import DRAFT202012, specification_with

        dialect = self.schema.get("$schema")
        kind = specification_with(dialect, default=DRAFT202012) if dialect else DRAFT202012
        root = kind.create_resource(self.schema)
        ahead = [(root, Registry().resolver_with_root(root))]
        while ahead:
            resource, resolver = ahead.pop()
            contents = resource.contents
            if isinstance(contents, dict):
                for name in ("$ref", "$dynamicRef"):
                    if isinstance(contents.get(name), str):
                        yield contents[name], resolver
            ahead += [(each, resolver.in_subresource(each)) for each in resource.subresources()]


def _object(text: str, place: str) -> JsonObject:
    try:
        value = parse(text)
    except NotJsonError as error:
        raise UsageError(f"{place} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{place} is no JSON Schema: it has to be an object")
    return value


def _told(error: ValidationError) -> str:
    """Return one error for the model: where, and what was expected."""
    from jsonschema.exceptions import best_match

    # Of alternatives, the one that the value came nearest to.
    nearest = best_match([error]) if error.context else error
    return f"{_path(nearest)}: {_short(nearest.message)}"


def _path(error: Any) -> str:
    return str(error.json_path)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= ERROR_CHARS else f"{line[: ERROR_CHARS - 1]}…"
