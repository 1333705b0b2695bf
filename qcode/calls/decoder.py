"""One answer's stream, from deltas to text, reasoning and calls that can be run.

Calls come structured, in the text or in the reasoning, whatever the server was
asked for; all three are always read. What may be shown is given out as it
comes; which calls there are is decided at the end of the answer, since only
then promotion, doubles and cuts can be told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import groupby
from typing import TypeAlias

from qcode.calls.cursor import Ending
from qcode.calls.disclaims import disclaims
from qcode.calls.formats import strays
from qcode.calls.found import CONTENT, REASONING, Fault, Found
from qcode.calls.native import Assembler, CallBegun, CallGrew
from qcode.calls.offered import Offered
from qcode.calls.scanner import Calls, Closed, Item, Scanner, Text
from qcode.calls.settle import Settled, settle
from qcode.calls.values import unknown, violations
from qcode.messages import JsonObject, ToolCall
from qcode.providers import CallPart, ReasoningPart, TextPart
from qcode.record import Record

_JOINED = 64
"""So many items are kept as they came, before texts among them are joined."""


class TextShown(Record):
    """The next piece of the answer's text; none of it is a call."""

    text: str


class ReasoningShown(Record):
    """The next piece of the reasoning."""

    text: str


Shown: TypeAlias = TextShown | ReasoningShown | CallBegun | CallGrew


class DecodedCall(Record):
    """One call of the answer: to be run, or with a `fault` to be answered with."""

    call: ToolCall
    """As it goes into the history: a name, and arguments that are a JSON object."""
    fault: Fault = Fault.NONE
    detail: str = ""
    notes: tuple[str, ...] = ()
    """What was repaired."""
    format: str = ""
    """`structured`, or the name of the textual form."""
    is_promoted: bool = False
    """Whether it stood at the end of the reasoning."""


class Decoded(Record):
    """A whole answer."""

    text: str
    reasoning: str
    calls: tuple[DecodedCall, ...]
    fault: str = ""
    """`empty` or `truncated` if there is neither text nor a call."""


_PEEK = re.compile(
    r"""<(?:function|invoke)(?:=|\s+name=)["']?([\w.\-]+)|["']name["']\s*:\s*["']([\w.\-]+)["']"""
    r"""|[\[>]\s*(?:functions\.)?([\w.\-]+)"""
)


class Decoder:
    """Decodes one answer.

    `schemas` are the offered tools: name to JSON Schema of the arguments; with
    none, text is text. `new_id` makes an id for a call that has none of its own
    or one that was used before in the session (`taken`). With an `owner`, files and commands
    that stand in the text are calls where no other is found (`qcode.calls.written`); the text
    keeps them, so that the model finds its words again as it wrote them.
    """

    def __init__(
        self,
        schemas: Mapping[str, JsonObject],
        new_id: Callable[[], str],
        *,
        taken: Collection[str] = (),
        owner: Callable[[str], str] | None = None,
    ) -> None:
        self._offered = Offered(schemas)
        self._owner = owner
        self._new_id = new_id
        self._taken = taken
        self._structured = Assembler(self._offered)
        self._content = Scanner(self._offered)
        self._reasoning: Scanner | None = None
        self._content_items: list[Item] = []
        self._reasoning_items: list[Item] = []
        self._loose = 0
        """Items kept since texts were last joined."""
        self._begun = 0
        self._peeked = False

    def feed(self, part: TextPart | ReasoningPart | CallPart) -> Iterable[Shown]:
        """Take the next delta; return what can be shown by it."""
        match part:
            case TextPart(text):
                if not self._offered:
                    self._keep(self._content_items, [Text(CONTENT, text)])
                    return (TextShown(text),) if text else ()
                items = self._content.feed(text)
                self._keep(self._content_items, items)
                return self._shown(items)
            case ReasoningPart(text):
                if self._reasoning is None:
                    self._reasoning = Scanner(self._offered, REASONING)
                items = self._reasoning.feed(text)
                self._keep(self._reasoning_items, items)
                return self._shown(items)
            case CallPart():
                return self._structured.feed(part)

    def _keep(self, kept: list[Item], items: list[Item]) -> None:
        """Keep items, texts joined now and then: a text of one token is mostly overhead."""
        kept += items
        self._loose += len(items)
        if self._loose >= _JOINED:
            self._loose = 0
            kept[-_JOINED:] = _joined(kept[-_JOINED:])

    def finish(self, finish_reason: str | None) -> tuple[tuple[Shown, ...], Decoded]:
        """The stream has ended; return what is left to show, and the whole.

        Without a finish reason, and with `length`, what is open was cut.
        """
        ending = Ending.CUT if finish_reason in (None, "length") else Ending.NATURAL
        rest = self._content.finish(ending)
        thoughts = self._reasoning.finish(ending) if self._reasoning else []
        self._content_items += rest
        self._reasoning_items += thoughts
        return tuple(self._shown([*thoughts, *rest])), self._decoded(ending)

    def _shown(self, items: list[Item]) -> list[Shown]:
        out: list[Shown] = []
        for item in items:
            if isinstance(item, Text) and item.text:
                is_content = item.channel == CONTENT
                out.append(TextShown(item.text) if is_content else ReasoningShown(item.text))
            elif isinstance(item, Calls) and item.channel == CONTENT:
                self._begun += len(item.region.calls)
                self._peeked = False
        # A call that is being written is announced by its name, as soon as that is known.
        if not self._peeked and (held := self._content.held):
            match = _PEEK.search(held)
            name = next((g for g in match.groups() if g), "") if match else ""
            if name in self._offered:
                self._peeked = True
                out.append(CallBegun(self._begun, name))
        return out

    def _decoded(self, ending: Ending) -> Decoded:
        thoughts, said = _divide(self._content_items)
        thoughts = [*self._reasoning_items, *thoughts]
        structured = [self._settled(found, ending) for found in self._structured.found()]
        calls: list[tuple[Settled, str]] = [(call, "structured") for call in structured]
        text, written = self._written(said, structured, ending)
        calls = calls or written
        if self._owner is not None and not calls:
            calls = self._in_text(text, ending)
        promoted = False
        kept = len(thoughts)
        if not calls and not text.strip() and ending is Ending.NATURAL:
            kept, calls = self._promoted(thoughts)
            promoted = bool(calls)
        reasoning = "".join(_raw(item) for item in thoughts[:kept])
        if promoted:
            reasoning = reasoning.strip()
        fault = ""
        if not calls and not text.strip():
            fault = "empty" if ending is Ending.NATURAL else "truncated"
        return Decoded(text, reasoning, self._named(calls, promoted), fault)

    def _settled(self, found: Found, ending: Ending) -> Settled:
        return settle(found, self._offered, ending)

    def _written(
        self, said: list[Item], structured: list[Settled], ending: Ending
    ) -> tuple[str, list[tuple[Settled, str]]]:
        """Return the text without calls, and the calls that stood in it.

        Beside structured calls no other is taken: what says the same is dropped.
        """
        groups = [item for item in said if isinstance(item, Calls)]
        wrapped = any(not item.region.is_bare for item in groups)
        calls: list[tuple[Settled, str]] = []
        pieces: list[str] = []
        removed = len(said) > 1 and any(not isinstance(item, Text) for item in said)
        for item in said:
            if not isinstance(item, Calls):
                pieces.append(_raw(item))
                continue
            settled = [self._settled(found, ending) for found in item.region.calls]
            if structured:
                taken = all(_is_among(call, structured) for call in settled)
            else:
                taken = not (wrapped and item.region.is_bare) and not disclaims("".join(pieces))
                calls += [(call, item.format) for call in settled] if taken else []
            removed = removed or taken
            if not taken:
                pieces.append(item.text)
        text = "".join(pieces)
        return (strays.strip(text) if calls or removed else text), calls

    def _in_text(self, text: str, ending: Ending) -> list[tuple[Settled, str]]:
        """Return the files and commands that stand in the text as such."""
        assert self._owner is not None
        from qcode.calls.written import FORMAT, written

        found = written(text, self._owner, cut=ending is Ending.CUT)
        return [(self._settled(call, ending), FORMAT) for call in found]

    def _promoted(self, thoughts: list[Item]) -> tuple[int, list[tuple[Settled, str]]]:
        """Return how many items of the reasoning stay, and the whole, valid calls at its end."""
        kept = len(thoughts)
        while kept and (
            isinstance(thoughts[kept - 1], Calls) or not _raw(thoughts[kept - 1]).strip()
        ):
            kept -= 1
        if disclaims("".join(_raw(item) for item in thoughts[:kept][-20:])):
            return len(thoughts), []
        calls: list[tuple[Settled, str]] = []
        for item in thoughts[kept:]:
            if not isinstance(item, Calls):
                continue
            for found in item.region.calls:
                call = self._settled(found, Ending.NATURAL)
                if call.fault is not Fault.NONE or not call.is_exact:
                    return len(thoughts), []
                schema = self._offered.schema(call.name)
                if violations(call.arguments, schema) or unknown(call.arguments, schema):
                    return len(thoughts), []
                calls.append((call, item.format))
        return (kept, calls) if calls else (len(thoughts), [])

    def _named(self, calls: list[tuple[Settled, str]], promoted: bool) -> tuple[DecodedCall, ...]:
        """Give each call an id that no other call of the session has."""
        out: list[DecodedCall] = []
        used: set[str] = set()
        for call, form in calls:
            call_id = call.id
            if not call_id or call_id in used or call_id in self._taken:
                call_id = self._new_id()
            used.add(call_id)
            out.append(
                DecodedCall(
                    ToolCall(call_id, call.name, call.text),
                    call.fault,
                    call.detail,
                    call.notes,
                    form,
                    promoted,
                )
            )
        return tuple(out)


def _channel_of_text(item: Item) -> str:
    return item.channel if isinstance(item, Text) else ""


def _joined(items: list[Item]) -> list[Item]:
    """Return the items with texts of one channel that follow each other as one."""
    out: list[Item] = []
    for channel, group in groupby(items, _channel_of_text):
        run = list(group)
        out += [Text(channel, "".join(map(_raw, run)))] if channel else run
    return out


def _divide(items: list[Item]) -> tuple[list[Item], list[Item]]:
    """Return what was thought and what was said."""
    thoughts: list[Item] = []
    said: list[Item] = []
    for item in items:
        if isinstance(item, Closed):
            thoughts += said
            said = []
        elif item.channel == REASONING:
            thoughts.append(item)
        else:
            said.append(item)
    return thoughts, said


def _raw(item: Item) -> str:
    return "" if isinstance(item, Closed) else item.text


def _is_among(call: Settled, others: list[Settled]) -> bool:
    return any(call.name == other.name and call.arguments == other.arguments for other in others)
