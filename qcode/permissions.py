"""Approval modes to allow, ask or deny; pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from qcode.record import Record

if TYPE_CHECKING:
    from qcode.tools.base import Effect


class Mode(StrEnum):
    """How much is done without asking."""

    PLAN = "plan"
    """Read-only tools alone."""
    DEFAULT = "default"
    """Ask before edits and commands."""
    AUTO_EDIT = "auto-edit"
    """Ask before commands."""
    YOLO = "yolo"
    """Ask only about what no mode allows by itself."""


class Verdict(StrEnum):
    """What is to be done with a call."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class Permission(NamedTuple):
    """A verdict and why, in words for the model and the person."""

    verdict: Verdict
    reason: str
    each_time: bool = False
    """Whether a yes is for this call alone: the next one is asked about again."""


class Findings(Record):
    """What was found out about a call, each as a reason to ask; empty where there is none."""

    denied: str = ""
    """A rule denies it."""
    outside: str = ""
    """It leaves the workspace."""
    hidden: str = ""
    """It reads what is hidden."""
    guarded: str = ""
    """It writes to what decides what is run or allowed later."""
    beyond: str = ""
    """It wants more than the sandbox gives."""
    destroys: str = ""
    """It loses work for good."""
    asked: str = ""
    """A rule says to ask."""
    is_allowed: bool = False
    """A rule allows it."""
    is_reading: bool = False
    """It is a command that certainly only reads, and the sandbox holds it."""


def permission(mode: Mode, effect: Effect, found: Findings = Findings()) -> Permission:  # noqa: B008
    """Return what a mode says of a call.

    What may be touched is another question than whether to ask: no mode leaves the
    workspace or the sandbox, or loses work for good, without a person's word.
    """
    kind = effect.value
    if found.denied:
        return Permission(Verdict.DENY, found.denied)
    changes = kind in ("edit", "external") or (kind == "execute" and not found.is_reading)
    if mode is Mode.PLAN and (changes or found.beyond):
        return Permission(Verdict.DENY, "plan mode only reads; describe the change instead")
    guarded = found.guarded if kind == "edit" else ""
    each_time = (found.outside, found.hidden, guarded, found.beyond, found.destroys, found.asked)
    if reasons := [reason for reason in each_time if reason]:
        return Permission(Verdict.ASK, "; ".join(reasons), each_time=True)
    if kind in ("read", "state") or mode is Mode.YOLO or found.is_allowed or found.is_reading:
        return Permission(Verdict.ALLOW, "")
    if kind == "edit":
        if mode is Mode.AUTO_EDIT:
            return Permission(Verdict.ALLOW, "")
        return Permission(Verdict.ASK, "it changes files")
    if kind == "external":
        return Permission(Verdict.ASK, "it is done outside the sandbox, by whoever offers it")
    return Permission(Verdict.ASK, "it runs a command")
