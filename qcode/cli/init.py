"""`/init`: what the model is asked so that it writes the project's AGENTS.md."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from qcode.escapes import with_tags_seen
from qcode.manifests import PURPOSES, project
from qcode.memory.files import NAMES
from qcode.prompts import load
from qcode.tiers import Tier, tier_for
from qcode.tools.ignore import rules_at

if TYPE_CHECKING:
    from qcode.session import Session

FILE = "AGENTS.md"
ENTRIES = 40
"""At the top of the workspace, told at most."""
_LINES = {"8k": 25, "16k": 40}
"""That the file may have, by the tier of the model's window."""
_USUALLY = 60


def init_message(session: Session, wishes: str = "") -> str:
    """Return the message of a turn that writes AGENTS.md, or makes the present one better.

    `wishes` is what the person adds. Reads the repository's map, so it may take seconds the
    first time and is to be called in a thread; hidden files are not among what is told.
    """
    agent = session.agent
    root = agent.context.workspace.root
    tier = tier_for(agent.compactor.window if agent.compactor else None)
    exists = (root / FILE).is_file()
    if exists:
        task = f"Make this project's {FILE} better.\n\n{load('init_again')}"
        write = f"Change {FILE} where it needs it, in the top directory, and nothing else."
    else:
        task = f"Write the file {FILE} for this project."
        tool = " with write_file" if any(spec.name == "write_file" for spec in agent.specs) else ""
        write = f"Write {FILE} in the top directory{tool}, and nothing else."
    known = "\n".join(_known(session, root, tier))
    lines = str(_LINES.get(tier.name, _USUALLY))
    text = load(
        "init", task=task, known=with_tags_seen(agent.masker.mask(known)), write=write, lines=lines
    )
    return f"{text}\n\nThe person adds: {wishes}" if wishes else text


def _known(session: Session, root: Path, tier: Tier) -> list[str]:
    is_hidden = session.agent.context.is_hidden
    found = project(root)
    lines = [f"- at the top: {', '.join(_entries(session, root)) or 'nothing yet'}"]
    if found.manifests:
        lines.append(f"- made with: {', '.join(found.manifests[:8])}")
    for purpose in PURPOSES:
        commands = [f"`{command}`" for its, command in found.commands if its == purpose]
        if commands:
            lines.append(f"- likely to {purpose}: {', '.join(commands[:3])}")
    lines += _facts(root)
    others = [name for name in NAMES if name != FILE and (root / name).is_file()]
    if others:
        lines.append(f"- also read by agents, so do not repeat it: {', '.join(others)}")
    if tier.map_tokens:
        from qcode.repomap import render_map

        drawn = render_map(root, tier.map_tokens, is_hidden=is_hidden)
        if drawn:
            lines.append(f"- what files define, the important ones first:\n{drawn.rstrip()}")
    return lines


def _facts(root: Path) -> list[str]:
    """Return the commands that sessions saw pass."""
    from qcode.cli.composer import store_of
    from qcode.errors import QcodeError
    from qcode.facts.store import today

    try:
        facts = store_of(root).valid(today())
    except QcodeError:  # a damaged file is told of where facts are shown
        return []
    passed = [fact for fact in facts if fact.passed or fact.kept]
    return [f"- known to {fact.purpose}: `{fact.command}`" for fact in passed[:6]]


def _entries(session: Session, root: Path) -> list[str]:
    rules = rules_at(root, root)
    try:
        with os.scandir(root) as found:
            every = sorted((entry.name, entry.is_dir()) for entry in found)
    except OSError:
        return []
    names = [
        f"{name}/" if is_folder else name
        for name, is_folder in every
        if name != ".git"
        and name.isprintable()
        and not (rules and rules.ignore(name, is_directory=is_folder))
        and not session.agent.context.is_hidden(root / name)
    ]
    more = [f"and {len(names) - ENTRIES} more"] if len(names) > ENTRIES else []
    return names[:ENTRIES] + more
