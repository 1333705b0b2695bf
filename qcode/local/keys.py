"""Hosted models that a key in the environment opens, by the provider's usual variable.

One good model for code each; any other is a matter of its name. Keys are looked for, never
kept. The names are LiteLLM's (`provider/model`), but for OpenAI's own.
"""

from __future__ import annotations

from collections.abc import Mapping

from qcode.record import Record


class Hosted(Record):
    """A provider and what to begin with there."""

    variable: str
    provider: str
    """As people call it."""
    model: str


HOSTED: tuple[Hosted, ...] = (
    Hosted("ANTHROPIC_API_KEY", "Anthropic", "anthropic/claude-sonnet-4-6"),
    Hosted("OPENAI_API_KEY", "OpenAI", "gpt-5.5"),
    Hosted("DASHSCOPE_API_KEY", "Alibaba Cloud", "dashscope/qwen3-coder-plus"),
    Hosted("DEEPSEEK_API_KEY", "DeepSeek", "deepseek/deepseek-v4-pro"),
    Hosted("GEMINI_API_KEY", "Google", "gemini/gemini-3.5-flash"),
    Hosted("MOONSHOT_API_KEY", "Moonshot", "moonshot/kimi-k2.7-code"),
    Hosted("ZAI_API_KEY", "Z.ai", "zai/glm-5.2"),
    Hosted("MISTRAL_API_KEY", "Mistral", "mistral/devstral-latest"),
    Hosted("XAI_API_KEY", "xAI", "xai/grok-4.5"),
    Hosted("GROQ_API_KEY", "Groq", "groq/openai/gpt-oss-120b"),
    Hosted("CEREBRAS_API_KEY", "Cerebras", "cerebras/gpt-oss-120b"),
    Hosted("OPENROUTER_API_KEY", "OpenRouter", "openrouter/qwen/qwen3-coder"),
)
"""In the order in which they are offered."""


def opened(environ: Mapping[str, str]) -> tuple[Hosted, ...]:
    """Return those whose key is in an environment."""
    return tuple(one for one in HOSTED if environ.get(one.variable, "").strip())
