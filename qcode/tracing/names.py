"""The words of OpenTelemetry's conventions for generative AI, and whose endpoint a target is."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from qcode.providers.registry import Target

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
MODEL: Final = "gen_ai.request.model"
ANSWERED_BY: Final = "gen_ai.response.model"
MAX_TOKENS: Final = "gen_ai.request.max_tokens"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CONVERSATION: Final = "gen_ai.conversation.id"
AGENT: Final = "gen_ai.agent.name"
AGENT_VERSION: Final = "gen_ai.agent.version"
TOOL: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
CALL_ID: Final = "gen_ai.tool.call.id"
ARGUMENTS: Final = "gen_ai.tool.call.arguments"
RESULT: Final = "gen_ai.tool.call.result"
SYSTEM: Final = "gen_ai.system_instructions"
INPUT: Final = "gen_ai.input.messages"
OUTPUT: Final = "gen_ai.output.messages"
TOKEN_TYPE: Final = "gen_ai.token.type"
ERROR: Final = "error.type"
ADDRESS: Final = "server.address"
PORT: Final = "server.port"

TOKEN_USAGE: Final = "gen_ai.client.token.usage"
DURATION: Final = "gen_ai.client.operation.duration"

_PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""What litellm calls a provider, where the conventions call it otherwise."""


def provider(target: Target | None) -> str:
    """Return who answers, as far as is known: by its API where it is anybody's endpoint."""
    if target is None:
        return "unknown"
    if target.kind == "given":
        return target.provider_name or "unknown"
    if target.kind == "litellm":
        name = target.model.partition("/")[0]
        return _PROVIDERS.get(name, name)
    return "openai"


def server(target: Target | None) -> dict[str, str | int]:
    """Return where requests go, as attributes; nothing where that is not known."""
    if target is None or not target.base_url:
        return {}
    parts = urlsplit(target.base_url)
    if not parts.hostname:
        return {}
    return {
        ADDRESS: parts.hostname,
        PORT: parts.port or (443 if parts.scheme == "https" else 80),
    }
