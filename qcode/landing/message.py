"""The message of a commit: written by the model from the change, in the repository's own style."""

from __future__ import annotations

import asyncio
import os
import re
import unicodedata
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from qcode.errors import QcodeError
from qcode.messages import UserMessage
from qcode.prompts import load
from qcode.providers import Done, Request, Retry, TextPart

if TYPE_CHECKING:
    from qcode.agent import Agent
    from qcode.agent import Record as History

RECENT = 8
"""Subjects of earlier commits that show the style."""
_SUBJECT = 72
"""Characters of a subject; the width most tools show whole."""
_TOKENS = 400
_TIMEOUT_S = 180.0
_LABEL = re.compile(r"^(?:commit message|subject|message)\s*:\s*", re.IGNORECASE)
_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]?"
)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Kinds of characters that a person does not see, or that a terminal obeys."""
_KEPT = "\n\t\u200d"
"""Such characters that stay; the last one joins emoji."""
_NO_MESSAGE = re.compile(
    r"""
    (?:i|we)\ (?:can(?:not|['’]t|\ not)?|could|am|was|have|will|would|do|did|need|
        edited|changed|made|added|fixed|updated|removed)(?:n['’]t)?\b
    | (?:i|we)['’](?:m|ve|ll|d|re)\b
    | (?:i['’]?m\ )?sorry\b | unfortunately\b | as\ an\ ai\b
    | (?:sure|okay|certainly)[,.!]
    | (?:the|this|your|all|that)\b.*\b(?:is|are|was|were|has\ been|have\ been)\ (?:now\ )?
        (?:done|complete|completed|finished|made|ready)\ *(?:[.!]|$)
    | (?:done|finished|completed)[.!]?$
    | (?:nothing|no\ changes?)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""How an answer begins that talks to a person instead of saying what a change does."""
_CONVENTIONAL = re.compile(r"(\w+)(\([\w./-]+\))?!?: ")


def recent_subjects(root: Path) -> list[str]:
    """Return the first lines of the newest commits, merges aside; none where there is no commit."""
    import git

    try:
        repository = git.Repo(root, search_parent_directories=True)
        with repository:
            newest = repository.iter_commits(max_count=RECENT, no_merges=True)
            return [str(commit.summary)[:120] for commit in newest]
    except (git.GitError, ValueError, OSError):
        return []


async def write_message(
    agent: Agent, history: History, files: Sequence[str], subjects: Sequence[str]
) -> tuple[str, Done]:
    """Return a message for a change of these files, and the end of the answer with its tokens.

    The question goes behind the conversation, whose beginning the server still
    holds. An answer that is no message is replaced by a plain one.
    """
    shown = "\n".join(subjects) or "(there is no commit yet)"
    question = load("commit_message", files="\n".join(files[:60]), subjects=shown)
    request = Request(
        agent.system,
        [*history.messages, UserMessage(question)],
        agent.specs,
        min(_TOKENS, agent.max_output_tokens),
    )
    pieces: list[str] = []
    done = Done()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            async with aclosing(agent.provider.stream(request)) as stream:  # type: ignore[type-var]
                async for part in stream:
                    if isinstance(part, TextPart):
                        pieces.append(part.text)
                    elif isinstance(part, Retry):
                        pieces.clear()
                    elif isinstance(part, Done):
                        done = part
    except (QcodeError, TimeoutError):
        pieces.clear()  # the work is done; a plain message is better than no commit
    return cleaned("".join(pieces)) or plain_message(files, subjects), done


def cleaned(text: str) -> str:
    """Return the message in a model's answer, or nothing if there is none."""
    text = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    text = "".join(c for c in text if c in _KEPT or unicodedata.category(c) not in _INVISIBLE)
    # A thought that does not end has taken all there was room for.
    text = re.sub(r"<think>.*?(</think>|\Z)", "", text, flags=re.DOTALL)
    text = text.rpartition("</think>")[2].strip()
    fenced = re.search(r"```\w*\n(.*?)\n```", text, re.DOTALL)
    if fenced:
        text = fenced[1].strip()
    if not text or re.search(r"<tool_call>|<function=|^\s*\{", text):
        return ""
    rows = [row.rstrip() for row in text.split("\n")]
    subject = _LABEL.sub("", rows[0]).strip().strip("\"'`*").strip()
    body = "\n".join(rows[1:]).strip()
    if not subject or len(subject) > 2 * _SUBJECT or subject.endswith(":"):
        return ""
    if _NO_MESSAGE.match(subject):
        return ""
    if len(subject) > _SUBJECT:
        cut = subject.rfind(" ", 0, _SUBJECT)
        subject = subject[: cut if cut > 20 else _SUBJECT]
    return f"{subject}\n\n{body[:2000]}" if body else subject


def plain_message(files: Sequence[str], subjects: Sequence[str]) -> str:
    """Return a message that says which files changed, in the form of the earlier ones."""
    names = [os.path.basename(path) for path in files]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    what = " and ".join(names[:2]) if not more else ", ".join(names[:2]) + more
    conventional = [match for subject in subjects if (match := _CONVENTIONAL.match(subject))]
    if subjects and len(conventional) * 2 > len(subjects):
        return f"chore: update {what}"[:_SUBJECT]
    return f"Update {what}"[:_SUBJECT]
