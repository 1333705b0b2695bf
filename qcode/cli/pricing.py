"""What the tokens of the chosen model cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qcode.cli.chosen import Chosen
    from qcode.messages import Usage
    from qcode.models import Prices
    from qcode.providers.counted import Price


def price_of(chosen: Chosen) -> Price:
    """Return what says the cost of a request; the prices are looked up with the first one."""
    found: list[Prices | None] = []

    def price(usage: Usage) -> float | None:
        from qcode.models.pricing import cost

        if not found:
            found.append(prices_of(chosen))
        return None if found[0] is None else cost(usage, found[0])

    return price


def prices_of(chosen: Chosen) -> Prices | None:
    """Return the prices of a model where it is served; None: they are not known.

    What this machine or its network serves is free, unless it is a model that nobody can run
    by themselves: then a gateway passes the requests on.
    """
    from qcode.models import find
    from qcode.models.pricing import FREE

    target = chosen.target
    near = chosen.is_embedded or is_near(chosen)
    known = find(target.model, in_table=not near)
    if known is not None and "prices" in known.own:
        return known.prices  # the person says so
    if not near:
        there = (each.prices for each in known.places if each.name == target.model) if known else ()
        return next(iter(there), known.prices if known else None)
    passed_on = known is not None and known.weights is None and not chosen.is_embedded
    return (known.prices if known and passed_on else None) or FREE


def is_near(chosen: Chosen) -> bool:
    """Whether requests go to this machine or to one of the same private network."""
    target = chosen.target
    if target.kind != "chat" or target.base_url is None:
        return False
    from qcode.providers.connection import parse_origin

    return parse_origin(target.base_url).is_local
