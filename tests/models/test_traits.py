"""The names of parsers against what the servers register (their code in November 2026; see
`qcode.models.traits`)."""

from __future__ import annotations

import pytest

from qcode.models import traits as module
from qcode.models.model import Model, Weights
from qcode.models.traits import Traits, traits


def names(text: str) -> set[str]:
    return {*text.split()}


VLLM_TOOLS = names(
    """
    apertus cohere_command3 cohere_command4 deepseek_v3 deepseek_v31 deepseek_v32
    deepseek_v4 ernie45 functiongemma gemma4 gigachat3 glm45 glm47 granite granite-20b-fc
    granite4 hermes hunyuan_a13b hy_v3 inkling internlm jamba kimi_k2 kimi_k3 lfm2
    llama3_json llama4_json llama4_pythonic longcat mimo minicpm5 minimax_m2 minimax_m3
    mistral olmo3 openai phi4_mini_json poolside_v1 pythonic qwen3_coder qwen3_xml seed_oss
    solar_open2 step3 step3p5 xlam
    """
)
VLLM_REASONING = names(
    """
    cohere_command3 cohere_command4 deepseek_r1 deepseek_v3 deepseek_v4 ernie45 gemma4 glm45
    glm47 granite holo2 hunyuan_a13b hy_v3 inkling kimi_k2 kimi_k3 mimo minimax_m2
    minimax_m2_append_think minimax_m3 mistral nemotron_v3 olmo3 openai_gptoss poolside_v1
    qwen3 seed_oss solar_open2 step3 step3p5
    """
)
SGLANG_TOOLS = names(
    """
    apertus2509 cohere_command4 deepseekv3 deepseekv31 deepseekv32 deepseekv4 dots gemma4
    gigachat3 gigachat35 glm glm45 glm47 gpt-oss hermes hunyuan inkling interns1 k2_horizon
    kimi_k2 kimi_k3 lfm2 ling3 llama3 mimo minicpm5 minimax-m2 minimax-m3 mistral muse
    poolside_v1 pythonic qwen qwen25 qwen3_coder spark25 step3 step3p5 trinity
    """
)
SGLANG_REASONING = names(
    """
    apertus2509 cohere_command4 deepseek-r1 deepseek-v3 deepseek-v4 gemma4 glm45 gpt-oss
    hunyuan inkling interns1 kimi kimi_k2 kimi_k3 mimo minimax minimax-append-think
    minimax-m3 mistral nemotron_3 poolside_v1 qwen3 qwen3-thinking step3 step3p5 telechat4
    """
)


def every() -> list[Traits]:
    return [found for _, found in module._BY_NAME] + list(module._BY_FORMAT.values())


@pytest.mark.parametrize(
    "field, known",
    [
        ("vllm_tools", VLLM_TOOLS),
        ("vllm_reasoning", VLLM_REASONING),
        ("sglang_tools", SGLANG_TOOLS),
        ("sglang_reasoning", SGLANG_REASONING),
    ],
)
def test_every_parser_is_one_that_its_server_has(field: str, known: set[str]) -> None:
    assert {getattr(found, field) for found in every()} - known - {""} == set()


def of(name: str) -> Traits:
    return traits(Model(name, weights=Weights(f"vendor/{name}", 10.0, 10.0)))


@pytest.mark.parametrize(
    "name, remembers",
    [
        ("qwen3-coder-30b-a3b", "all"),
        ("qwen3-8b", "all"),
        ("qwen3-coder-next", "hybrid"),
        ("qwen3-next-80b-a3b", "hybrid"),
        ("qwen3.5-9b", "hybrid"),
        ("qwen3.6-35b-a3b", "hybrid"),
        ("nemotron-3-nano-30b-a3b", "hybrid"),
        ("granite-4.0-h-small", "hybrid"),
        ("gpt-oss-20b", "sliding"),
        ("gemma-3-27b", "sliding"),
        ("glm-4.7", "all"),
        ("minimax-m2.5", "all"),
        ("devstral-small-2", "all"),
    ],
)
def test_what_a_family_remembers_is_known(name: str, remembers: str) -> None:
    assert of(name).remembers == remembers


@pytest.mark.parametrize(
    "name, layers",
    [
        ("qwen3-coder-30b-a3b", 48),
        ("qwen3-coder-480b-a35b", 62),
        ("qwen3.5-122b-a10b", 48),
        ("gpt-oss-120b", 36),
        ("glm-4.5-air", 46),
        ("glm-4.6", 92),
        ("glm-4.7-flash", 47),
        ("kimi-k2.5", 61),
        ("qwen2.5-coder-1.5b", 28),
        ("qwen2.5-coder-32b", 64),
        ("unheard-of", None),
    ],
)
def test_layers_are_known_of_some(name: str, layers: int | None) -> None:
    assert of(name).layers == layers


@pytest.mark.parametrize(
    "name, bits, has_fp8",
    [
        ("qwen3-coder-next", 16.0, True),
        ("qwen3-coder-next-fp8", 8.0, False),
        ("some-model-awq", 4.5, False),
        ("deepseek-v3.2", 8.0, False),
        ("gpt-oss-20b", 4.4, False),
        ("devstral-2", 8.0, False),
        ("devstral-small-2", 8.0, False),
        ("devstral-small-2-24b-instruct-2512", 8.0, False),
        ("devstral-small-2507", 16.0, False),
        ("kimi-k2", 8.0, False),
        ("kimi-k2.6", 4.6, False),
        ("kimi-k2.7-code", 4.6, False),
        ("unheard-of", 16.0, False),
    ],
)
def test_repositories_say_in_which_precision_they_are(
    name: str, bits: float, has_fp8: bool
) -> None:
    found = of(name)

    assert (found.published_bits, found.has_fp8) == (bits, has_fp8)
