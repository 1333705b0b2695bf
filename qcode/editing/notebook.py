"""Jupyter notebooks edited by cell.

A notebook is JSON, and whoever wrote it chose indentation, key order and
escapes. Nothing is parsed and written anew: where a cell stands in the text is
found out, and only what changes of it is replaced. So all other bytes stay.

A cell is named by its id or by its number from 0, as `show` tells them. A
number may be written `#3`, `cell-3` or `3`; a bare number that is another
cell's id is refused, since either could be meant.

Editing a code cell clears its outputs and its execution count: they are of code
that is not there any more.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence

from qcode.editing.json_spans import Container, Span, container, skip_string
from qcode.editing.outcome import Reason, Refused
from qcode.record import Record

KINDS = ("code", "markdown", "raw")
OUTPUT_CHARACTERS = 400
"""Of one output, in what is shown."""
_SHOWN_OUTPUTS = 5
_LISTED = 30
"""Cells listed when one was not found."""
_NUMBER = re.compile(r"(#|cell[-_ ]?)?(\d{1,9})", re.IGNORECASE)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_ESCAPED = re.compile(r"(?<!\\)(?:\\\\)*\\u(?!00[0-7])[0-9a-fA-F]{4}")
"""An escape of a letter beyond ASCII."""


class Cell(Record):
    """A cell as the model sees it."""

    number: int
    id: str
    """Empty before format 4.5."""
    kind: str
    source: str
    outputs: tuple[str, ...] = ()
    """Each in short."""
    execution_count: int | None = None


class Changed(Record):
    """The notebook's new text, and the one cell that differs."""

    text: str
    before: Cell | None
    """None: the cell is new."""
    after: Cell | None
    """None: the cell is gone."""


def cells(text: str) -> tuple[Cell, ...] | Refused:
    """Return the cells of a notebook; `MALFORMED` if the text is none."""
    book = _read(text)
    return book if isinstance(book, Refused) else book.cells


def show(text: str, *, output_characters: int = OUTPUT_CHARACTERS) -> str | Refused:
    """Return a notebook as the model reads it: numbered cells, sources whole, outputs short."""
    book = _read(text, output_characters)
    if isinstance(book, Refused):
        return book
    language = f" of {book.language}" if book.language else ""
    lines = [f"Notebook{language}, {_count(len(book.cells))}"]
    for cell in book.cells:
        lines += ["", _title(cell), *cell.source.split("\n")]
        for output in cell.outputs:
            lines += [f"=> {line}" for line in output.split("\n")]
    return "\n".join(lines) + "\n"


def language(text: str) -> str:
    """Return the extension of files in the language of the code cells: `.py`; "" if unknown."""
    book = _read(text)
    return "" if isinstance(book, Refused) else book.extension


def replace(text: str, cell: str, source: str, kind: str = "") -> Changed | Refused:
    """Give a cell a new source, and another kind if one is named."""
    book = _read(text)
    if isinstance(book, Refused):
        return book
    number = book.find(cell)
    if isinstance(number, Refused):
        return number
    kind = kind or book.cells[number].kind
    if kind not in KINDS:
        return _no_kind(kind)
    return book.rewrite(number, source, kind)


def edit(text: str, cell: str, change: Callable[[str], str | Refused]) -> Changed | Refused:
    """Give a cell the source that `change` makes of its present one."""
    book = _read(text)
    if isinstance(book, Refused):
        return book
    number = book.find(cell)
    if isinstance(number, Refused):
        return number
    source = change(book.cells[number].source)
    if isinstance(source, Refused):
        return source
    return book.rewrite(number, source, book.cells[number].kind)


def insert(text: str, after: str, source: str, kind: str = "code") -> Changed | Refused:
    """Put a new cell behind another, or before all if `after` is empty."""
    book = _read(text)
    if isinstance(book, Refused):
        return book
    if kind not in KINDS:
        return _no_kind(kind)
    number: int | Refused = -1
    if after:
        number = book.find(after)
    if isinstance(number, Refused):
        return number
    return book.add(number + 1, source, kind)


def delete(text: str, cell: str) -> Changed | Refused:
    """Take a cell out."""
    book = _read(text)
    if isinstance(book, Refused):
        return book
    number = book.find(cell)
    return number if isinstance(number, Refused) else book.remove(number)


class _Layout(Record):
    """The blanks and signs between the parts of an array or object."""

    opening: str
    between: str
    closing: str
    colon: str = ""

    def join(self, brackets: str, parts: Sequence[str]) -> str:
        if not parts:
            return brackets
        return brackets[0] + self.opening + self.between.join(parts) + self.closing + brackets[1]


class _Book(Record):
    """A notebook's text with the places of its cells."""

    text: str
    array: Container
    """The list of cells."""
    cells: tuple[Cell, ...]
    has_ids: bool
    language: str
    extension: str
    nest: _Nest

    def find(self, name: str) -> int | Refused:
        """Return the number of the cell that a model names."""
        name = name.strip()
        by_id = [cell.number for cell in self.cells if cell.id and cell.id == name]
        if len(by_id) > 1:
            return Refused(
                Reason.AMBIGUOUS,
                f"The id {name} is that of {len(by_id)} cells: "
                f"{', '.join(f'#{number}' for number in by_id)}. "
                "Nothing was changed. Name the cell by its number, as in #0.",
            )
        numbered = _NUMBER.fullmatch(name)
        by_number = int(numbered[2]) if numbered else -1
        is_number = 0 <= by_number < len(self.cells)
        if by_id and is_number and numbered and not numbered[1] and by_id[0] != by_number:
            return Refused(
                Reason.AMBIGUOUS,
                f"{name} is the id of cell #{by_id[0]}, and the number of cell #{by_number}. "
                f"Nothing was changed. Write #{by_id[0]} or #{by_number}.",
            )
        if by_id:
            return by_id[0]
        if is_number:
            return by_number
        return Refused(
            Reason.NOT_FOUND,
            f"There is no cell {name!r}, so nothing was changed. {self._list()}",
        )

    def _list(self) -> str:
        if not self.cells:
            return "The notebook has no cells yet."
        lines = [f"{_title(cell)}: {_first_line(cell.source)}" for cell in self.cells[:_LISTED]]
        if len(self.cells) > _LISTED:
            lines.append(f"and {_count(len(self.cells) - _LISTED)} more")
        return "\n".join(["The cells are:", *lines])

    def rewrite(self, number: int, source: str, kind: str) -> Changed | Refused:
        """Return the notebook with a cell's source and kind replaced."""
        before = self.cells[number]
        if (source, kind) == (before.source, before.kind):
            return Refused(
                Reason.NO_CHANGE, f"Cell #{number} has exactly this source, so nothing was changed."
            )
        span = self.array.parts[number]
        cell = container(self.text, span.start)
        if kind == before.kind:
            return self._changed(_spliced(self.text, self._updates(cell, source, kind)), number)
        return self._changed(
            self.text[: span.start] + self._turned(cell, source, kind) + self.text[span.end :],
            number,
        )

    def _updates(self, cell: Container, source: str, kind: str) -> list[tuple[int, int, str]]:
        """Return what to replace in the text of a cell whose kind stays."""
        updates = []
        for part in cell.parts:
            if part.key == "source":
                updates.append((part.start, part.end, self._source(part, source)))
            elif kind == "code" and part.key == "outputs" and part.value:
                updates.append((part.start, part.end, "[]"))
            elif kind == "code" and part.key == "execution_count" and part.value is not None:
                updates.append((part.start, part.end, "null"))
        return updates

    def _turned(self, cell: Container, source: str, kind: str) -> str:
        """Return the text of a cell that has become one of another kind."""
        members = {}
        for part in cell.parts:
            if part.key == "source":
                members[part.key] = self._source(part, source)
            elif part.key == "cell_type":
                members[part.key] = json.dumps(kind)
            elif part.key not in {"outputs", "execution_count"} and not (
                kind == "code" and part.key == "attachments"
            ):
                members[part.key] = self.text[part.start : part.end]
        if kind == "code":
            members |= {"execution_count": "null", "outputs": "[]"}
        return self._object(members, [part.key for part in cell.parts], cell)

    def add(self, number: int, source: str, kind: str) -> Changed | Refused:
        """Return the notebook with a new cell that has this number."""
        members = {
            "cell_type": json.dumps(kind),
            "metadata": "{}",
            "source": self._lines(source),
        }
        if kind == "code":
            members |= {"execution_count": "null", "outputs": "[]"}
        if self.has_ids:
            members["id"] = json.dumps(self._new_id(number, source))
        model = self._sibling(kind)
        new = self._object(members, [part.key for part in model.parts] if model else [], model)
        if not self.array.parts:
            nest = self.nest.layout(1)
            whole = nest.join("[]", [new])
            text = self.text[: self.array.start] + whole + self.text[self.array.end :]
            return self._changed(text, number, is_new=True)
        between = _layout(self.text, self.array).between
        if number == 0:
            at, new = self.array.parts[0].start, new + between
        else:
            at, new = self.array.parts[number - 1].end, between + new
        return self._changed(self.text[:at] + new + self.text[at:], number, is_new=True)

    def remove(self, number: int) -> Changed | Refused:
        """Return the notebook without a cell."""
        parts = self.array.parts
        if len(parts) == 1:
            text = self.text[: self.array.start] + "[]" + self.text[self.array.end :]
        elif number:
            text = self.text[: parts[number - 1].end] + self.text[parts[number].end :]
        else:
            text = self.text[: parts[0].start] + self.text[parts[1].start :]
        return Changed(text, self.cells[number], None)

    def _changed(self, text: str, number: int, *, is_new: bool = False) -> Changed | Refused:
        book = _read(text)
        if isinstance(book, Refused):
            return book
        return Changed(text, None if is_new else self.cells[number], book.cells[number])

    def _sibling(self, kind: str) -> Container | None:
        """Return a cell to write a new one like: one of its kind if there is any."""
        alike = [cell.number for cell in self.cells if cell.kind == kind]
        if not self.cells:
            return None
        return container(self.text, self.array.parts[alike[0] if alike else 0].start)

    def _object(self, members: dict[str, str], order: list[str], like: Container | None) -> str:
        """Return the text of a cell; its keys stand as in `order`, others where they sort."""
        keys = [key for key in dict.fromkeys(order) if key in members]
        for key in sorted(members.keys() - set(keys)):
            at = next((i for i, other in enumerate(keys) if other > key), len(keys))
            keys.insert(at, key)
        layout = self.nest.layout(2)
        if like and like.parts:
            layout = _layout(self.text, like)
        return layout.join("{}", [json.dumps(key) + layout.colon + members[key] for key in keys])

    def _source(self, old: Span, source: str) -> str:
        """Return the JSON of a source, written as the cell had it."""
        if isinstance(old.value, str):
            return self._string(source)
        parts = container(self.text, old.start)
        layout = _layout(self.text, parts) if parts.parts else self.nest.layout(3)
        known = {part.value: self.text[part.start : part.end] for part in parts.parts}
        lines = source.splitlines(keepends=True)
        return layout.join("[]", [known.get(line) or self._string(line) for line in lines])

    def _lines(self, source: str) -> str:
        """Return the JSON of a new cell's source: as the other cells have theirs."""
        sources = [_dict(part.value).get("source") for part in self.array.parts]
        if sources and all(isinstance(one, str) for one in sources):
            return self._string(source)
        lines = [self._string(line) for line in source.splitlines(keepends=True)]
        return self.nest.layout(3).join("[]", lines)

    def _string(self, value: str) -> str:
        is_ascii = self.text.isascii() and bool(_ESCAPED.search(self.text))
        if not is_ascii:
            try:
                value.encode()
            except UnicodeEncodeError:  # a lone surrogate, which only an escape can hold
                is_ascii = True
        return json.dumps(value, ensure_ascii=is_ascii)

    def _new_id(self, number: int, source: str) -> str:
        """Return an id that no cell has; the same for the same edit of the same text."""
        taken = {cell.id for cell in self.cells}
        seed = hashlib.sha256(self.text.encode("utf-8", "surrogatepass"))
        seed.update(f"{number}\0{source}".encode("utf-8", "surrogatepass"))
        while (new := seed.hexdigest()[:8]) in taken or new.isdecimal():
            seed.update(b"again")
        return new


class _Nest(Record):
    """How the notebook is indented."""

    unit: str
    """Of one level; empty if all stands in one line."""
    newline: str
    """Empty if all stands in one line."""
    comma: str
    colon: str

    def layout(self, depth: int) -> _Layout:
        """Return the layout of what stands at a depth: 1 for the list of cells."""
        inner = self.newline + self.unit * (depth + 1)
        outer = self.newline + self.unit * depth
        between = f",{inner}" if self.newline else self.comma
        return _Layout(inner, between, outer, self.colon)


def _read(text: str, output_characters: int = OUTPUT_CHARACTERS) -> _Book | Refused:
    try:
        top = container(text)
        if text[top.end :].strip(" \t\r\n"):
            return _malformed("something stands behind its end")
    except json.JSONDecodeError as error:
        return _malformed(f"line {error.lineno}, column {error.colno}: {error.msg}")
    except (ValueError, RecursionError) as error:
        return _malformed(str(error))
    form = top.part("nbformat")
    if form and isinstance(form.value, int) and form.value < 4:
        return _malformed(
            f"it has the old format {form.value}; "
            "`jupyter nbconvert --to notebook --inplace` makes it a present one"
        )
    listed = top.part("cells")
    if not listed or not isinstance(listed.value, list):
        return _malformed("it has no list of cells")
    array = container(text, listed.start)
    found = []
    for number, part in enumerate(array.parts):
        if not isinstance(part.value, dict) or not _has_source(part.value):
            return _malformed(f"cell {number} is no cell with a source")
        found.append(_cell(number, part.value, output_characters))
    version = (_number(top.part("nbformat")), _number(top.part("nbformat_minor")))
    metadata = top.part("metadata")
    info = _dict(_dict(metadata.value if metadata else None).get("language_info"))
    return _Book(
        text,
        array,
        tuple(found),
        version >= (4, 5),
        _text(info.get("name")),
        _text(info.get("file_extension")),
        _nest(text, top),
    )


def _nest(text: str, top: Container) -> _Nest:
    first = top.parts[0]
    opening = text[top.start + 1 : first.key_start]
    newline = "\r\n" if "\r\n" in opening else "\n" if "\n" in opening else ""
    layout = _layout(text, top)
    comma = layout.between if len(top.parts) > 1 else ", "
    unit = opening.rpartition("\n")[2] if newline else ""
    return _Nest(unit, newline, comma, layout.colon)


def _layout(text: str, whole: Container) -> _Layout:
    """Return how a container that is not empty is laid out."""
    parts = whole.parts
    starts = [part.key_start if part.key_start >= 0 else part.start for part in parts[:2]]
    opening = text[whole.start + 1 : starts[0]]
    between = text[parts[0].end : starts[1]] if len(parts) > 1 else f",{opening}"
    colon = ""
    if parts[0].key_start >= 0:
        colon = text[skip_string(text, parts[0].key_start) : parts[0].start]
    return _Layout(opening, between, text[parts[-1].end : whole.end - 1], colon)


def _spliced(text: str, updates: Sequence[tuple[int, int, str]]) -> str:
    pieces, at = [], 0
    for start, end, new in sorted(updates):
        pieces += [text[at:start], new]
        at = end
    return "".join([*pieces, text[at:]])


def _cell(number: int, value: dict[str, object], output_characters: int) -> Cell:
    count = value.get("execution_count")
    outputs = value.get("outputs")
    outputs = outputs if isinstance(outputs, list) else []
    shown = [_output(_dict(one), output_characters) for one in outputs[:_SHOWN_OUTPUTS]]
    if len(outputs) > _SHOWN_OUTPUTS:
        shown.append(f"[and {len(outputs) - _SHOWN_OUTPUTS} more outputs]")
    return Cell(
        number,
        _text(value.get("id")),
        _text(value.get("cell_type")),
        _joined(value.get("source")),
        tuple(shown),
        count if isinstance(count, int) else None,
    )


def _output(value: dict[str, object], characters: int) -> str:
    """Return an output in short: its text if it has one, of other data only the kind."""
    if value.get("output_type") == "error":
        return f"{_text(value.get('ename'))}: {_text(value.get('evalue'))}"[:characters]
    data = _dict(value.get("data"))
    text = _joined(value.get("text") or data.get("text/plain") or "")
    text = _ANSI.sub("", text).rstrip("\n")
    if len(text) > characters:
        text = f"{text[:characters]} [and {len(text) - characters:,} characters more]"
    others = ", ".join(key for key in data if key != "text/plain")
    return "\n".join(part for part in (text, f"[{others}]" if others else "") if part)


def _title(cell: Cell) -> str:
    count = f" [{cell.execution_count}]" if cell.execution_count is not None else ""
    return f"#{cell.number} {cell.kind}{f' id={cell.id}' if cell.id else ''}{count}"


def _first_line(source: str) -> str:
    line = source.strip().partition("\n")[0]
    return line if len(line) <= 80 else f"{line[:80]}…"


def _malformed(why: str) -> Refused:
    return Refused(
        Reason.MALFORMED,
        f"This is no notebook that can be edited by cell: {why}. "
        "Nothing was changed. Edit it as text, or with a shell command.",
    )


def _no_kind(kind: str) -> Refused:
    return Refused(
        Reason.MALFORMED,
        f"{kind!r} is no kind of cell, so nothing was changed. The kinds are {', '.join(KINDS)}.",
    )


def _has_source(value: dict[str, object]) -> bool:
    source = value.get("source")
    return isinstance(source, str) or (
        isinstance(source, list) and all(isinstance(line, str) for line in source)
    )


def _joined(value: object) -> str:
    """Return a text that a notebook holds as a list of lines or as one string."""
    return "".join(map(_text, value)) if isinstance(value, list) else _text(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _number(part: Span | None) -> int:
    return part.value if part and isinstance(part.value, int) else 0


def _count(cells: int) -> str:
    return f"{cells} cell{'s' if cells != 1 else ''}"
