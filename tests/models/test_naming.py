"""Names as servers, files and hosters give them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcode.models import find
from qcode.models.naming import forms, key, plain
from qcode.models.reading import index, rows

NAMES = {
    "qwen3-coder-next": (
        *("qwen3-coder-next", "Qwen3-Coder-Next", "qwen3-coder-next-q4_k_m.gguf"),
        *("Qwen/Qwen3-Coder-Next-FP8", "Qwen/Qwen3-Coder-Next", "qwen3-coder-next:latest"),
        *("hf.co/unsloth/Qwen3-Coder-Next-GGUF:Q4_K_M", "qwen3-coder-next:q8_0"),
        *("unsloth/Qwen3-Coder-Next-GGUF:UD-Q4_K_XL", "Qwen3-Coder-Next-UD-IQ2_XXS.gguf"),
        "/models/Qwen3-Coder-Next-GGUF/Q4_K_M/Qwen3-Coder-Next-Q4_K_M-00001-of-00004.gguf",
        "/root/.cache/huggingface/hub/models--Qwen--Qwen3-Coder-Next/snapshots/abc0123",
        *("/models/qwen3-coder-next/model.gguf", r"C:\models\qwen3-coder-next-mxfp4.gguf"),
        *("lmstudio-community/Qwen3-Coder-Next-MLX-4bit", "qwen/qwen3-coder-next"),
        *("novita/qwen/qwen3-coder-next", "qwen.qwen3-coder-next", "bedrock/qwen.qwen3-coder-next"),
        *("together_ai/Qwen/Qwen3-Coder-Next-FP8", "RedHatAI/Qwen3-Coder-Next-quantized.w4a16"),
        "https://huggingface.co/Qwen/Qwen3-Coder-Next",
    ),
    "qwen3-coder-30b-a3b": (
        *("qwen3-coder:30b-a3b-q4_K_M", "qwen3-coder:30b", "qwen3-coder:30b-a3b-fp16"),
        *("Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen/qwen3-coder-30b-a3b-instruct"),
        *("qwen/qwen3-coder-30b", "qwen3-coder-30b-a3b-instruct-mlx@4bit"),
        *("mlx-community/Qwen3-Coder-30B-A3B-Instruct-4bit-dwq", "ps/qwen3-coder-30b-a3b"),
        *("unsloth/Qwen3-Coder-30B-A3B-Instruct-1M-GGUF", "qwen.qwen3-coder-30b-a3b-v1:0"),
        *("Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8", "cpatonn/Qwen3-Coder-30B-A3B-Instruct-AWQ-4bit"),
        "accounts/fireworks/models/qwen3-coder-30b-a3b-instruct",
        ("/root/.cache/llama.cpp/unsloth_Qwen3-Coder-30B-A3B-Instruct-GGUF_"
        "Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf"),
    ),
    "qwen3-coder-480b-a35b": (
        *("qwen/qwen3-coder:free", "qwen/qwen3-coder", "openrouter/qwen/qwen3-coder"),
        *("qwen3-coder:480b-cloud", "Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8"),
        *("qwen3-coder:480b-a35b-q4_K_M", "Qwen/Qwen3-Coder-480B-A35B-Instruct-Turbo"),
        *("qwen3-coder-480b-a35b-instruct-maas", "qwen.qwen3-coder-480b-a35b-v1:0"),
        *("vercel_ai_gateway/alibaba/qwen3-coder", "qwen3-coder-480b-instruct-bf16"),
    ),
    "qwen3.5-397b-a17b": (
        *("accounts/fireworks/models/qwen3p5-397b", "Qwen/Qwen3.5-397B-A17B-FP8"),
        *("qwen3.5:397b-cloud", "nvidia/Qwen3.5-397B-A17B-NVFP4", "qwen/qwen3.5-397b-a17b"),
    ),
    "qwen3.5-122b-a10b": ("qwen3.5:122b", "Qwen/Qwen3.5-122B-A10B-GPTQ-Int4"),
    "qwen3.5-35b-a3b": (
        *("qwen3.5:35b", "qwen3.5:35b-a3b-q4_K_M", "unsloth/Qwen3.5-35B-A3B-GGUF:UD-Q4_K_XL"),
        *("qwen/qwen3.5-35b-a3b", "Qwen3_5-35B-A3B-Q5_K_S.gguf", "qwen-3.5-35b-a3b"),
    ),
    "qwen3.5-27b": (
        *("qwen3.5:27b", "turboderp/Qwen3.5-27B-exl3_4.0bpw", "qwen3.5-27b@q8_0"),
        *("/data/Qwen3.5-27B/Q4_K_M.gguf", "Qwen3.5-27B-bnb-4bit", "qwen35-27b-instruct"),
    ),
    "qwen3.5-9b": ("qwen3.5:9b", "Qwen/Qwen3.5-9B", "qwen3.5-9b-q4_k_m-imat.gguf"),
    "qwen3.5-4b": ("qwen3.5:4b-q8_0", "Qwen/Qwen3.5-4B"),
    "qwen3.5-2b": ("qwen3.5:2b", "unsloth/Qwen3.5-2B-GGUF:Q8_0"),
    "qwen3.5-0.8b": ("qwen3.5:0.8b", "Qwen3.5-0.8B-BF16.gguf"),
    "qwen3.6-35b-a3b": ("unsloth/Qwen3.6-35B-A3B-GGUF:UD-Q4_K_M", "qwen36-35B-A3B"),
    "qwen3.8-27b": ("cerebras/qwen-3.8-27b", "Qwen/Qwen3.8-27B-FP8", "groq/qwen/qwen3.8-27b"),
    "qwen3.8-max": ("fireworks_ai/qwen3p8-max", "dashscope/qwen3.8-max"),
    "qwen3-coder-plus": ("dashscope/qwen3-coder-plus-2025-07-22", "qwen3-coder-plus-latest"),
    "qwen2.5-coder-0.5b": ("qwen2.5-coder:0.5b", "qwen2p5-coder-0p5b-instruct"),
    "qwen2.5-coder-1.5b": (
        *("qwen2.5-coder:1.5b-instruct-q4_K_M", "qwen2.5-coder-1.5b-instruct"),
        "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
    ),
    "qwen2.5-coder-3b": ("qwen2.5-coder:3b", "nscale/Qwen/Qwen2.5-Coder-3B-Instruct"),
    "qwen2.5-coder-7b": (
        *("qwen2.5-coder:7b", "qwen2.5-coder-7b-instruct-q5_k_m-00001-of-00002.gguf"),
        *("lmstudio-community/Qwen2.5-Coder-7B-Instruct-GGUF", "Qwen2.5-Coder-7B-Instruct-AWQ"),
    ),
    "qwen2.5-coder-14b": ("qwen2.5-coder:14b-instruct-q8_0", "Qwen/Qwen2.5-Coder-14B-Instruct"),
    "qwen2.5-coder-32b": (
        *("lambda_ai/qwen25-coder-32b-instruct", "qwen/qwen-2.5-coder-32b-instruct"),
        *("qwen2p5-coder-32b-instruct-128k", "@cf/qwen/qwen2.5-coder-32b-instruct"),
    ),
    "glm-5": (
        *("zai/glm-5", "zai.glm-5", "z-ai/glm-5", "zai-org/GLM-5-FP8", "FW-GLM-5", "glm-5-maas"),
    ),
    "glm-5.1": ("accounts/fireworks/models/glm-5p1", "unsloth/GLM-5.1-GGUF:UD-IQ1_S"),
    "glm-5.2": ("databricks/databricks-glm-5-2", "glm-5.2:cloud", "zai-org/GLM-5.2"),
    "minimax-m2.5": ("minimax/MiniMax-M2.5", "minimax.minimax-m2.5", "MiniMaxAI/MiniMax-M2.5"),
    "minimax-m3": ("MiniMaxAI/MiniMax-M3-MXFP8", "minimax-m3:cloud"),
    "deepseek-v3.2": (
        *("deepseek.v3.2", "us.deepseek.v3.2", "deepseek-v3-2-251201", "deepseek-v3p2"),
        *("deepseek-ai/DeepSeek-V3.2", "deepseek/deepseek-v3.2", "deepseek-v3.2-maas"),
    ),
    "deepseek-v3.2-speciale": ("azure_ai/deepseek-v3.2-speciale",),
    "deepseek-v4-pro": ("deepseek-ai/DeepSeek-V4-Pro-0813", "deepseek/deepseek-v4-pro"),
    "llama-4-maverick": (
        *("meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8", "llama4-maverick-instruct-basic"),
        *("us.meta.llama4-maverick-17b-instruct-v1:0", "llama4:maverick", "meta/llama-4-maverick"),
    ),
    "mimo-v2-flash": ("XiaomiMiMo/MiMo-V2-Flash", "xiaomi/mimo-v2-flash:free", "mimo_v2_flash"),
    "kimi-k2": ("moonshotai/Kimi-K2-Instruct-0905", "moonshotai/kimi-k2", "kimi-k2:1t-cloud"),
    "kimi-k2-thinking": ("moonshot.kimi-k2-thinking", "kimi-k2-thinking-251104"),
    "kimi-k2.5": ("moonshotai.kimi-k2.5", "accounts/fireworks/models/kimi-k2p5"),
    "kimi-k3": ("global.moonshotai.kimi-k3", "moonshotai/Kimi-K3"),
    "gpt-oss-20b": (
        *("gpt-oss:20b", "openai/gpt-oss-20b", "ggml-org/gpt-oss-20b-GGUF", "openai/gpt-oss-20b:2"),
        *("gpt-oss-20b-mxfp4.gguf", "openai.gpt-oss-20b-1:0", "unsloth/gpt-oss-20b-GGUF:F16"),
    ),
    "gpt-oss-120b": (
        *("gpt-oss:120b-cloud", "us-gov.openai.gpt-oss-120b-1:0", "gpt-oss-120b-mxfp-gguf"),
        "gpt-oss-120b-mxfp4-00001-of-00003.gguf",
    ),
    "devstral-2": ("mistralai/Devstral-2-123B-Instruct-2512", "devstral-2:123b", "devstral-2512"),
    "devstral-small-2": (
        *("devstral-small-2:24b-instruct-2512-q8_0", "labs-devstral-small-2512"),
        "mistralai/Devstral-Small-2-24B-Instruct-2512",
    ),
    "claude-opus-4.6": (
        *("us.anthropic.claude-opus-4-6-v1:0", "anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        *("claude-opus-4-6@default", "anthropic/claude-opus-4.6", "claude-opus-4-6-20260205"),
        *("anthropic/claude-4.6-opus-20260205", "vertex_ai/claude-opus-4-6", "claude-4-6-opus"),
        "databricks/databricks-claude-opus-4-6",
    ),
    "claude-sonnet-4.6": ("global.anthropic.claude-sonnet-4-6", "anthropic/claude-sonnet-4-6"),
    "claude-haiku-4.5": ("anthropic.claude-haiku-4-5@20251001", "claude-haiku-4-5-20251001"),
    "gpt-5.2": ("gpt-5.2-2025-12-11", "openai/gpt-5.2", "azure/gpt-5.2"),
    "gpt-5.4-mini": ("gpt-5.4-mini-2026-03-17",),
    "gemini-3-pro": ("gemini-3-pro-preview", "vertex_ai/gemini-3-pro-preview"),
    "gemini-3-flash": ("gemini/gemini-3-flash-preview", "google/gemini-3-flash-preview"),
}  # fmt: skip

NO_ONE = (
    *("", " ", "///", "model.gguf", "scripted", "qwen", "qwen3", "qwen3-coder"),
    *("qwen3-coder:latest", "Q4_K_M.gguf", "qwen3-coder-next-abliterated", "x" * 5000),
    *("qwen2.5-coder", "qwen2.5-coder:latest", "qwen2.5-coder:72b", "qwen2.5:7b", "qwen2.5-7b"),
    *("qwen3.5", "qwen3.5:latest", "qwen3.5-35b-a22b", "qwen3.5-3b", "gpt-oss", "gpt-oss:latest"),
    *("gpt-oss-safeguard-20b", "glm-5-turbo", "glm-5v-turbo", "glm-50", "deepseek"),
    *("deepseek-chat", "gpt-5.2-chat", "azure/gpt-5.2-chat", "openai/gpt-5.2-chat-latest"),
    *("deepseek-r1-distill-qwen-32b", "kimi-k20", "claude", "claude-opus", "claude-opus-4"),
    *("gpt-5", "gpt-5.2-pro", "gpt-5.20", "devstral-small-2507", "devstral-small-2505", "devstral"),
    *("llama-4-scout", "minimax-m2", "mimo-v2", "gemini-3", "gemini-3-pro-image", "my/qwen3.5"),
)  # fmt: skip

TABLE = [(name, model) for model, names in NAMES.items() for name in names]


def test_the_table_is_large() -> None:
    assert len(TABLE) >= 150


@pytest.mark.parametrize("name, model", TABLE)
def test_names_that_servers_give_are_known(name: str, model: str) -> None:
    found = find(name)

    assert found is not None
    assert found.id == model


@pytest.mark.parametrize("name", NO_ONE)
def test_what_might_be_two_or_is_another_is_none(name: str) -> None:
    assert find(name) is None


@pytest.mark.parametrize("model", rows())
def test_a_model_is_found_by_all_that_the_registry_calls_it(model: str) -> None:
    row = rows()[model]
    weights = row.get("weights", {})
    names = [model, row["name"], *row.get("aliases", ()), *(p["name"] for p in row["places"])]
    names += [weights[field] for field in ("repository", "gguf", "ollama") if field in weights]

    assert {name: getattr(find(name), "id", None) for name in names} == dict.fromkeys(names, model)


def test_ids_are_plain_and_no_two_models_share_a_name() -> None:
    names = [name for row in rows().values() for name in (row["id"], *row.get("aliases", ()))]

    assert [row for row in rows() if plain(row) != row] == []
    assert len({key(name) for name in names}) == len(names)
    assert {key(name) for name in names} <= set(index())


PIECES = st.sampled_from(
    [
        *(
            "qwen3",
            "-coder",
            ":",
            "-",
            "/",
            "_",
            "@",
            ".",
            "7b",
            "30b-a3b",
            "q4_K_M",
            "GGUF",
            "v1:0",
        ),
        *(
            "us.",
            "claude-",
            "4-6",
            "opus",
            "anthropic.",
            "2512",
            "00001-of-00002",
            "models--",
            "p5",
        ),
        *("\\", " "),
    ]
)
WORDS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=8).map("".join))


@given(WORDS)
@settings(max_examples=600, deadline=None)
def test_any_text_has_a_plain_name_which_is_its_own(text: str) -> None:
    short = plain(text)

    assert plain(short) == short
    assert list(forms(text))[-1] == short


@given(WORDS, st.sampled_from(["b", "B"]), st.integers(1, 99))
@settings(max_examples=200, deadline=None)
def test_a_size_is_never_left_out(text: str, unit: str, size: int) -> None:
    name = f"m{text.replace('/', '').replace(chr(92), '').replace('models--', '')}-{size}{unit}"

    if len(name) < 200:
        assert plain(name).endswith(f"-{size}b")
