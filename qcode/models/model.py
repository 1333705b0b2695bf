"""What is known of a model, as small frozen records. `registry.schema.json` says the same of the
file; each field that is a figure has its source and date there."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from qcode.record import Record

RenderBack: TypeAlias = Literal["never", "turn", "always"]
Style: TypeAlias = Literal["none", "tags", "field"]
Protocol: TypeAlias = Literal["native", "prompted"]

CALL_FORMATS = (
    *("native", "hermes", "qwen3-coder", "qwen3.5", "fenced", "glm", "minimax", "minimax_m3"),
    *("deepseek", "deepseek_dsml", "harmony", "kimi_k2", "llama", "mistral"),
)
"""How models write tool calls in text: by the names of `qcode.providers.styles` and
`qcode.calls.formats`."""

TIERS = ("patch", "small-coder", "small", "large", "usual")
"""The families of prompts (`prompts/families.json`)."""


class Prices(Record):
    """US dollars for a million tokens."""

    input: float
    """Prompt tokens that were read anew."""
    output: float
    cache_read: float | None = None
    """Prompt tokens that were not read again; None: they cost what others do."""
    cache_write: float | None = None
    """Prompt tokens that were kept for later requests; None: they cost what others do."""
    source: str = ""
    date: str = ""
    """When that was so, as ISO 8601."""


class Reasoning(Record):
    """How a model thinks before it answers, and what becomes of that."""

    style: Style = "none"
    """Where its servers put it: between tags in the text, or in a field of its own."""
    render_back: RenderBack = "never"
    """What it is shown of it again: nothing, that of the turn under way, or all."""
    can_be_off: bool = False


class Sampling(Record):
    """What the model's card says to sample with; None: it does not say."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    source: str = ""


class Weights(Record):
    """What there is to run by oneself."""

    repository: str
    """On Hugging Face."""
    total_b: float
    """Billions of parameters."""
    active_b: float
    """Those that one token uses; the same where all are."""
    kv_bytes_per_token: int | None = None
    """Of the cache at 16 bits, for each token of context; None: not known."""
    gguf: str = ""
    """A repository of GGUF files on Hugging Face; empty: none is known."""
    ollama: str = ""
    """Its name in Ollama's library; empty: none is known."""
    licence: str = ""
    quantisations: Mapping[str, float] = MappingProxyType({})
    """Gigabytes (1e9 bytes) of a published file, by quantisation (`Q4_K_M`)."""


class Place(Record):
    """Somewhere that it is served, and what it costs there."""

    name: str
    """As litellm calls it: `anthropic/claude-opus-4-6`."""
    prices: Prices


class Model(Record):
    """A model. What is not known stands at its default."""

    id: str
    """Short, in lower case: `qwen3-coder-next`."""
    name: str = ""
    vendor: str = ""
    context_window: int | None = None
    """Tokens, as served by its vendor or as trained."""
    max_output: int | None = None
    """Tokens of one answer."""
    prices: Prices | None = None
    """Of its vendor, or the median of those who serve it; None: there is no public price."""
    call_format: str = "native"
    """How it writes tool calls in text, as `qcode.providers.styles` or, for forms that are only
    read, `qcode.calls.formats` calls it; `native`: in the API alone."""
    protocol: Protocol = "native"
    """How it is told of tools to begin with: in the request's own field, or in the prompt."""
    reasoning: Reasoning = Reasoning()
    sampling: Sampling = Sampling()
    sees_images: bool = False
    tier: str = "usual"
    """The family of prompts that suits it (`qcode.families`)."""
    weights: Weights | None = None
    """None: it cannot be run by oneself."""
    places: tuple[Place, ...] = ()
    aliases: tuple[str, ...] = ()
    """Other names, in the form of `naming.plain`."""
    base_url: str = ""
    """Where the person has it served; only in their own file."""
    api_key_env: str = ""
    """The variable that holds the key for there; only in their own file."""
    served_as: str = ""
    """What it is called there; only in their own file, empty: as the person calls it."""
    sources: Mapping[str, str] = MappingProxyType({})
    """Field to where its figure is from, and when; or why it is not known."""
    own: tuple[str, ...] = ()
    """The fields that the person set in their own file."""

    @property
    def runs_locally(self) -> bool:
        """Whether there are weights to run by oneself."""
        return self.weights is not None
