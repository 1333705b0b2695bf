from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qcode.cost.causes import CAUSES, is_retry, shared_out
from qcode.messages import AssistantMessage, Image, ToolCall, ToolMessage, Usage, UserMessage
from qcode.models.model import Prices
from qcode.models.pricing import cost

PRICES = Prices(3.0, 15.0, 0.3, 3.75)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    total = draw(st.integers(0, 200_000))
    cached = draw(st.integers(0, total))
    kept = draw(st.integers(0, total - cached))
    usage = Usage(total, draw(st.integers(0, 9_000)), cached, None, kept)
    return Usage(total, usage.output_tokens, cached, cost(usage, PRICES), kept)


PARTS = st.lists(st.tuples(st.sampled_from(CAUSES), st.integers(0, 90_000)), max_size=12)


@given(usages(), st.integers(0, 5_000), PARTS)
def test_what_is_shared_out_is_all_there_is(
    usage: Usage, system: int, parts: list[tuple[str, int]]
) -> None:
    shares = shared_out(usage, system, parts, PRICES)

    assert sum(share.anew for share in shares) == usage.read_anew
    assert sum(share.cached for share in shares) == usage.cached_tokens
    assert sum(share.output for share in shares) == usage.output_tokens
    assert all(min(share.anew, share.cached, share.output) >= 0 for share in shares)
    assert usage.cost_usd is not None
    costs = [share.cost_usd or 0.0 for share in shares]
    assert abs(sum(costs) - usage.cost_usd) < 1e-9


def test_what_was_not_read_again_is_the_beginning() -> None:
    parts = [("files", 3_200), ("tool output", 3_200)]
    shares = {s.cause: s for s in shared_out(Usage(3_000, 5, 2_000), 3_200, parts, None)}

    assert (shares["prompt"].anew, shares["prompt"].cached) == (0, 1_000)
    assert (shares["files"].anew, shares["files"].cached) == (0, 1_000)
    assert (shares["tool output"].anew, shares["tool output"].cached) == (1_000, 0)


def test_a_step_is_a_retry_where_all_calls_before_it_failed() -> None:
    calls = (ToolCall("1", "edit", "{}"), ToolCall("2", "edit", "{}"))
    asked = AssistantMessage("", "", calls)
    bad, good = ToolMessage("1", "edit", "no", is_error=True), ToolMessage("2", "edit", "done")

    assert not is_retry([UserMessage("go")])
    assert is_retry([UserMessage("go"), asked, bad, bad])
    assert not is_retry([UserMessage("go"), asked, bad, good])
    assert is_retry([UserMessage("go"), UserMessage("call a tool", is_nudge=True)])
    shown = UserMessage("here", is_nudge=True, images=(Image("a.png", "image/png", ""),))
    assert not is_retry([UserMessage("go"), asked, good, shown])
    assert not is_retry([])
