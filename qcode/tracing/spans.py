"""A session's turns, requests and tool calls as spans.

```
invoke_agent qcode           a turn
├── chat {model}             a request, to the end of its answer
├── execute_tool {name}      a call, what it was waited for included
├── execute_tool agent
│   └── invoke_agent {name}  a subagent's task, with the same below it
└── chat {model}
```

A turn's span is a child of the span that its caller is in. While a tool runs its span is the
current one, so that what it does itself (a function of the program's, say) comes below it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry import context as current
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from qcode import __version__, events
from qcode.events import Event, TurnEnd
from qcode.messages import Usage, UserMessage
from qcode.tracing import names
from qcode.tracing.content import Content, is_wanted

if TYPE_CHECKING:
    from qcode.agent import Agent
    from qcode.session import JournalledHistory
    from qcode.tracing.metrics import Metrics

log = logging.getLogger(__name__)

Attributes = dict[str, Any]


class _Asking:
    """A request that is under way."""

    def __init__(self) -> None:
        self.begun_ns = time.time_ns()
        self.begun = time.perf_counter()
        self.first_s: float | None = None
        """Seconds to the first piece of the answer."""
        self.retries: list[events.Retrying] = []

    def heard(self) -> None:
        if self.first_s is None:
            self.first_s = time.perf_counter() - self.begun


class Tracing:
    """Observes a session; see `qcode.session.Observer`."""

    def __init__(
        self,
        agent: Agent,
        history: JournalledHistory,
        conversation: str,
        tracers: Callable[[str, str], Tracer],
        *,
        environ: Mapping[str, str],
        name: str = "qcode",
        metrics: Metrics | None = None,
        closing: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        """`tracers` is a provider's `get_tracer`; `name` tells agents of a conversation apart.

        `environ` is looked at for TRACEPARENT and whether content is wanted. `closing` is
        awaited when the session is closed.
        """
        self._agent = agent
        self._history = history
        self._conversation = conversation
        self._tracers = tracers
        self._tracer = tracers("qcode", __version__)
        self._environ = environ
        self._name = name
        self._parent = _parent(environ.get("TRACEPARENT", ""))
        self._content = Content(self._masked)
        self._tells_content = is_wanted(environ)
        self._metrics = metrics
        self._closing = closing
        self._turn: Span | None = None
        self._within: Context | None = None
        """The context of the turn's span."""
        self._asking: _Asking | None = None
        self._usage_due = False
        """Whether the next report of tokens is that of an answer; else it is a summary's."""
        self._error = ""
        self._tools: dict[str, Span] = {}

    def of_subagent(self, name: str, agent: Agent, history: JournalledHistory) -> Tracing:
        """Return what observes a subagent; its turn comes below the call that began it."""
        return Tracing(
            agent,
            history,
            self._conversation,
            self._tracers,
            environ=self._environ,
            name=name,
            metrics=self._metrics,
        )

    def _masked(self, text: str) -> str:
        return self._agent.masker.mask(text)  # which it is changes with the model

    def handle(self, event: Event) -> None:
        """Take what happened; a fault in telling of it goes to the log."""
        try:
            self._handle(event)
        except Exception:
            log.exception("tracing failed at %s", type(event).__name__)

    async def close(self) -> None:
        """End what is open, and have it sent off."""
        self._end_turn(TurnEnd.INTERRUPTED, 0, Usage())
        if self._closing is not None:
            await asyncio.shield(self._closing())

    def _handle(self, event: Event) -> None:
        match event:
            case events.TurnStarted():
                self._begin_turn(event.text)
            case events.StepStarted():
                self._asking, self._usage_due = _Asking(), False
            case events.TextDelta() | events.ReasoningDelta() | events.CallStarted():
                if self._asking is not None:
                    self._asking.heard()
            case events.Retrying():
                if self._asking is not None:
                    self._asking.retries.append(event)
            case events.AnswerFinished():
                self._answered(event)
            case events.UsageReported(step, _, purpose):
                if not self._usage_due:
                    self._chat(step, {"qcode.purpose": purpose})
                    self._asking = _Asking()
                self._usage_due = False
            case events.Compacted(before, after):
                sizes = {"qcode.tokens.before": before, "qcode.tokens.after": after}
                self._note("qcode.compacted", sizes)
                self._asking = _Asking()
            case events.ToolStarted(call):
                self._begin_tool(call.id, call.name, call.arguments)
            case events.ApprovalNeeded(call):
                if span := self._tools.get(call.id):
                    span.add_event("qcode.approval_needed")
            case events.Refused(call_id):
                if span := self._tools.get(call_id):
                    span.set_attribute(names.ERROR, "refused")
            case events.ToolFinished():
                self._end_tool(event)
            case events.Nudged():
                self._note("qcode.nudged", {"qcode.reason": self._content.text(event.reason)})
            case events.ErrorRaised(message):
                self._error = self._content.text(message)
            case events.TurnFinished(end, steps, usage):
                self._end_turn(end, steps, usage)
            case _:
                pass

    # The turn.

    def _begin_turn(self, text: str) -> None:
        here = current.get_current()
        has_caller = trace.get_current_span(here).get_span_context().is_valid
        parent = here if has_caller or self._parent is None else self._parent
        attributes = self._about("invoke_agent")
        attributes[names.AGENT] = self._name
        attributes[names.AGENT_VERSION] = __version__
        if self._tells_content:
            attributes[names.SYSTEM] = self._content.instructions(self._agent.system)
            attributes[names.INPUT] = self._content.messages([UserMessage(text)])
        self._error = ""
        self._turn = self._tracer.start_span(
            f"invoke_agent {self._name}",
            context=parent,
            kind=SpanKind.INTERNAL,
            attributes=attributes,
        )
        self._within = trace.set_span_in_context(self._turn, parent)
        # For good: this is the turn's own task, and its context ends with it.
        current.attach(self._within)

    def _note(self, name: str, attributes: Attributes) -> None:
        if self._turn is not None:
            self._turn.add_event(name, attributes)

    def _end_turn(self, end: TurnEnd, steps: int, usage: Usage) -> None:
        turn, self._turn = self._turn, None
        if turn is None:
            return
        is_over = end in (TurnEnd.ANSWERED, TurnEnd.INTERRUPTED)
        if self._asking is not None and end is not TurnEnd.ANSWERED:
            self._chat(Usage(), {}, error=str(end))
        for span in self._tools.values():
            span.set_attribute(names.ERROR, "interrupted")
            span.end()
        self._tools.clear()
        self._asking = None
        turn.set_attributes({**_tokens(usage), "qcode.end": str(end), "qcode.steps": steps})
        if not is_over:
            turn.set_attribute(names.ERROR, str(end))
            turn.set_status(Status(StatusCode.ERROR, self._error))
        turn.end()

    # Requests.

    def _answered(self, event: events.AnswerFinished) -> None:
        attributes: Attributes = {}
        if event.model:
            attributes[names.ANSWERED_BY] = event.model
        if event.finish_reason:
            attributes[names.FINISH_REASONS] = (event.finish_reason,)
        if self._tells_content:
            sent = list(self._history.messages)
            if sent and sent[-1] == event.message:
                sent.pop()
            attributes[names.SYSTEM] = self._content.instructions(self._agent.system)
            attributes[names.INPUT] = self._content.messages(sent)
            attributes[names.OUTPUT] = self._content.answer(event.message, event.finish_reason)
        self._chat(event.usage, attributes)
        self._usage_due = True

    def _chat(self, usage: Usage, attributes: Attributes, *, error: str = "") -> None:
        """Tell of the request under way, which is over."""
        asking, self._asking = self._asking, None
        if asking is None:
            return
        duration_s = time.perf_counter() - asking.begun
        about = self._about("chat")
        about.update(names.server(self._agent.target))
        if error:
            about[names.ERROR] = error
        more = {**attributes, **(_tokens(usage) if not error else {})}
        more[names.MAX_TOKENS] = self._agent.max_output_tokens
        if asking.first_s is not None:
            more[names.FIRST_CHUNK] = asking.first_s
        span = self._tracer.start_span(
            f"chat {self._agent.provider.model}",
            context=self._within,
            kind=SpanKind.CLIENT,
            attributes={**about, **more},
            start_time=asking.begun_ns,
        )
        for retry in asking.retries:
            reason = self._content.text(retry.reason)
            told: Attributes = {"qcode.attempt": retry.attempt, "qcode.reason": reason}
            span.add_event("qcode.retry", told)
        if error:
            span.set_status(Status(StatusCode.ERROR, self._error))
        span.end()
        if self._metrics is not None:
            self._metrics.asked(about, duration_s, usage, within=self._within)

    # Tool calls.

    def _begin_tool(self, call_id: str, name: str, arguments: str) -> None:
        attributes: Attributes = {
            names.OPERATION: "execute_tool",
            names.TOOL: name,
            names.TOOL_TYPE: "function",
            names.CALL_ID: call_id,
            names.CONVERSATION: self._conversation,
        }
        if self._tells_content:
            attributes[names.ARGUMENTS] = self._content.text(arguments)
        span = self._tools[call_id] = self._tracer.start_span(
            f"execute_tool {name}", context=self._within, attributes=attributes
        )
        # For good, too: each call has a task of its own.
        current.attach(trace.set_span_in_context(span, self._within))

    def _end_tool(self, event: events.ToolFinished) -> None:
        span = self._tools.pop(event.result.call_id, None)
        if span is None:
            return
        span.set_attribute("qcode.tool.duration_s", event.duration_s)
        if self._tells_content:
            span.set_attribute(names.RESULT, event.result.text)
        if event.result.is_error:
            known = getattr(span, "attributes", None) or {}
            if names.ERROR not in known:
                span.set_attribute(names.ERROR, "tool_error")
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def _about(self, operation: str) -> Attributes:
        agent = self._agent
        return {
            names.OPERATION: operation,
            names.PROVIDER: names.provider(agent.target),
            names.MODEL: agent.provider.model,
            names.CONVERSATION: self._conversation,
        }


def _tokens(usage: Usage) -> Attributes:
    out: Attributes = {
        names.INPUT_TOKENS: usage.input_tokens,
        names.OUTPUT_TOKENS: usage.output_tokens,
        names.CACHED_TOKENS: usage.cached_tokens,
    }
    if usage.cost_usd is not None:
        out["qcode.cost_usd"] = usage.cost_usd
    return out


def _parent(traceparent: str) -> Context | None:
    """Return the context of the span that a caller names in the environment, a CI job's say."""
    if not traceparent:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent}, Context())
