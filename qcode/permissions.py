"""Approval modes to allow, ask or deny; pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

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
    """Never ask."""


class Verdict(StrEnum):
    """What is to be done with a call."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class Permission(NamedTuple):
    """A verdict and why, in words for the model and the person."""

    verdict: Verdict
    reason: str


def permission(
    mode: Mode, effect: Effect, outside: tuple[str, ...], guarded: tuple[str, ...] = ()
) -> Permission:
    """Return what a mode says of a call.

    `outside` are the paths the call concerns that lie outside the workspace,
    `guarded` those that decide what is run or allowed later (`.git`, `.qcode`).
    No mode crosses that border unasked: what may be touched is another
    question than whether to ask, so yolo denies where others ask.
    """
    kind = effect.value
    if mode is Mode.PLAN and kind in ("edit", "execute"):
        return Permission(Verdict.DENY, "plan mode only reads; describe the change instead")
    if outside:
        reason = f"{outside[0]} is outside the workspace"
        verdict = Verdict.DENY if mode is Mode.YOLO else Verdict.ASK
        return Permission(verdict, reason)
    if guarded and kind == "edit":
        reason = f"{guarded[0]} decides what is run or allowed later"
        return Permission(Verdict.DENY if mode is Mode.YOLO else Verdict.ASK, reason)
    if kind in ("read", "state") or mode is Mode.YOLO:
        return Permission(Verdict.ALLOW, "")
    if kind == "edit":
        if mode is Mode.AUTO_EDIT:
            return Permission(Verdict.ALLOW, "")
        return Permission(Verdict.ASK, "it changes files")
    return Permission(Verdict.ASK, "it runs a command")
