"""The order in which models are asked, and what is said where none answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from qcode.errors import ProviderError, ProviderFault, QcodeError, UsageError
from qcode.providers import Delta, Done, Provider, Request, Retry, TextPart
from qcode.providers.fallback import BACK_AFTER_S, FallbackProvider
from qcode.providers.lazy import LazyProvider

REQUEST = Request("", [], (), 10)


class Played(Provider):
    """Answers with its name, or raises what stands next in its list."""

    def __init__(self, name: str, *errors: QcodeError | None) -> None:
        self.name = name
        self.errors = list(errors)
        self.asked = 0

    @property
    def model(self) -> str:
        return self.name

    async def close(self) -> None:
        pass

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        self.asked += 1
        yield TextPart("half")
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        yield TextPart(self.name)
        yield Done("stop")


def fault(fault: ProviderFault) -> ProviderError:
    return ProviderError(f"it is {fault}", fault=fault)


def chain(first: Played, *others: Played | QcodeError, **more: object) -> FallbackProvider:
    def lazy(each: Played | QcodeError) -> LazyProvider:
        async def make() -> Provider:
            if isinstance(each, QcodeError):
                raise each
            return each

        return LazyProvider(each.name if isinstance(each, Played) else "unmade", make)

    return FallbackProvider(first, [lazy(each) for each in others], **more)  # type: ignore[arg-type]


def asked(provider: FallbackProvider) -> tuple[str, str, int]:
    """Return what was answered after the last retry, by whom, and how many retries there were."""

    async def hear() -> tuple[str, str, int]:
        text, retries, who = "", 0, "?"
        async with aclosing(provider.stream(REQUEST)) as deltas:
            async for delta in deltas:
                match delta:
                    case TextPart(piece):
                        text += piece
                    case Retry():
                        text, retries = "", retries + 1
                    case Done():
                        who = delta.model
        return text, who, retries

    return asyncio.run(hear())


DOWN = fault(ProviderFault.OVERLOADED)


@pytest.mark.parametrize(
    "passing",
    [
        ProviderFault.OVERLOADED,
        ProviderFault.RATE_LIMITED,
        ProviderFault.UNREACHABLE,
        ProviderFault.STREAM_BROKEN,
    ],
)
def test_the_next_one_answers_and_is_stayed_with(passing: ProviderFault) -> None:
    now = [0.0]
    first, other = Played("first", fault(passing)), Played("other")
    provider = chain(first, other, clock=lambda: now[0])

    assert asked(provider) == ("halfother", "other", 1)
    assert asked(provider) == ("halfother", "other", 0)
    now[0] = BACK_AFTER_S + 1
    assert asked(provider) == ("halffirst", "", 0)


@pytest.mark.parametrize(
    "own",
    [ProviderFault.UNAUTHORISED, ProviderFault.CONTEXT_TOO_LONG, ProviderFault.REFUSED,
     ProviderFault.UNKNOWN_MODEL, ProviderFault.EMPTY, ProviderFault.NOT_AN_API],
)  # fmt: skip
def test_what_is_wrong_with_the_first_or_the_request_is_said(own: ProviderFault) -> None:
    first, other = Played("first", fault(own)), Played("other")
    with pytest.raises(ProviderError, match=f"it is {own}"):
        asked(chain(first, other))
    assert other.asked == 0


@pytest.mark.parametrize(
    "broken",
    [UsageError("no key"), Played("broken", *[fault(ProviderFault.UNAUTHORISED)] * 3),
     Played("broken", *[fault(ProviderFault.UNKNOWN_MODEL)] * 3)],
    ids=["unmade", "unauthorised", "unknown"],
)  # fmt: skip
def test_what_is_wrong_with_a_fallback_leaves_it_to_the_next(broken: Played | QcodeError) -> None:
    first, last = Played("first", DOWN), Played("last")

    assert asked(chain(first, broken, last)) == ("halflast", "last", 2)


def test_where_nobody_answers_the_first_ones_error_is_told_and_it_is_asked_again() -> None:
    first, other = Played("first", DOWN), Played("other", fault(ProviderFault.UNAUTHORISED))
    provider = chain(first, other, UsageError("no key"))

    with pytest.raises(ProviderError) as told:
        asked(provider)

    assert told.value.exit_code == 3
    assert told.value.fault is ProviderFault.OVERLOADED
    assert str(told.value) == (
        "it is overloaded; nor do the fallbacks: other: it is unauthorised; unmade: no key"
    )
    assert asked(provider) == ("halffirst", "", 0)


def test_a_window_of_a_fallback_that_is_too_small_is_the_loops_to_make_room_in() -> None:
    first = Played("first", DOWN)
    other = Played("other", fault(ProviderFault.CONTEXT_TOO_LONG))
    provider = chain(first, other)
    with pytest.raises(ProviderError, match="context_too_long"):
        asked(provider)

    assert asked(provider) == ("halfother", "other", 0)
