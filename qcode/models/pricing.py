"""What tokens cost; pure."""

from __future__ import annotations

from qcode.messages import Usage
from qcode.models.model import Prices

FREE = Prices(0.0, 0.0, source="served on this machine or in this network")
_MILLION = 1_000_000


def cost(usage: Usage, prices: Prices) -> float:
    """Return US dollars for the tokens of a request, or of several added up.

    Tokens that were not read again cost `cache_read`, those that were kept for later ones
    `cache_write`, and all others of the prompt `input`.
    """
    read = prices.input if prices.cache_read is None else prices.cache_read
    write = prices.input if prices.cache_write is None else prices.cache_write
    kept = min(usage.cache_write_tokens, usage.read_anew)  # some servers count otherwise
    return (
        (usage.read_anew - kept) * prices.input
        + usage.cached_tokens * read
        + kept * write
        + usage.output_tokens * prices.output
    ) / _MILLION
