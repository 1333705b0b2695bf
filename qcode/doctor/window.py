"""How much context there really is: what the server says, and whether a long prompt arrives."""

from __future__ import annotations

import math

from qcode.doctor.advice import fix
from qcode.doctor.answer import ask
from qcode.doctor.check import Check, Status
from qcode.doctor.server import OLLAMA, Server
from qcode.errors import ProviderError, ProviderFault
from qcode.messages import UserMessage
from qcode.prompts import load
from qcode.providers import Provider, Request
from qcode.record import Record

TOO_SMALL, SMALL = 8_192, 16_384
"""Tokens: qcode's own prompt and one large file fill the first."""

_USUAL_CUT = 4_096
"""Tokens that Ollama serves where nobody has asked for more."""

_DEEP_MOST = 24_000
"""Tokens sent at most; a laptop reads them for a quarter of an hour."""

_FEW, _MORE = 2, 30
"""Sentences of the two prompts that say how many tokens a sentence has."""

_WHOLE = 0.9
"""A prompt of which less is reported has been cut; templates and merges account for the rest."""


class Arrival(Record):
    """What became of a long prompt."""

    sent: int
    """Tokens, estimated from shorter prompts of the same sentence."""
    reported: int
    """Tokens the server says it read; 0 if it refused them."""

    @property
    def is_cut(self) -> bool:
        return 0 < self.reported < self.sent * _WHOLE


def context(server: Server) -> Check:
    """Judge the window that the server states."""
    figures = {"tokens": server.window, "trained": server.trained, "source": server.window_source}
    if server.window is None:
        most = f"; the model could take {server.trained:,}" if server.trained else ""
        finding = f"the server does not say{most}"
        advice = "set context_window in your configuration, or try `qcode doctor --deep`"
        return Check("context window", "warn", finding, advice, figures)
    finding = f"{server.window:,} tokens ({server.window_source})"
    if server.trained and server.trained > server.window:
        finding += f"; the model could take {server.trained:,}"
    if server.window >= SMALL:
        return Check("context window", "ok", finding, "", figures)
    status: Status = "fail" if server.window < TOO_SMALL else "warn"
    if server.trained and server.trained <= server.window:
        advice = "take a model that was trained for more"
    else:
        advice = fix("window", server.kind, trained=server.trained)
    return Check("context window", status, f"{finding}: little for an agent", advice, figures)


def is_suspect(server: Server) -> bool:
    """Whether a long prompt is worth its time without being asked for."""
    return server.kind == OLLAMA


def tokens_to_send(server: Server, *, deep: bool) -> int:
    """Return how long the prompt should be."""
    beyond_usual = _USUAL_CUT + 1_000
    if not deep:
        return beyond_usual
    if server.window is None:
        return 2 * beyond_usual
    return min(_DEEP_MOST, max(beyond_usual, math.ceil(server.window * 1.15)))


async def send_long(provider: Provider, tokens: int) -> Arrival | None:
    """Send a prompt of about so many tokens; None if the server counts nothing.

    How many tokens a sentence has is taken from two short prompts, so that no
    tokenizer is needed.

    Raises:
        ProviderError: a request failed, other than because the prompt is too long.
    """
    few = await _read(provider, _FEW)
    more = await _read(provider, _MORE)
    each = (more - few) / (_MORE - _FEW)
    # Without counts, or with counts that do not grow, nothing can be said.
    if not few or each < 2:
        return None
    around = few - _FEW * each
    sentences = math.ceil((tokens - around) / each)
    sent = round(around + sentences * each)
    try:
        return Arrival(sent, await _read(provider, sentences))
    except ProviderError as error:
        if error.fault is ProviderFault.CONTEXT_TOO_LONG:
            return Arrival(sent, 0)
        raise


async def _read(provider: Provider, sentences: int) -> int:
    """Return how many tokens the server says a prompt of so many sentences has."""
    # The count stands first: servers that leave out cached tokens find none.
    text = f"{sentences}. " + " ".join([load("doctor/sentence")] * sentences)
    message = UserMessage(f"{text}\n\n{load('doctor/ready')}")
    answer = await ask(provider, Request("", [message], (), max_tokens=1))
    return answer.usage.input_tokens


def long_prompt(arrival: Arrival | None, server: Server) -> Check:
    """Judge what became of a long prompt."""
    name = "long prompt"
    if arrival is None:
        return Check(name, "skip", "the server does not say how many tokens it read")
    figures = {"sent_tokens": arrival.sent, "reported_tokens": arrival.reported}
    sent = f"about {arrival.sent:,} tokens"
    if arrival.reported == 0:
        return Check(name, "ok", f"{sent} are refused, not cut in silence", "", figures)
    if not arrival.is_cut:
        return Check(name, "ok", f"{sent} arrived whole", "", figures)
    finding = f"{sent} were sent and {arrival.reported:,} read: the server cuts in silence"
    return Check(name, "fail", finding, fix("window", server.kind, trained=server.trained), figures)


def true_window(server: Server, arrival: Arrival | None) -> int | None:
    """Return the window to count on: what is stated, unless a prompt that fits it was cut."""
    if arrival is None or not arrival.is_cut:
        return server.window
    # What exceeds the window may be cut to half of it; what does not must arrive.
    if server.window is not None and server.window < arrival.sent:
        return server.window
    return arrival.reported
