"""What a hook answers: by its exit code, or by JSON on stdout."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

from qcode.escapes import plain
from qcode.record import Record
from qcode.sandbox.child import Done

LONGEST = 10_000
"""Characters of what a hook says that are taken."""
BLOCKS = 2
"""The exit code by which a hook blocks; stderr says why."""

Verdict: TypeAlias = Literal["", "allow", "ask", "deny"]


class Answer(Record):
    """What one hook, or several, want."""

    verdict: Verdict = ""
    """Of a call; nothing: as if there were no hook."""
    blocks: str = ""
    """Why what it was run for is not to be; empty: it may."""
    context: str = ""
    """What the model is to be told besides."""
    arguments: dict[str, Any] | None = None
    """What a call is to be given instead."""
    halts: str = ""
    """Why the turn is to end; empty: it goes on."""
    note: str = ""
    """What the person is to be told."""
    problem: str = ""
    """How the hook failed; that blocks nothing."""


def read(done: Done, event: str) -> Answer:
    """Return what a hook that has ended wants."""
    out, err = _text(done.stdout), _text(done.stderr)
    if done.returncode == BLOCKS:
        return Answer("deny", blocks=err or "it gave no reason")
    if done.returncode != 0:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit {done.returncode}"
        last = err.splitlines()[-1][:200] if err else ""
        return Answer(problem=f"it failed ({how}{f': {last}' if last else ''})")
    if not out.startswith("{"):
        # What it prints is told to the model where there is something to add to.
        adds = event in ("UserPromptSubmit", "SessionStart")
        return Answer(context=out if adds else "")
    try:
        told = json.loads(done.stdout)
    except (ValueError, RecursionError) as error:
        return Answer(problem=f"it printed JSON that cannot be read: {error}")
    return _of(told, event) if isinstance(told, dict) else Answer()


def _of(told: dict[str, Any], event: str) -> Answer:
    its = told.get("hookSpecificOutput")
    special = its if isinstance(its, dict) else {}
    reason = _words(told.get("reason"))
    note = _words(told.get("systemMessage"))
    halts = ""
    if told.get("continue") is False:
        halts = _words(told.get("stopReason")) or reason or "it gave no reason"
    context = _words(special.get("additionalContext"))
    verdict: Verdict = ""
    blocks, arguments = "", None
    wanted = special.get("permissionDecision")
    if event == "PermissionRequest" and isinstance(special.get("decision"), dict):
        decision = special["decision"]
        wanted = decision.get("behavior")
        reason = _words(decision.get("message")) or reason
        special = {**special, "updatedInput": decision.get("updatedInput")}
    if wanted in ("allow", "ask", "deny"):
        verdict = wanted
        reason = _words(special.get("permissionDecisionReason")) or reason
    elif told.get("decision") in ("block", "deny"):
        verdict = "deny"
    elif told.get("decision") in ("approve", "allow"):
        verdict = "allow"
    if verdict == "deny":
        blocks = reason or "it gave no reason"
    elif isinstance(special.get("updatedInput"), dict):
        arguments = special["updatedInput"]
    return Answer(
        verdict, blocks, context, arguments, halts, note or (reason if verdict == "ask" else "")
    )


def together(answers: list[Answer]) -> Answer:
    """Return what several hooks want of one thing: the strictest counts, words add up."""
    order: tuple[Verdict, ...] = ("deny", "ask", "allow")
    given = {one.verdict for one in answers}
    verdict: Verdict = next((each for each in order if each in given), "")

    def joined(texts: list[str]) -> str:
        return "\n".join(dict.fromkeys(filter(None, texts)))

    return Answer(
        verdict,
        joined([one.blocks for one in answers]),
        joined([one.context for one in answers]),
        next((one.arguments for one in reversed(answers) if one.arguments is not None), None),
        joined([one.halts for one in answers]),
        joined([one.note for one in answers]),
        joined([one.problem for one in answers]),
    )


def _text(data: bytes) -> str:
    return plain(data.decode("utf-8", "replace")).strip()[:LONGEST]


def _words(value: Any) -> str:
    return plain(value).strip()[:LONGEST] if isinstance(value, str) else ""
