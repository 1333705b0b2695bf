"""The hooks of a session, as its loop knows them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qcode.approvals import ApprovalRequest, Decision, Scope
from qcode.errors import QcodeError
from qcode.hooks.answers import Answer, together
from qcode.hooks.hooks import Hook
from qcode.hooks.running import Runner
from qcode.hooks.wording import names_of, response, unworded, worded
from qcode.interposed import NOTHING, Ruled, Said
from qcode.messages import ToolCall
from qcode.tools.base import Result

_BLOCK_NOTHING = frozenset({"SessionStart", "SessionEnd", "Notification"})
"""Events at which there is nothing to be kept from: a hook that blocks is heard by the person."""
_AT_THE_END = frozenset({"Stop", "SubagentStop", "SessionEnd"})
"""Events at which the turn is over already, so that a hook need not end it."""


class SessionHooks:
    """Runs what is configured and tells the loop what came of it; see `qcode.interposed.Hooks`."""

    def __init__(
        self,
        hooks: Sequence[Hook],
        runner: Runner,
        *,
        session_id: str,
        transcript: Path,
        cwd: Path,
        mode: Callable[[], str],
        note: Callable[[str], None],
        mask: Callable[[str], str] = str,
        subagent: str = "",
    ) -> None:
        """`mode` tells the approval mode; `note` tells the person something.

        What hooks are told of results, and what the person is told of hooks, is masked by `mask`.
        """
        self.hooks = tuple(hooks)
        self._runner = runner
        self._about = {
            "session_id": session_id,
            "transcript_path": str(transcript),
            "cwd": str(cwd),
        }
        self._cwd = str(cwd)
        self._mode = mode
        self._note = note
        self._mask = mask
        self._subagent = subagent
        self._begun = False
        self._is_sent = False
        """Whether a message of the session was let through."""
        self._opening = ""
        """What is told with the first message that is let through."""

    def of_subagent(self, name: str) -> SessionHooks:
        """Return the hooks for an agent that works for this session's."""
        return SessionHooks(
            self.hooks,
            self._runner,
            session_id=self._about["session_id"],
            transcript=Path(self._about["transcript_path"]),
            cwd=Path(self._cwd),
            mode=self._mode,
            note=self._note,
            mask=self._mask,
            subagent=name,
        )

    def _at(self, event: str, names: Iterable[str] = ()) -> list[Hook]:
        known = list(names)
        return [h for h in self.hooks if h.event == event and (not known or h.means(known))]

    async def _ask(self, pairs: Iterable[tuple[Hook, Mapping[str, Any]]]) -> Answer:
        """Run hooks side by side; tell the person what they say and what failed."""
        pairs = list(pairs)
        if not pairs:
            return Answer()
        modes = {"auto-edit": "acceptEdits", "yolo": "bypassPermissions"}
        mode = self._mode()

        def about(hook: Hook) -> dict[str, Any]:
            named = modes.get(mode, mode) if hook.maker == "claude" else mode
            return {**self._about, "permission_mode": named, "hook_event_name": hook.event}

        answers = await asyncio.gather(
            *(self._runner.run(hook, {**about(hook), **told}) for hook, told in pairs)
        )
        for (hook, _), answer in zip(pairs, answers, strict=True):
            if answer.problem:
                self.tell(f"the {hook.event} hook `{_short(hook.command)}`: {answer.problem}")
            if answer.note:
                self.tell(answer.note)
            if answer.blocks and hook.event in _BLOCK_NOTHING:
                self.tell(f"the {hook.event} hook `{_short(hook.command)}`: {answer.blocks}")
        found = together(list(answers))
        if found.halts and pairs[0][0].event not in _AT_THE_END:
            raise QcodeError(self._mask(f"a hook ended the turn: {found.halts}"))
        return found

    def tell(self, text: str) -> None:
        """Tell the person something of hooks."""
        self._note(self._mask(text))

    def _told(
        self, hooks: Iterable[Hook], call: ToolCall, paths: tuple[str, ...], **more: Any
    ) -> Iterable[tuple[Hook, Mapping[str, Any]]]:
        try:
            given = json.loads(call.arguments or "{}")
        except ValueError:
            given = {}
        arguments = given if isinstance(given, dict) else {}
        for hook in hooks:
            for one in worded(
                call.name, arguments, paths, self._cwd, claude=hook.maker == "claude"
            ):
                told = {"tool_name": one.name, "tool_input": one.arguments, "tool_use_id": call.id}
                yield hook, {**told, **more}

    async def before_call(self, call: ToolCall, paths: tuple[str, ...]) -> Ruled:
        """Return what hooks say of a call before it is judged."""
        hooks = self._at("PreToolUse", names_of(call.name))
        if not hooks:
            return NOTHING
        answer = await self._ask(self._told(hooks, call, paths))
        if answer.verdict == "deny":
            return Ruled(refusal=f"A hook of the person's refuses this: {answer.blocks}")
        arguments = None
        if answer.arguments is not None:
            arguments = json.dumps(unworded(call.name, answer.arguments), ensure_ascii=False)
        return Ruled(
            arguments=arguments,
            is_allowed=answer.verdict == "allow",
            asks="a hook says to ask" if answer.verdict == "ask" else "",
            context=answer.context,
        )

    async def after_call(self, call: ToolCall, paths: tuple[str, ...], result: Result) -> str:
        """Return what hooks have to say of a call that was run, for the model."""
        event = "PostToolUse"
        if result.is_error and (failing := self._at("PostToolUseFailure", names_of(call.name))):
            event, hooks = "PostToolUseFailure", failing
        else:
            hooks = self._at(event, names_of(call.name))
        if not hooks:
            return ""
        told = response(call.name, self._mask(result.text), paths, failed=result.is_error)
        answer = await self._ask(self._told(hooks, call, paths, tool_response=told))
        said = f"A hook of the person's says: {answer.blocks}" if answer.blocks else ""
        return "\n".join(filter(None, (said, answer.context)))

    async def asked(self, request: ApprovalRequest) -> Decision | None:
        """Return what a hook decides instead of the person; None: nothing."""
        call = request.call
        hooks = self._at("PermissionRequest", names_of(call.name))
        if not hooks:
            return None
        answer = await self._ask(self._told(hooks, call, ()))
        if answer.verdict == "deny":
            return Decision(allowed=False, words=f"A hook refuses this: {answer.blocks}")
        if answer.verdict == "allow" and _needs_a_person(request):
            return None
        if answer.arguments is not None and answer.verdict == "allow":
            given = json.dumps(unworded(call.name, answer.arguments), ensure_ascii=False)
            if not request.is_changed:
                return Decision(allowed=False, arguments=given)
        return Decision(allowed=True) if answer.verdict == "allow" else None

    async def notify(self, message: str) -> None:
        """Tell hooks that the person is waited for."""
        told = {"message": message, "notification_type": "permission_prompt"}
        await self._ask([(hook, told) for hook in self._at("Notification", ["permission_prompt"])])

    async def said(self, text: str, *, is_first: bool) -> Said:
        """Return what hooks add to a message of the person's, or why it is not sent."""
        if not self._begun or (is_first and self._is_sent):
            source = "clear" if self._begun else "startup" if is_first else "resume"
            self._begun, self._is_sent = True, False
            hooks = self._at("SessionStart", [source])
            found = await self._ask([(hook, {"source": source}) for hook in hooks])
            self._opening = found.context
        hooks = self._at("UserPromptSubmit")
        answer = await self._ask([(hook, {"prompt": text}) for hook in hooks])
        if answer.verdict == "deny":
            why = self._mask(answer.blocks)
            return Said(refusal=f"a hook does not let this be sent: {why}")
        before, self._opening, self._is_sent = self._opening, "", True
        return Said(before=before, after=answer.context)

    async def stops(self, *, again: bool, last: str) -> str:
        """Return why the model is to go on although it is done; empty: it may stop.

        `again`: whether it goes on because of this already.
        """
        event = "SubagentStop" if self._subagent else "Stop"
        told: dict[str, Any] = {"stop_hook_active": again, "last_assistant_message": last}
        if self._subagent:
            told["agent_type"] = self._subagent
        names = [self._subagent] if self._subagent else []
        answer = await self._ask([(hook, told) for hook in self._at(event, names)])
        if answer.halts:
            self.tell(f"a hook ended the turn: {answer.halts}")
            return ""
        return answer.blocks if answer.verdict == "deny" else ""

    async def compacts(self, *, by_hand: bool, wish: str) -> str:
        """Return why no room is to be made in the window; empty: it may be."""
        trigger = "manual" if by_hand else "auto"
        told = {"trigger": trigger, "custom_instructions": wish}
        answer = await self._ask([(hook, told) for hook in self._at("PreCompact", [trigger])])
        return answer.blocks if answer.verdict == "deny" else ""

    async def ended(self) -> None:
        """Tell hooks that the session is over; never raises."""
        if not self._begun:
            return
        told = {"reason": "other"}
        await self._ask([(hook, told) for hook in self._at("SessionEnd", ["other"])])

    def listed(self) -> str:
        """Return the hooks in force, for a person."""
        rows = [
            f"{hook.event:<18} {hook.matcher or '*':<24} {_short(hook.command)} "
            f"({hook.source}{', in the sandbox' if hook.is_project else ''})"
            for hook in self.hooks
        ]
        return "\n".join(rows)


def _needs_a_person(request: ApprovalRequest) -> bool:
    """Whether more is asked for than a rule could allow: beyond the sandbox or the workspace,
    hidden, protected, lost for good, or to be asked about each time.
    """
    return bool(request.outside or request.grant) or request.scopes == (Scope.ONCE,)


def _short(command: str) -> str:
    line = " ".join(command.split())
    return line if len(line) <= 60 else f"{line[:59]}…"
