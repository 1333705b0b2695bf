"""How a run ended, in words: the exit codes of the command-line contract."""

from __future__ import annotations

from qcode.headless.ended import Ended

MEANINGS = {
    0: "finished",
    1: "the agent finished but a verification failed, or it gave up",
    2: "wrong usage or unreadable configuration",
    3: "the provider failed for good",
    4: "a budget was reached",
    5: "the sandbox asked for cannot be had",
    6: "a protected file was changed by the run",
    130: "interrupted; the session is saved",
    143: "terminated; the session is saved",
}


def meaning(ended: Ended) -> str:
    """Return what the exit code says, in a few words."""
    if ended.exit_code == 0 and ended.verification:
        return "finished; every verification passed"
    return MEANINGS.get(ended.exit_code, f"ended with exit code {ended.exit_code}")


def headline(ended: Ended) -> str:
    """Return the verdict in a word or three."""
    if ended.exit_code == 0:
        return "verified" if ended.verification else "finished"
    if ended.violations:
        return "not accepted"
    if any(not outcome.passed for outcome in ended.verification):
        return "verification failed"
    return "not finished"
