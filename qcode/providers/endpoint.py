"""Who is asked: for messages and hints about an endpoint."""

from __future__ import annotations

from qcode.errors import ProviderError, ProviderFault
from qcode.providers.connection import Origin
from qcode.record import Record

MAX_WORDS = 200
"""Characters of the server's own words that are shown."""


class Endpoint(Record):
    """Who is asked, for messages; `secrets` never appear in them."""

    origin: Origin
    base_url: str
    model: str
    key_name: str = ""
    """The environment variable that holds the key, if it is known."""
    has_key: bool = False
    secrets: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The host, as messages name it."""
        return f"`{self.origin.authority}`"

    @property
    def url_hint(self) -> str:
        """What to do when something else than the API answers."""
        path = self.origin.path
        if any(f"/v{n}" in path for n in range(1, 10)):
            return f"check the base URL `{self.base_url}`"
        return f"try the base URL `{self.base_url.rstrip('/')}/v1`"

    @property
    def key_hint(self) -> str:
        """What to do when the key is not taken."""
        if self.has_key:
            where = f" in {self.key_name}" if self.key_name else ""
            return f"check the API key{where} and what it may use"
        return f"set {self.key_name or 'QCODE_API_KEY or OPENAI_API_KEY'} to an API key"

    def error(
        self,
        fault: ProviderFault,
        message: str,
        *,
        hint: str = "",
        retry_after_s: float | None = None,
    ) -> ProviderError:
        """Return the error, in one line, shortened, and without secrets."""
        return ProviderError(
            self.clean(message, MAX_WORDS + 150),
            fault=fault,
            hint=hint,
            retry_after_s=retry_after_s,
        )

    def clean(self, words: str, limit: int = MAX_WORDS) -> str:
        """Return foreign words in one line, shortened, and without secrets."""
        for secret in self.secrets:
            words = words.replace(secret, "…")
        words = "".join(c if c.isprintable() else " " for c in words)
        words = " ".join(words.split())
        return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"
