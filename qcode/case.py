"""What is known of one call: what it touches, and what mode, rules and sandbox say of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcode import access
from qcode.agent import Agent
from qcode.approvals import ApprovalRequest, Scope
from qcode.boundary import Boundary
from qcode.interposed import NOTHING as UNRULED
from qcode.interposed import Ruled
from qcode.messages import ToolCall
from qcode.permissions import Findings, Permission, Verdict, permission
from qcode.rules import Ruling
from qcode.sandbox.policy import Grant
from qcode.tools.base import Context, Effect, Tool

if TYPE_CHECKING:
    from qcode.shell.parted import Part

NOTHING = Grant()


class Case:
    """All that is known of one call."""

    def __init__(
        self,
        agent: Agent,
        boundary: Boundary,
        call: ToolCall,
        tool: Tool[Any],
        params: Any,
        summary: str,
        ruled: Ruled = UNRULED,
    ) -> None:
        self.ruled = ruled
        self.agent, self.boundary, self.call, self.tool = agent, boundary, call, tool
        self.params, self.touch, self.summary = params, tool.touches(params), summary
        touch = self.touch
        context = agent.context
        self.root = str(context.workspace.root)
        self.directory = (
            str(context.workspace.resolve(touch.paths[0])) if touch.paths else self.root
        )
        self.outside = _outside(context, touch.paths)
        edits = tool.effect is Effect.EDIT
        self.hidden = tuple(
            path
            for path in touch.paths
            if boundary.hidden(context.workspace.resolve(path))
            and not _covered(context.workspace.resolve(path), context.allowed_hidden)
        )
        self.guarded = tuple(path for path in touch.paths if boundary.protected(path))
        self.refusal = self._refusal(edits=edits)
        self.grant = boundary.beyond(access.wanted(touch.access, context.workspace.resolve))
        self.key = f"{tool.name}({touch.command}) {access.in_words(self.grant)}".strip()
        self.ruled_outside: tuple[Path, ...] = ()
        """Paths outside that a rule allows by their whole name."""
        self.proposed: tuple[str, ...] = ()
        """Rules that would have allowed it."""
        self.destroys = ""
        self.sets: tuple[str, ...] = ()
        """Variables that it sets and that make programs run others."""
        self.known: list[str] | None = None
        """What is certain of each command of a shell text; None: it cannot be read strictly."""
        self.permission = self._permission()
        self.scopes = self._scopes()

    def _refusal(self, *, edits: bool) -> str:
        if self.tool.effect is Effect.EXECUTE and self.boundary.refusal:
            return f"Not run: {self.boundary.refusal}."
        workspace = self.agent.context.workspace
        if edits:
            for path in self.touch.paths:
                real = workspace.resolve(path)
                if workspace.contains(real) and not self.boundary.writable(real):
                    return f"Not allowed: {path} cannot be written to, the sandbox is read-only."
        return ""

    def _permission(self) -> Permission:
        agent, touch = self.agent, self.touch
        found = _Found()
        if ruling := agent.rules.on_tool(self.tool.name):
            found.take(ruling)
        if touch.command is not None and not found.denied:
            self._command(touch.command, found)
        elif touch.paths and not found.denied:
            self._files(found)
        self.destroys = found.destroys
        outside, hidden = self.outside, self.hidden
        resolve = agent.context.workspace.resolve
        beyond = access.in_words(self.grant)
        said = permission(
            agent.mode,
            self.tool.effect,
            Findings(
                denied=found.denied,
                outside=f"{outside[0]} is outside the workspace" if outside else "",
                hidden=f"{hidden[0]}: {self.boundary.hidden(resolve(hidden[0]))}" if hidden else "",
                guarded=f"{self.guarded[0]}: {self.boundary.protected(self.guarded[0])}"
                if self.guarded
                else "",
                beyond=f"it wants {beyond}" if beyond else "",
                destroys=found.destroys,
                asked=found.asked or self.ruled.asks,
                is_allowed=found.is_allowed or self.key in agent.allowed or self.ruled.is_allowed,
                is_reading=found.is_reading,
            ),
        )
        if said.verdict is Verdict.ASK and self.key in agent.allowed and beyond:
            only_beyond = not (outside or hidden or found.destroys or found.asked)
            return Permission(Verdict.ALLOW, "") if only_beyond else said
        return said

    def _command(self, command: str, found: _Found) -> None:
        """Judge a shell text; most of what it takes is loaded with the first one."""
        from qcode.shell.destructive import destruction
        from qcode.shell.propose import proposals
        from qcode.shell.readonly import Place, doubts
        from qcode.shell.through import poisoned
        from qcode.shell.words import Unknown, read

        rules = self.agent.rules
        if self.boundary.asks_each:
            found.asked = "no sandbox holds it"
        if ruling := rules.on_command(command, self.root, self.directory):
            found.take(ruling)
        parts = read(command)
        if isinstance(parts, Unknown):
            found.destroys = destruction(command, self.root)
            self.sets = poisoned(command)
            found.is_allowed = found.is_allowed or rules.allows_text(command)
            return
        meant = rules.destroying(self.root)
        rest = [part for part in parts if not meant.allows(part)]
        found.destroys = destruction(
            "; ".join(" ".join(map(_quoted, p.texts)) for p in rest), self.root
        )
        place = Place(
            self.directory,
            self._unreadable,
            tuple(self.agent.context.launcher.environment.get("PATH", "").split(os.pathsep)),
            lambda folder: self.agent.context.workspace.contains(Path(folder)),
        )
        found_out = doubts(parts, place)
        doubtful = [p for p, doubt in zip(parts, found_out, strict=True) if doubt]
        confined = self.boundary.confines
        found.is_reading = confined and not doubtful
        asked_for = doubtful if confined else parts
        left = [part for part in asked_for if not rules.allows(part)]
        found.is_allowed = found.is_allowed or not left or rules.allows_text(command)
        self.proposed = proposals(left)
        self.known = [
            "only reads" if not doubt else "a rule allows it" if rules.allows(part) else doubt
            for part, doubt in zip(parts, found_out, strict=True)
        ]

    def _unreadable(self, path: str) -> str:
        real = Path(path)
        if not self.boundary.inside(real):
            return f"{path} is outside the workspace"
        return self.boundary.hidden(real) or self.boundary.protected(path)

    def _files(self, found: _Found) -> None:
        workspace = self.agent.context.workspace
        kind = "edit" if self.tool.effect is Effect.EDIT else "read"
        forms = [
            (os.path.normpath(os.path.join(self.root, path)), str(workspace.resolve(path)))
            for path in self.touch.paths
        ]
        if ruling := self.agent.rules.on_paths(kind, forms, self.root):
            found.take(ruling)
            if ruling.verdict is Verdict.ALLOW and ruling.rule.partition("(")[
                2
            ].lstrip().startswith(("/", "~")):
                self.ruled_outside = tuple(workspace.resolve(path) for path in self.outside)
                self.outside = ()
        folders = [os.path.relpath(os.path.dirname(real), self.root) for _, real in forms]
        self.proposed = tuple(
            dict.fromkeys(
                f"{kind}(./*)" if folder == "." else f"{kind}({folder}/**)" for folder in folders
            )
        )

    def _scopes(self) -> tuple[Scope, ...]:
        if self.grant != NOTHING and not (self.outside or self.hidden):
            return (Scope.ONCE, Scope.SESSION)
        if self.permission.each_time:
            return (Scope.ONCE,)
        if self.touch.command is not None and not self.proposed:
            return (Scope.ONCE, Scope.SESSION)
        return (Scope.ONCE, Scope.SESSION, Scope.ALWAYS)

    def _rules(self) -> tuple[str, ...]:
        """Return what "always" would remember; nothing where only this very call can be."""
        if self.permission.each_time:
            return ()
        return self.proposed or (() if self.touch.command is not None else (self.tool.rule,))

    def request(self) -> ApprovalRequest:
        """Return the question."""
        reason = self.permission.reason
        if self.destroys and self.agent.checkpoints is None:
            reason += ", and no checkpoint is kept"
        if self.sets:
            reason += f", with another {', '.join(self.sets)}"
        commanded = self.touch.command is not None
        return ApprovalRequest(
            self.call,
            self.summary,
            reason,
            self.outside,
            self.scopes,
            self._rules(),
            self.touch.command or "",
            self.directory if commanded else "",
            self.boundary.label if self.tool.effect is Effect.EXECUTE else "",
            access.in_words(self.grant),
            self._remedy(),
            parts=self._parts(),
        )

    def _parts(self) -> tuple[Part, ...]:
        if self.touch.command is None:
            return ()
        from qcode.shell.parted import Around, parted

        boundary, inside = self.boundary, self.boundary.inside
        around = Around(
            self.root,
            self.directory,
            lambda path: not inside(Path(path)),
            lambda path: boundary.hidden(Path(path)),
        )
        return parted(self.touch.command, around, self.known)

    def _remedy(self) -> str:
        if self.grant.network:
            return "allow it with --allow-network"
        if self.outside or self.grant.write:
            return "allow the directory with --add-dir"
        if self.hidden or self.guarded or self.grant.read:
            return ""
        if self.permission.each_time:
            return (
                f"allow it with --allow 'shell({self.touch.command})'" if self.touch.command else ""
            )
        rules = "".join(f" or with --allow {_quoted(rule)}" for rule in self._rules()[:1])
        return f"allow it by running qcode with -y{rules}"


class _Found:
    """What the rules and the command itself say."""

    denied = asked = destroys = ""
    is_allowed = is_reading = False

    def take(self, ruling: Ruling) -> None:
        """Add what a rule says."""
        if ruling.verdict is Verdict.DENY:
            self.denied = f"the rule {ruling.rule} denies it"
        elif ruling.perhaps:
            self.asked = f"not all of it can be told before it runs, and {ruling.rule} may deny it"
        elif ruling.verdict is Verdict.ASK:
            self.asked = f"the rule {ruling.rule} says to ask"
        else:
            self.is_allowed = True


def _outside(context: Context, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Return those paths that are neither in the workspace nor allowed already."""
    workspace = context.workspace
    return tuple(
        path
        for path in paths
        if not workspace.contains(real := workspace.resolve(path))
        and not _covered(real, context.allowed_outside)
    )


def _covered(real: Path, tops: set[Path]) -> bool:
    return any(real == top or top in real.parents for top in tops)


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
