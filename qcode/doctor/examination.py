"""All checks of one endpoint, in the order in which they depend on each other."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Mapping

from qcode.doctor import calls, flow, reach, window
from qcode.doctor.answer import Answer, ask
from qcode.doctor.check import Check
from qcode.doctor.server import UNKNOWN, Server, identify
from qcode.doctor.wire import Reply, Wire
from qcode.errors import ProviderError, ProviderFault
from qcode.messages import UserMessage
from qcode.profiles import Profile, Protocol
from qcode.prompts import load
from qcode.providers import Provider, Request
from qcode.providers.protocol import first_protocol
from qcode.providers.registry import Target, make_provider
from qcode.record import replace as replace_record

UNUSABLE = frozenset({"reachable", "key", "model", "answer"})
"""Without these there is no session; the first that fails is the last looked at."""

_ROOM, _DEEP_ROOM = 320, 4096
"""Tokens of one answer to a question about tools."""
_COUNTING = 80
"""Tokens of the answer that speed and streaming are judged by."""

_GOES_ON = frozenset({ProviderFault.EMPTY, ProviderFault.BAD_OUTPUT, ProviderFault.STREAM_BROKEN})
"""Faults of one answer, after which the endpoint is still worth looking at."""


class Examination:
    """Looks at one model at one endpoint; `run` it once, then ask for `profile` and `code`.

    `own_prompt_tokens` is about how much qcode itself says before a session's
    first message; `deep` spends more on long prompts and long answers.

    Raises:
        UsageError: the base URL or the key cannot be used at all.
    """

    def __init__(
        self,
        target: Target,
        *,
        environ: Mapping[str, str],
        own_prompt_tokens: int,
        deep: bool = False,
    ) -> None:
        self.target = target
        self.checks: list[Check] = []
        self.profile: Profile | None = None
        """What is to be kept; None if the endpoint cannot be used."""
        self.waiting_for = ""
        """What the server was asked for last, to follow `waiting for`; empty at the end."""
        self._environ = environ
        self._own_prompt_tokens = own_prompt_tokens
        self._deep = deep
        self._wire: Wire | None = None
        if target.base_url is not None:
            self._wire = Wire(target, target.base_url, environ)
        self._provider = self._make_provider()
        self._server = Server(UNKNOWN)
        # New to every server, so that nothing of it can be in its cache.
        self._system = load("doctor/system", mark=secrets.token_hex(4))

    @property
    def code(self) -> int:
        """The exit code: 0, 1 if something failed, 3 if the endpoint cannot be used."""
        failed = {check.name for check in self.checks if check.status == "fail"}
        return 3 if failed & UNUSABLE else 1 if failed else 0

    async def run(self) -> AsyncGenerator[Check, None]:
        """Yield each check as it is done."""
        try:
            async for check in self._run():
                self.checks.append(check)
                yield check
                if check.status == "fail" and check.name in UNUSABLE:
                    return
        finally:
            self.waiting_for = ""
            await self._provider.close()
            if self._wire is not None:
                await self._wire.close()

    async def _run(self) -> AsyncGenerator[Check, None]:
        listing: Reply | None = None
        if self._wire is not None:
            self.waiting_for = "the list of models"
            try:
                listing = await self._wire.models()
            except ProviderError as error:
                yield reach.reachable(self._wire, error)
                return
            yield reach.reachable(self._wire, listing)
            if listing.status == 200:
                self._server = await identify(self._wire, listing, self.target.model)
            if not self.target.model and not self._take_a_model():
                yield self._no_model(listing)
                return
        async for check in self._ask(self._provider, listing):
            yield check

    def _take_a_model(self) -> bool:
        """Take the first model of the list where none was named; return whether there is one."""
        from dataclasses import replace

        if not self._server.models:
            return False
        self.target = replace(self.target, model=self._server.models[0])
        if self._wire is not None:
            self._wire.take(self.target)
        # The one before has asked nothing yet.
        self._provider = self._make_provider()
        return True

    def _no_model(self, listing: Reply) -> Check:
        assert self._wire is not None, "only a wire has a listing"
        if listing.status in (401, 403):
            error = self._wire.error(listing)
            return Check("key", "fail", error.message, error.hint)
        if listing.status >= 400:
            error = self._wire.error(listing)
            return Check("reachable", "fail", error.message, error.hint)
        return Check("model", "fail", "the server lists no models", "name one with -m")

    def _make_provider(self) -> Provider:
        if self.target.kind != "chat":
            return make_provider(self.target, session_key="doctor", tool_protocol="native")
        # Without the retries: what goes wrong now and then is to be seen.
        from qcode.providers.chat import ChatProvider

        assert self.target.base_url is not None, "only litellm decides by itself"
        return ChatProvider(
            base_url=self.target.base_url,
            model=self.target.model,
            api_key=self.target.api_key,
            key_name=self.target.key_source or "",
            extra_body=self.target.extra_body,
            environ=self._environ,
        )

    async def _ask(self, provider: Provider, listing: Reply | None) -> AsyncGenerator[Check, None]:
        refusal: ProviderError | None = None
        self.waiting_for = "the first answer"
        try:
            # Has the model loaded, so that no later time holds the loading.
            # Without the system prompt, which is to be new to it afterwards.
            ready = UserMessage(load("doctor/ready"))
            await ask(provider, Request("", [ready], (), max_tokens=8))
        except ProviderError as error:
            refusal = error
        yield reach.key(self._wire, listing, refusal)
        if refusal is not None and refusal.fault not in _GOES_ON | {ProviderFault.UNKNOWN_MODEL}:
            if self.checks[-1].status != "fail":
                yield Check("answer", "fail", refusal.message, refusal.hint)
            return
        yield reach.model(self.target.model, self._server, refusal)
        if refusal is not None:
            if refusal.fault is ProviderFault.UNKNOWN_MODEL:
                return
            yield Check("first answer", "warn", refusal.message, refusal.hint)
        if self._wire is not None and listing is not None and listing.status == 200:
            # Once more: a model that is loaded now says more of itself.
            self._server = await identify(self._wire, listing, self.target.model)
        server = self._server
        if self._wire is not None:
            yield reach.kind(server)
        yield window.context(server)
        arrival: window.Arrival | None = None
        if self._deep or window.is_suspect(server):
            arrival, check = await self._send_long(provider)
            yield check
        profile = Profile(
            self.target.base_url or "",
            self.target.model,
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            server.kind,
            server.version,
            context_window=window.true_window(server, arrival),
        )
        answers: list[Answer] = []
        try:
            self.waiting_for = "an answer to measure"
            answers.append(await self._look(provider, self._count(_COUNTING)))
            # The very same prompt again; only its answer may be shorter.
            self.waiting_for = "an answer to the same prompt again"
            answers.append(await self._look(provider, self._count(8)))
        except ProviderError as error:
            refusal = refusal or error
            yield Check("streaming", "fail", error.message, error.hint)
        if answers:
            yield flow.streaming(answers[0], server.kind)
        outcomes: list[calls.Outcome] = []
        for question in calls.questions():
            room = _DEEP_ROOM if self._deep else _ROOM
            self.waiting_for = f"an answer: {question.name}"
            outcome = await calls.put(provider, self._system, question, room)
            outcomes.append(outcome)
            yield calls.judge(question, outcome, server.kind)
            if calls.refused(outcome):
                break
        seen = answers + [outcome.answer for outcome in outcomes if outcome.answer]
        check, where = flow.reasoning(seen, server.kind)
        yield check
        if not seen:
            yield self._no_answer(refusal)
            return
        measured = flow.Speeds(None, None)
        cached: bool | None = None
        if len(answers) == 2:
            check, cached = flow.cache(answers[0], answers[1], server.kind)
            yield check
        if answers:
            measured = flow.speeds(answers[0])
            yield flow.speed(measured, self._own_prompt_tokens, server.kind)
        self.profile = replace_record(
            profile,
            protocol=_protocol(outcomes, self.target.model),
            plain_schemas=_has_learnt_plain_schemas(provider),
            parallel_calls=len(outcomes) > 1 and len(outcomes[1].got) > 1,
            reasoning=where,
            prompt_cache=cached,
            prefill_tps=measured.prefill_tps,
            generation_tps=measured.generation_tps,
        )

    @staticmethod
    def _no_answer(error: ProviderError | None) -> Check:
        why, hint = (f": {error.message}", error.hint) if error is not None else ("", "")
        fix = hint or "see the server's own log"
        return Check("answer", "fail", f"no answer came that sessions could use{why}", fix)

    def _count(self, max_tokens: int) -> Request:
        return Request(self._system, [UserMessage(load("doctor/count"))], (), max_tokens)

    async def _look(self, provider: Provider, request: Request) -> Answer:
        """Ask where field names and the server's own figures can be seen, if anywhere."""
        if self._wire is not None and self.target.kind == "chat":
            return await self._wire.chat(request)
        return await ask(provider, request)

    async def _send_long(self, provider: Provider) -> tuple[window.Arrival | None, Check]:
        tokens = window.tokens_to_send(self._server, deep=self._deep)
        self.waiting_for = "an answer to a long prompt"
        try:
            arrival = await window.send_long(provider, tokens)
        except ProviderError as error:
            return None, Check("long prompt", "fail", error.message, error.hint)
        return arrival, window.long_prompt(arrival, self._server)


def _protocol(outcomes: list[calls.Outcome], model: str) -> Protocol:
    """Native, unless tools are refused or nothing at all came of them.

    Calls that come as text under native tools are read there, so that they are no
    reason, but for models that are known to write better ones when the prompt tells how.
    """
    if any(calls.refused(outcome) for outcome in outcomes):
        return "prompted"
    answered = [outcome for outcome in outcomes if outcome.answer is not None]
    if answered and all(outcome.channel == "none" for outcome in answered):
        return "prompted"
    if any(outcome.channel == "structured" for outcome in answered):
        return "native"
    return first_protocol(model)


def _has_learnt_plain_schemas(provider: Provider) -> bool:
    """Whether the provider had to leave out parts of the schemas."""
    dialect = getattr(provider, "dialect", None)
    return bool(getattr(dialect, "plain_schemas", False))
